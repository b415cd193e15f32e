#include "policy/condition_values.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace wicket {

bool covers(const IpNetwork& outer, const IpNetwork& inner) {
    return outer.prefix_bits() <= inner.prefix_bits() && outer.contains(inner.address());
}

namespace {

bool is_covered(const IpNetwork& network, const std::vector<IpNetwork>& by) {
    return std::ranges::any_of(by, [&](const IpNetwork& one) { return covers(one, network); });
}

bool touches(const IpNetwork& a, const IpNetwork& b) {
    return covers(a, b) || covers(b, a);
}

bool is_among(const std::string& text, const std::vector<std::string>& texts) {
    return std::ranges::find(texts, text) != texts.end();
}

bool are_among(const std::vector<std::string>& texts, const std::vector<std::string>& others) {
    return std::ranges::all_of(texts, [&](const std::string& one) { return is_among(one, others); });
}

bool are_covered(const std::vector<IpNetwork>& networks, const std::vector<IpNetwork>& by) {
    return std::ranges::all_of(networks, [&](const IpNetwork& one) { return is_covered(one, by); });
}

ConditionRange common(const ConditionRange& a, const ConditionRange& b) {
    ConditionRange both = a;
    if (b.least > both.least || (b.least == both.least && !b.has_least)) {
        both.least = b.least;
        both.has_least = b.has_least;
    }
    if (b.most < both.most || (b.most == both.most && !b.has_most)) {
        both.most = b.most;
        both.has_most = b.has_most;
    }
    return both;
}

void intersect_texts(ConditionValues& one, const ConditionValues& other) {
    if (one.all_but_texts && other.all_but_texts) {
        std::ranges::copy_if(other.texts, std::back_inserter(one.texts), [&](const std::string& text) {
            return !is_among(text, one.texts);
        });
        return;
    }
    const bool takes_other = one.all_but_texts;
    std::vector<std::string> kept = takes_other ? other.texts : one.texts;
    const ConditionValues& by = takes_other ? one : other;
    std::erase_if(kept, [&](const std::string& text) {
        return is_among(text, by.texts) == by.all_but_texts;
    });
    one.texts = std::move(kept);
    one.all_but_texts = false;
}

void intersect_networks(ConditionValues& one, const ConditionValues& other) {
    if (one.all_but_networks && other.all_but_networks) {
        one.networks.insert(one.networks.end(), other.networks.begin(), other.networks.end());
        return;
    }
    if (one.all_but_networks || other.all_but_networks) {
        // Of a network of which a part is left out all is kept: more than there is, never less.
        const bool takes_other = one.all_but_networks;
        std::vector<IpNetwork> kept = takes_other ? other.networks : one.networks;
        const std::vector<IpNetwork>& out = takes_other ? one.networks : other.networks;
        std::erase_if(kept, [&](const IpNetwork& network) { return is_covered(network, out); });
        one.networks = std::move(kept);
        one.all_but_networks = false;
        return;
    }
    std::vector<IpNetwork> kept;
    for (const IpNetwork& a : one.networks)
        for (const IpNetwork& b : other.networks)
            if (touches(a, b)) kept.push_back(covers(a, b) ? b : a);
    one.networks = std::move(kept);
}

bool has_subset_of_texts(const ConditionValues& one, const ConditionValues& other) {
    if (one.all_but_texts) return other.all_but_texts && are_among(other.texts, one.texts);
    if (!other.all_but_texts) return are_among(one.texts, other.texts);
    return std::ranges::none_of(one.texts, [&](const std::string& text) {
        return is_among(text, other.texts);
    });
}

bool has_subset_of_networks(const ConditionValues& one, const ConditionValues& other) {
    if (one.all_but_networks) return other.all_but_networks && are_covered(other.networks, one.networks);
    if (!other.all_but_networks) return are_covered(one.networks, other.networks);
    return std::ranges::none_of(one.networks, [&](const IpNetwork& network) {
        return std::ranges::any_of(other.networks, [&](const IpNetwork& out) {
            return touches(out, network);
        });
    });
}

}  // namespace

bool ConditionRange::contains(const ConditionRange& other) const {
    const bool begins_before =
        least < other.least || (least == other.least && (has_least || !other.has_least));
    const bool ends_behind = most > other.most || (most == other.most && (has_most || !other.has_most));
    return begins_before && ends_behind;
}

void ConditionValues::intersect(const ConditionValues& other) {
    absent &= other.absent;
    unknown &= other.unknown;
    intersect_texts(*this, other);
    intersect_networks(*this, other);
    std::vector<ConditionRange> kept;
    for (const ConditionRange& a : ranges)
        for (const ConditionRange& b : other.ranges)
            if (const ConditionRange both = common(a, b); !both.is_empty()) kept.push_back(both);
    ranges = std::move(kept);
}

bool ConditionValues::has_no_value() const {
    return (!all_but_texts && texts.empty()) || (!all_but_networks && networks.empty()) || ranges.empty();
}

bool ConditionValues::is_subset_of(const ConditionValues& other) const {
    if ((absent && !other.absent) || (unknown && !other.unknown)) return false;
    if (has_no_value()) return true;
    return has_subset_of_texts(*this, other) && has_subset_of_networks(*this, other) &&
           std::ranges::all_of(ranges, [&](const ConditionRange& range) {
               return std::ranges::any_of(other.ranges, [&](const ConditionRange& one) {
                   return one.contains(range);
               });
           });
}

std::vector<ConditionRange> outside_of(const std::vector<ConditionRange>& ranges) {
    std::vector<ConditionRange> outside = {ConditionRange{}};
    for (const ConditionRange& range : ranges) {
        ConditionRange behind = outside.back();
        outside.back().most = range.least;
        outside.back().has_most = !range.has_least;
        behind.least = range.most;
        behind.has_least = !range.has_most;
        outside.push_back(behind);
    }
    std::erase_if(outside, [](const ConditionRange& range) { return range.is_empty(); });
    return outside;
}

}  // namespace wicket
