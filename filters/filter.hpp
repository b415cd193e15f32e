// A check of the front: it looks (at the DNS, at counters, at neighbours) and reports facts. It can neither
// refuse nor write to the session; rules do that. One object serves all sessions on all loops, so it is const
// and keeps what it learns behind its own locks. How to add one: docs/filters.md.
#pragma once

#include "base/clock.hpp"
#include "base/message_bytes.hpp"
#include "filters/dns_evidence.hpp"
#include "filters/list_budget.hpp"
#include "mail/fact_dictionary.hpp"
#include "net/resolver.hpp"

#include <boost/asio/awaitable.hpp>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace wicket {

/// What a filter may use while it examines.
struct FilterTools {
    DnsResolver& dns;
    const Clock& clock;
    SteadyTime deadline;    // of this filter, already bounded by that of the chain
    SharedMessage message;  // at Stage::end; else nullptr
    /// Where what it asks is noted at once, for what it brings back is lost if it is late; may be nullptr.
    std::shared_ptr<DnsEvidence> evidence = nullptr;
    /// What lists may still be asked for this message; nullptr: as much as they like.
    std::shared_ptr<ListBudget> list_budget = nullptr;
    Stage stage = Stage::connect;  // from which on this filter can run
};

/// What a resolver says of a failure, without the names that may follow: a zone with a customer's key is
/// among them.
std::string reason_without_names(std::string reason);

/// Asks, and puts question and answer among the evidence. `shown` is what records may show of the question.
boost::asio::awaitable<DnsAnswer> look_up(
    FilterTools tools, Observation& seen, DnsQuestion question, DnsQuestion shown
);
boost::asio::awaitable<DnsAnswer> look_up(FilterTools tools, Observation& seen, DnsQuestion question);

class Filter;

/// Filters whose work costs less when it is done in one go.
class FilterGroup {
public:
    virtual ~FilterGroup() = default;

    /// One Observation for each member, in order. The members outlive the call.
    virtual boost::asio::awaitable<std::vector<Observation>> examine_together(
        std::vector<const Filter*> members, FactsSnapshot facts, FilterTools tools
    ) const = 0;
};

class Filter {
public:
    virtual ~Filter() = default;

    /// For the log, the record and `check`: "dnsbl.zen".
    virtual std::string_view name() const = 0;
    /// The facts that must have been gathered (or found absent) before it can begin.
    virtual std::vector<FactId> needs() const = 0;
    /// The facts it makes. If it throws or is late, each becomes unknown.
    virtual std::vector<FactId> makes() const = 0;
    virtual std::chrono::milliseconds timeout() const = 0;
    /// Runs on the session's loop. `facts` holds at least needs().
    virtual boost::asio::awaitable<Observation> examine(FactsSnapshot facts, FilterTools tools) const = 0;

    /// Whether it waits for the end of data unless an answer before depends on its facts: for checks that
    /// cost more than a look-up.
    virtual bool can_wait() const { return false; }
    /// What it will ask in any case: asked in advance while it waits, so that the answers are at hand then.
    virtual std::vector<DnsQuestion> foresee(const Facts& /*facts*/) const { return {}; }
    /// Members of one group that begin at the same moment are examined in one call; nullptr: it has none.
    virtual const FilterGroup* group() const { return nullptr; }
};

}  // namespace wicket
