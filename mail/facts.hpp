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
    Facts() = default;
    /// A copy to which `more` facts can be added without its moving.
    Facts(const Facts& other, std::size_t more);

    /// Valid until the next set().
    const FactValue& get(FactId id) const;
    void set(FactId id, FactValue value);
    void clear();
    /// Of all that are not absent, by id: visit(FactId, const FactValue&).
    template <typename Visit>
    void for_each(Visit visit) const {
        for (const Place& place : order_)
            visit(place.id, values_[place.at]);
    }
    /// Makes those absent whose id `is_meant`.
    template <typename Predicate>
    void erase_if(Predicate is_meant) {
        for (std::size_t at = order_.size(); at-- > 0;)
            if (is_meant(order_[at].id)) erase(at);
    }
    /// One more than the greatest id that is not absent.
    std::size_t size() const { return order_.empty() ? 0 : order_.back().id + std::size_t{1}; }

    bool operator==(const Facts& other) const;

private:
    /// Values stay where they are while facts come in another order than that of their ids.
    struct Place {
        FactId id;
        std::uint16_t at;  // in values_
    };
    std::vector<Place>::iterator find(FactId id);
    void erase(std::size_t place);

    std::vector<Place> order_;       // by id
    std::vector<FactValue> values_;  // none absent
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
