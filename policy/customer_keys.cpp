#include "policy/customer_keys.hpp"

#include "base/text.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace wicket {
namespace {

constexpr std::array keyed_zones = {
    std::string_view("dq.spamhaus.net"), std::string_view("mail.abusix.zone")
};
// Labels as long as this, of letters and digits alone, are no words: those of Spamhaus have 26, of Abusix 32.
constexpr std::size_t key_label_least = 20;
// Shorter ones may be words of a rule file: they are taken out only where zones and keys are spoken of.
constexpr std::size_t telling_key_least = 8;
constexpr std::string_view shown_key = "(key)";
// A label, so that a kept zone is one.
constexpr std::string_view kept_key = "key-is-not-kept";

bool looks_like_key(std::string_view label) {
    return label == kept_key ||
           (label.size() >= key_label_least && std::ranges::all_of(label, is_letter_or_digit));
}

template <class Visit>
void for_each_label(std::string_view zone, const Visit& visit) {
    while (true) {
        const std::string_view label = zone.substr(0, zone.find('.'));
        visit(label);
        if (label.size() == zone.size()) return;
        zone.remove_prefix(label.size() + 1);
    }
}

bool has_key_in_front(std::string_view zone) {
    return std::ranges::any_of(keyed_zones, [zone](std::string_view known) {
        // KEY.LIST.known: at least two labels in front.
        if (!zone.ends_with(known) || zone.size() == known.size()) return false;
        const std::string_view front = zone.substr(0, zone.size() - known.size() - 1);
        return zone[front.size()] == '.' && front.contains('.');
    });
}

bool is_label_octet(char c) {
    return is_letter_or_digit(c) || c == '-' || c == '_';
}

/// A line without the words that are `key`.
std::string line_without(std::string_view line, std::string_view key) {
    const std::string lower = lower_case(line);
    std::string made;
    std::size_t done = 0;
    for (std::size_t at = lower.find(key); at != std::string::npos; at = lower.find(key, at + 1)) {
        const std::size_t end = at + key.size();
        const bool is_word = (at == 0 || !is_label_octet(lower[at - 1])) &&
                             (end == lower.size() || !is_label_octet(lower[end]));
        if (at < done || !is_word) continue;
        made.append(line.substr(done, at - done)).append(kept_key);
        done = end;
    }
    return made.append(line.substr(done));
}

bool speaks_of_zones(std::string_view line) {
    return line.contains("zone") || line.contains("key") || line.contains('#');
}

std::string text_without(std::string_view text, std::string_view key) {
    std::string made;
    while (!text.empty()) {
        const std::size_t end = text.find('\n');
        const std::string_view line = text.substr(0, end == std::string_view::npos ? end : end + 1);
        made += key.size() >= telling_key_least || speaks_of_zones(line) ? line_without(line, key)
                                                                         : std::string(line);
        text.remove_prefix(line.size());
    }
    return made;
}

}  // namespace

std::vector<std::string> customer_keys(std::string_view zone, std::string_view named) {
    std::vector<std::string> keys;
    bool is_keyed = has_key_in_front(zone);
    for_each_label(zone, [&](std::string_view label) {
        const bool is_key = std::exchange(is_keyed, false) || looks_like_key(label) || label == named;
        if (is_key && !label.empty()) keys.emplace_back(label);
    });
    return keys;
}

std::string zone_without_keys(std::string_view zone, const std::vector<std::string>& keys) {
    std::string shown;
    for_each_label(zone, [&](std::string_view label) {
        if (!shown.empty()) shown += '.';
        shown += std::ranges::find(keys, label) != keys.end() ? shown_key : label;
    });
    return shown;
}

std::vector<RuleSource> sources_without_keys(
    const std::vector<RuleSource>& sources, const std::vector<std::string>& keys
) {
    std::vector<RuleSource> made = sources;
    for (RuleSource& source : made)
        for (const std::string& key : keys)
            source.content = text_without(source.content, key);
    return made;
}

}  // namespace wicket
