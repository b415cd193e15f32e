// Facts: what the filters found out, typed, three-valued, and nothing else. What a fact is called and means
// stands in the dictionary (mail/fact_dictionary.hpp); here are the values. Any thread, by value.
#pragma once

#include "base/clock.hpp"
#include "base/dns.hpp"
#include "base/ip.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace wicket {

/// The fact does not apply: a comparison with it is false.
struct Absent {
    bool operator==(const Absent&) const = default;
};

/// A temporary failure kept it from being known: a comparison with it is unknown.
struct Unknown {
    std::string reason;  // a few words: "time-out", "worker crashed"
    bool operator==(const Unknown&) const = default;
};

/// A list. An element that is there is there; one that is not may still be, if the list is not complete.
struct TextList {
    std::vector<std::string> items;
    std::string missing;  // why it is incomplete; empty: it is complete
    bool operator==(const TextList&) const = default;
};

/// One row of a list of results, such as one DKIM signature: field and value, in the order of the dictionary.
using ResultRow = std::vector<std::pair<std::string, std::string>>;

struct ResultList {
    std::vector<ResultRow> rows;
    std::string missing;  // as in TextList
    bool operator==(const ResultList&) const = default;
};

using FactValue = std::variant<
    Absent,
    Unknown,
    bool,
    std::int64_t,
    double,
    std::string,
    IpAddress,
    WallTime,
    TextList,
    ResultList>;

/// Index into the dictionary that the facts were made under.
using FactId = std::uint16_t;

/// All facts of one transaction and recipient so far. What was never set is absent. Only what is not absent
/// takes room: every session holds facts, and most of the dictionary does not apply to most of them.
class Facts {
public:
    /// Valid until the next set().
    const FactValue& get(FactId id) const;
    void set(FactId id, FactValue value);
    /// One more than the greatest id that is not absent.
    void clear() { rows_.clear(); }
    std::size_t size() const { return rows_.empty() ? 0 : rows_.back().id + std::size_t{1}; }

    bool operator==(const Facts&) const = default;

private:
    struct Row {
        FactId id;
        FactValue value;
        bool operator==(const Row&) const = default;
    };
    std::vector<Row> rows_;  // by id, none absent
};

/// What a filter is handed: the facts at the moment it began; they never change under it.
using FactsSnapshot = std::shared_ptr<const Facts>;

/// What a filter brings back: facts and the evidence they were computed from.
struct Observation {
    std::vector<std::pair<FactId, FactValue>> facts;
    std::vector<DnsLookup> lookups;
    std::uint32_t scan_passes = 0;  // frames sent to a scan worker for it
};

}  // namespace wicket
