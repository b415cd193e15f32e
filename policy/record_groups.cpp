#include "policy/record_groups.hpp"

#include "base/diagnostic.hpp"
#include "base/text.hpp"
#include "policy/named_list.hpp"
#include "policy/record_query.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>

namespace wicket {
namespace {

// A value is for reading: what is longer is cut, and what begins alike falls together.
constexpr std::size_t value_limit_octets = 200;

using Found = std::vector<std::string>;

std::string domain_of(std::string_view address) {
    const std::size_t at = address.rfind('@');
    return lower_case(at == std::string_view::npos ? address : address.substr(at + 1));
}

void find_rule(const StoredRecord& stored, Found& found) {
    found.push_back(stored.record.verdict.rule);
    for (const RecordRecipient& recipient : stored.record.recipients)
        found.push_back(recipient.verdict.rule);
}

void find_hits(const StoredRecord& stored, Found& found) {
    const auto add = [&found](const Verdict& verdict) {
        for (const RuleHit& hit : verdict.hits)
            found.push_back(hit.rule);
    };
    add(stored.record.verdict);
    for (const RecordRecipient& recipient : stored.record.recipients)
        add(recipient.verdict);
}

void find_fact(std::string_view name, const StoredRecord& stored, Found& found) {
    const auto id = stored.dictionary.find(name);
    if (!id) return;
    const auto add = [&found](const FactValue& value) {
        if (const auto* list = std::get_if<TextList>(&value))
            found.insert(found.end(), list->items.begin(), list->items.end());
        else if (!std::holds_alternative<Absent>(value))
            found.push_back(fact_to_text(value));
    };
    add(stored.record.facts.get(*id));
    for (const RecordRecipient& recipient : stored.record.recipients)
        if (recipient.facts != nullptr) add(recipient.facts->get(*id));
}

struct GroupField {
    std::string_view name;
    void (*find)(const StoredRecord&, Found&);
};

constexpr std::array group_fields = {
    GroupField{"rule", find_rule},
    GroupField{"hit", find_hits},
    GroupField{
               "verdict", [](const StoredRecord& stored, Found& found) {
            found.emplace_back(to_string(stored.record.verdict.action));
        }
    },
    GroupField{
               "ip", [](const StoredRecord& stored, Found& found) {
            found.push_back(is_client_known(stored.record) ? stored.record.client_ip.to_string() : "unknown");
        }
    },
    GroupField{
               "network", [](const StoredRecord& stored, Found& found) {
            found.push_back(
                is_client_known(stored.record) ? neighbourhood(stored.record.client_ip).to_string()
                                               : "unknown"
            );
        }
    },
    GroupField{
               "sender", [](const StoredRecord& stored, Found& found) {
            if (stored.record.has_from)
                found.push_back(stored.record.from.empty() ? "<>" : stored.record.from);
        }
    },
    GroupField{
               "sender-domain", [](const StoredRecord& stored, Found& found) {
            if (stored.record.has_from)
                found.push_back(stored.record.from.empty() ? "<>" : domain_of(stored.record.from));
        }
    },
    GroupField{
               "recipient", [](const StoredRecord& stored, Found& found) {
            for (const RecordRecipient& recipient : stored.record.recipients)
                found.push_back(recipient.address);
        }
    },
    GroupField{
               "recipient-domain", [](const StoredRecord& stored, Found& found) {
            for (const RecordRecipient& recipient : stored.record.recipients)
                found.push_back(domain_of(recipient.address));
        }
    },
    GroupField{"helo", [](const StoredRecord& stored, Found& found) { found.push_back(stored.record.helo); }},
    GroupField{
               "stage", [](const StoredRecord& stored, Found& found) {
            found.emplace_back(to_string(stored.record.verdict.stage));
        }
    },
    GroupField{
               "listener", [](const StoredRecord& stored, Found& found) { found.push_back(stored.record.listener); }
    },
    GroupField{
               "reply", [](const StoredRecord& stored, Found& found) {
            if (stored.record.reply.code != 0)
                found.push_back(fmt::format("{} {}", stored.record.reply.code, stored.record.reply.enhanced));
        }
    },
};

std::uint64_t weight_of(const DecisionRecord& record) {
    return std::max<std::uint64_t>(record.folded_count, 1);
}

/// Steps of a chart, in seconds, that a person can read off.
constexpr std::array<std::int64_t, 13> chart_steps = {
    60,
    300,
    600,
    1800,
    3600,
    3 * 3600,
    6 * 3600,
    12 * 3600,
    86'400,
    2 * 86'400,
    7 * 86'400,
    28 * 86'400,
    364 * 86'400
};

void merge_into(RecordTimes::Row& row, const RecordTimes::Row& more) {
    row.taken += more.taken;
    row.set_aside += more.set_aside;
    row.put_off += more.put_off;
    row.refused += more.refused;
    row.nothing += more.nothing;
}

}  // namespace

const std::vector<std::string>& RecordGroups::fields() {
    static const std::vector<std::string> names = [] {
        std::vector<std::string> made;
        for (const GroupField& field : group_fields)
            made.emplace_back(field.name);
        return made;
    }();
    return names;
}

Result<RecordGroups> RecordGroups::by(std::string_view field, std::size_t values_limit) {
    if (field.starts_with("fact:") && field.size() > 5) {
        const std::string fact(field.substr(5));
        if (is_glob(fact)) return failure(ErrorCode::invalid, "--by fact: wants one fact, not " + fact);
        if (auto checked = check_fact_name(fact); !checked) return std::unexpected(checked.error());
        return RecordGroups(
            [fact](const StoredRecord& stored, Found& found) { find_fact(fact, stored, found); }, values_limit
        );
    }
    const auto known = std::ranges::find(group_fields, field, &GroupField::name);
    if (known != group_fields.end()) return RecordGroups(known->find, values_limit);
    const std::string near = nearest_word(std::string(field), fields());
    std::string message = fmt::format("--by {}: ", field);
    if (near.empty())
        message += fmt::format("{} or fact:NAME is wanted", fmt::join(fields(), ", "));
    else
        message += "did you mean \"" + near + "\"?";
    return failure(ErrorCode::invalid, std::move(message));
}

void RecordGroups::add(const StoredRecord& stored) {
    const std::uint64_t weight = weight_of(stored.record);
    total_ += weight;
    found_.clear();
    values_(stored, found_);
    for (std::string& value : found_)
        if (value.size() > value_limit_octets) value.resize(value_limit_octets);
    std::erase(found_, "");
    if (found_.empty()) found_.emplace_back("(none)");
    std::ranges::sort(found_);
    const auto repeated = std::ranges::unique(found_);
    found_.erase(repeated.begin(), repeated.end());
    for (const std::string& value : found_) {
        if (rows_.size() >= limit_ && !rows_.contains(value)) make_room();
        Row& row = rows_[value];
        if (row.count == 0) row.first = stored.record.time;
        row.count += weight;
        row.first = std::min(row.first, stored.record.time);
        row.last = std::max({row.last, stored.record.time, stored.record.folded_last});
    }
}

void RecordGroups::make_room() {
    std::vector<std::uint64_t> counts;
    counts.reserve(rows_.size());
    for (const auto& [value, row] : rows_)
        counts.push_back(row.count);
    const auto middle = counts.begin() + static_cast<std::ptrdiff_t>(counts.size() / 2);
    std::ranges::nth_element(counts, middle);
    std::size_t surplus = rows_.size() - counts.size() / 2;
    for (auto at = rows_.begin(); at != rows_.end() && surplus > 0;) {
        if (at->second.count > *middle) {
            ++at;
            continue;
        }
        others_ += at->second.count;
        at = rows_.erase(at);
        --surplus;
    }
}

std::vector<RecordGroups::Row> RecordGroups::rows() const {
    std::vector<Row> made;
    made.reserve(rows_.size());
    for (const auto& [value, row] : rows_) {
        made.push_back(row);
        made.back().value = value;
    }
    std::ranges::sort(made, [](const Row& a, const Row& b) {
        return a.count != b.count ? a.count > b.count : a.value < b.value;
    });
    return made;
}

void RecordTimes::add(const StoredRecord& stored) {
    const auto seconds =
        std::chrono::floor<std::chrono::seconds>(stored.record.time.time_since_epoch()).count();
    while (cells_.size() >= cells_limit && !cells_.contains(seconds / step_.count())) {
        step_ *= 2;
        std::map<std::int64_t, Row> wider;
        for (const auto& [at, row] : cells_)
            merge_into(wider[at / 2], row);
        cells_ = std::move(wider);
    }
    Row& row = cells_[seconds / step_.count()];
    const std::uint64_t weight = weight_of(stored.record);
    switch (stored.record.verdict.action) {
        case Action::none: row.nothing += weight; break;
        case Action::accept:
        case Action::discard: row.taken += weight; break;
        case Action::junk:
        case Action::quarantine: row.set_aside += weight; break;
        case Action::greylist:
        case Action::defer: row.put_off += weight; break;
        case Action::reject:
        case Action::disconnect: row.refused += weight; break;
    }
}

RecordTimes::Chart RecordTimes::chart(std::size_t rows_limit) const {
    Chart made;
    if (cells_.empty() || rows_limit == 0) return made;
    const std::int64_t first = cells_.begin()->first * step_.count();
    const std::int64_t last = cells_.rbegin()->first * step_.count();
    std::int64_t step = std::max(chart_steps.back(), step_.count());
    for (const std::int64_t one : chart_steps) {
        const bool fits = static_cast<std::size_t>(last / one - first / one) < rows_limit;
        if (one < step_.count() || !fits) continue;
        step = one;
        break;
    }
    made.step = std::chrono::seconds(step);
    for (std::int64_t at = first / step; at <= last / step; ++at) {
        made.rows.emplace_back().begin = WallTime(std::chrono::seconds(at * step));
        if (made.rows.size() > rows_limit) made.rows.erase(made.rows.begin());
    }
    const std::int64_t begin = last / step - static_cast<std::int64_t>(made.rows.size()) + 1;
    for (const auto& [at, row] : cells_) {
        const std::int64_t index = at * step_.count() / step - begin;
        if (index >= 0) merge_into(made.rows[static_cast<std::size_t>(index)], row);
    }
    return made;
}

}  // namespace wicket
