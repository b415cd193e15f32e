// The filters as a graph over facts, and one run of it. A filter begins as soon as all facts that it needs
// are gathered, all that can run do run concurrently, and whatever is late, failed or fed by something
// unknown leaves its facts unknown; nothing ever waits for a filter beyond its time-out. FilterChain is
// shared and immutable; a ChainRun belongs to one connection and its loop.
#pragma once

#include "base/diagnostic.hpp"
#include "filters/filter.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <memory>
#include <vector>

namespace wicket {

class FilterChain {
public:
    struct Link {
        std::shared_ptr<const Filter> filter;
        std::vector<FactId> needs;
        std::vector<FactId> makes;
        Stage stage;  // the earliest at which everything it needs can be known
    };

    /// Reports, as errors without a place, a fact made twice, one that is needed but that neither the session
    /// nor a filter makes, and a circle; nullptr then.
    static std::shared_ptr<const FilterChain> build(
        std::vector<std::shared_ptr<const Filter>> filters,
        const FactDictionary& dictionary,
        Diagnostics& diagnostics
    );

    const std::vector<Link>& links() const { return links_; }
    /// Whether any filter runs at this stage.
    bool runs_at(Stage stage) const { return runs_at_[static_cast<std::size_t>(stage)]; }

private:
    std::vector<Link> links_;
    std::vector<bool> runs_at_ = std::vector<bool>(stage_count);
};

/// What a run tells besides the facts: for the timeline of the record.
struct FilterEvent {
    SteadyTime time;
    Stage stage;
    std::string what;  // "spf done in 1840 us", "dnsbl.zen late"
};

class ChainRun {
public:
    ChainRun(
        std::shared_ptr<const FilterChain> chain,
        std::shared_ptr<const FactDictionary> dictionary,
        DnsResolver& dns,
        const Clock& clock,
        boost::asio::any_io_executor executor
    );
    ~ChainRun();

    /// The facts so far. Those of filters still under way are absent.
    const Facts& facts() const;
    /// The same as a record is to show them: absent means that a fact does not apply, so what a filter that
    /// has not finished was to make is unknown.
    Facts recorded_facts() const;
    /// Sets what the session knows itself.
    void provide(FactId fact, FactValue value);
    /// The same where the session knows better than the filter that makes the fact: the value stays, whatever
    /// the filter finds.
    void overrule(FactId fact, FactValue value);
    /// A new session under other rules: all is forgotten, and what comes next is another chain's.
    void begin_anew(
        std::shared_ptr<const FilterChain> chain, std::shared_ptr<const FactDictionary> dictionary
    );
    /// Everything known from `stage` on is forgotten, results that are still to come included: a new HELO,
    /// MAIL or RCPT.
    void forget_from(Stage stage);
    /// Starts every filter of this stage (and of earlier ones) that has what it needs; those that can wait
    /// only at the end, and until then their facts are unknown. `message` only at the end.
    void begin(Stage stage, SharedMessage message = nullptr);
    /// Whether a filter that has what it needs is waiting for the end.
    bool is_any_waiting() const;
    /// An answer depends on their facts: they begin now.
    void begin_waiting();
    /// The waiting filters' questions are asked now, so that the answers are at hand when they begin.
    void foresee();
    /// Waits until no filter of `stage` or earlier is under way, at the latest until `deadline`: then their
    /// facts become unknown ("late").
    boost::asio::awaitable<void> settle(Stage stage, SteadyTime deadline);

    /// The evidence and the timeline so far; of a filter that is late or under way what it has asked.
    std::vector<DnsLookup> lookups() const;
    std::uint32_t scan_passes() const;
    const std::vector<FilterEvent>& events() const;

private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace wicket
