#include "filters/chain.hpp"

#include "base/log.hpp"
#include "mail/unknown_reasons.hpp"
#include "net/timeout.hpp"

#include <boost/asio/async_result.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <exception>
#include <fmt/format.h>
#include <map>
#include <utility>

namespace wicket {
namespace {

FactValue not_looked_at() {
    return Unknown{std::string(reason_not_looked_at)};
}

/// Made by the receiver and by the look at the finished message, before any filter runs.
bool is_from_session(const FactDeclaration& row) {
    return row.filter == "smtp" || row.filter == "message";
}

/// The links in an order in which each stands behind those that make what it needs; empty if there is a
/// circle.
std::vector<FilterChain::Link> sorted_by_need(
    std::vector<FilterChain::Link> links, const std::map<FactId, std::size_t>& maker
) {
    std::vector<FilterChain::Link> sorted;
    std::vector<bool> is_placed(links.size());
    while (sorted.size() < links.size()) {
        const std::size_t before = sorted.size();
        for (std::size_t i = 0; i < links.size(); ++i) {
            const auto is_ready = [&](FactId need) {
                const auto found = maker.find(need);
                return found == maker.end() || is_placed[found->second];
            };
            if (is_placed[i] || !std::ranges::all_of(links[i].needs, is_ready)) continue;
            is_placed[i] = true;
            sorted.push_back(links[i]);
        }
        if (sorted.size() == before) return {};
    }
    return sorted;
}

}  // namespace

std::shared_ptr<const FilterChain> FilterChain::build(
    std::vector<std::shared_ptr<const Filter>> filters,
    const FactDictionary& dictionary,
    Diagnostics& diagnostics
) {
    std::vector<Link> links;
    std::map<FactId, std::size_t> maker;
    for (auto& filter : filters) {
        Link link{filter, filter->needs(), filter->makes(), Stage::connect};
        for (const FactId fact : link.makes) {
            const auto [other, is_first] = maker.emplace(fact, links.size());
            if (is_first) continue;
            diagnostics.error(
                {},
                fmt::format(
                    "the fact {} is made by two filters, {} and {}",
                    dictionary.row(fact).name,
                    links[other->second].filter->name(),
                    filter->name()
                )
            );
        }
        links.push_back(std::move(link));
    }
    for (Link& link : links) {
        for (const FactId need : link.needs) {
            const FactDeclaration& row = dictionary.row(need);
            link.stage = std::max(link.stage, row.stage);
            if (!is_from_session(row) && !maker.contains(need))
                diagnostics.error(
                    {},
                    fmt::format(
                        "the filter {} needs the fact {}, which no filter makes",
                        link.filter->name(),
                        row.name
                    )
                );
        }
    }
    auto chain = std::make_shared<FilterChain>();
    chain->links_ = sorted_by_need(links, maker);
    if (chain->links_.size() != links.size())
        diagnostics.error({}, "the filters need one another in a circle");
    if (diagnostics.has_errors()) return nullptr;
    for (const Link& link : chain->links_)
        chain->runs_at_[static_cast<std::size_t>(link.stage)] = true;
    return chain;
}

struct ChainRun::State : std::enable_shared_from_this<State> {
    enum class Progress : std::uint8_t { waiting, running, finished };

    struct Member {
        std::size_t index;
        std::uint32_t round;
    };

    /// What is examined in one call: one filter, or several of one group.
    struct Batch {
        const FilterGroup* group;  // of the chain's filters; nullptr: one filter alone
        std::vector<Member> members;
    };

    struct Node {
        Progress progress = Progress::waiting;
        std::uint32_t round = 0;  // results of an earlier round are of no interest any more
        SteadyTime began{};
        std::shared_ptr<DnsEvidence> evidence = nullptr;  // while it runs; members of a batch share it
        std::vector<DnsLookup> lookups = {};
        std::uint32_t scan_passes = 0;
    };

    State(
        std::shared_ptr<const FilterChain> chain_,
        std::shared_ptr<const FactDictionary> dictionary_,
        DnsResolver& dns_,
        const Clock& clock_,
        boost::asio::any_io_executor executor_
    )
        : chain(std::move(chain_)),
          dictionary(std::move(dictionary_)),
          dns(dns_),
          clock(clock_),
          executor(std::move(executor_)),
          nodes(chain->links().size()) {}

    bool is_under_way(Stage stage) const {
        for (std::size_t i = 0; i < nodes.size(); ++i)
            if (chain->links()[i].stage <= stage && nodes[i].progress == Progress::running) return true;
        return false;
    }

    bool has_what_it_needs(std::size_t index) const {
        for (std::size_t other = 0; other < nodes.size(); ++other) {
            if (nodes[other].progress == Progress::finished) continue;
            const auto& made = chain->links()[other].makes;
            const auto& needed = chain->links()[index].needs;
            if (std::ranges::find_first_of(needed, made) != needed.end()) return false;
        }
        return true;
    }

    FactsSnapshot snapshot() {
        if (!shared_facts) shared_facts = std::make_shared<const Facts>(facts);
        return shared_facts;
    }

    void set(FactId fact, FactValue value) {
        facts.set(fact, std::move(value));
        shared_facts = nullptr;
    }

    /// What a filter makes of it, unless the session knows better.
    void observe(FactId fact, FactValue value) {
        if (!is_overruled(fact)) set(fact, std::move(value));
    }

    bool is_overruled(FactId fact) const { return std::ranges::find(overruled, fact) != overruled.end(); }

    bool can_begin(std::size_t index) const {
        return chain->links()[index].stage <= begun && nodes[index].progress == Progress::waiting &&
               has_what_it_needs(index);
    }

    bool must_wait(std::size_t index) const {
        return begun < Stage::end && !is_waiting_over && chain->links()[index].filter->can_wait();
    }

    static Batch& batch_of(const FilterGroup* group, std::vector<Batch>& batches) {
        const auto found = std::ranges::find(batches, group, &Batch::group);
        if (group != nullptr && found != batches.end()) return *found;
        return batches.emplace_back(Batch{group, {}});
    }

    void start_ready(Stage up_to) {
        begun = std::max(begun, up_to);
        std::vector<Batch> batches;
        for (std::size_t i = 0; i < nodes.size(); ++i) {
            if (!can_begin(i)) continue;
            const FilterChain::Link& link = chain->links()[i];
            if (must_wait(i)) {
                for (const FactId fact : link.makes)
                    observe(fact, not_looked_at());
                continue;
            }
            if (link.filter->can_wait())
                for (const FactId fact : link.makes)
                    observe(fact, Absent{});
            nodes[i].progress = Progress::running;
            nodes[i].began = clock.steady();
            batch_of(link.filter->group(), batches).members.push_back({i, nodes[i].round});
        }
        // One that finishes at once starts others: only now.
        for (Batch& batch : batches) {
            FilterTools tools{
                dns, clock, SteadyTime::max(), message, std::make_shared<DnsEvidence>(), list_budget
            };
            for (const Member& one : batch.members) {
                const auto timeout = chain->links()[one.index].filter->timeout();
                tools.deadline = std::min(tools.deadline, nodes[one.index].began + timeout);
                tools.stage = std::max(tools.stage, chain->links()[one.index].stage);
                nodes[one.index].evidence = tools.evidence;
            }
            boost::asio::co_spawn(
                executor, run(shared_from_this(), std::move(batch), std::move(tools)), boost::asio::detached
            );
        }
    }

    boost::asio::awaitable<std::vector<Observation>> examine(const Batch& batch, FilterTools tools) {
        std::vector<const Filter*> filters;
        for (const Member& one : batch.members)
            filters.push_back(chain->links()[one.index].filter.get());
        if (batch.group != nullptr)
            co_return co_await batch.group->examine_together(std::move(filters), snapshot(), tools);
        std::vector<Observation> alone;
        alone.push_back(co_await filters.front()->examine(snapshot(), tools));
        co_return alone;
    }

    static boost::asio::awaitable<void> run(std::shared_ptr<State> self, Batch batch, FilterTools tools) {
        std::string fault;
        std::vector<Observation> observations;
        try {
            observations = co_await self->examine(batch, std::move(tools));
        } catch (const std::exception& error) {
            fault = error.what();
        }
        bool is_of_interest = false;
        for (std::size_t at = 0; at < batch.members.size(); ++at) {
            const auto [index, round] = batch.members[at];
            const Node& node = self->nodes[index];
            if (node.round != round || node.progress != Progress::running) continue;
            is_of_interest = true;
            if (fault.empty()) {
                self->finish(index, std::move(observations.at(at)));
                continue;
            }
            log_error(
                "a filter failed",
                {
                    {"filter", self->chain->links()[index].filter->name()},
                    {"error",  fault                                     }
            }
            );
            self->give_up(index, "the filter failed");
        }
        if (is_of_interest) self->changed();
    }

    static boost::asio::awaitable<void> ask_ahead(
        std::shared_ptr<State> self, DnsQuestion question, SteadyTime deadline
    ) {
        co_await self->dns.lookup(std::move(question), deadline);
    }

    void finish(std::size_t index, Observation observation) {
        Node& node = nodes[index];
        node.progress = Progress::finished;
        node.evidence = nullptr;
        node.lookups = std::move(observation.lookups);
        node.scan_passes = observation.scan_passes;
        for (auto& [fact, value] : observation.facts)
            observe(fact, std::move(value));
        const auto micros =
            std::chrono::duration_cast<std::chrono::microseconds>(clock.steady() - node.began).count();
        note(index, fmt::format("{} done in {} us", chain->links()[index].filter->name(), micros));
    }

    void give_up(std::size_t index, const std::string& reason) {
        Node& node = nodes[index];
        node.progress = Progress::finished;
        if (node.evidence) node.lookups = node.evidence->so_far(clock.steady());
        node.evidence = nullptr;
        // Results that have a word for a temporary failure show it; the timeline tells the reason.
        for (const FactId fact : chain->links()[index].makes)
            observe(fact, unknown_value(dictionary->row(fact), reason));
        note(index, fmt::format("{}: {}", chain->links()[index].filter->name(), reason));
    }

    void note(std::size_t index, std::string what) {
        events.push_back({clock.steady(), chain->links()[index].stage, std::move(what)});
    }

    /// A node finished: others may begin, and whoever waits may go on.
    void changed() {
        start_ready(begun);
        if (wake && !is_under_way(awaited)) std::exchange(wake, nullptr)();
    }

    std::shared_ptr<const FilterChain> chain;
    std::shared_ptr<const FactDictionary> dictionary;
    DnsResolver& dns;
    const Clock& clock;
    boost::asio::any_io_executor executor;
    std::vector<Node> nodes;  // as the links of the chain
    Facts facts;
    std::vector<FactId> overruled;  // by the session
    FactsSnapshot shared_facts;
    SharedMessage message;
    // Shared with filters that outlive the run.
    std::shared_ptr<ListBudget> list_budget = std::make_shared<ListBudget>();
    std::vector<FilterEvent> events;
    Stage begun = Stage::connect;
    bool is_waiting_over = false;
    Stage awaited = Stage::connect;
    std::function<void()> wake;  // of the one coroutine in settle()
};

ChainRun::ChainRun(
    std::shared_ptr<const FilterChain> chain,
    std::shared_ptr<const FactDictionary> dictionary,
    DnsResolver& dns,
    const Clock& clock,
    boost::asio::any_io_executor executor
)
    : state_(std::make_shared<State>(std::move(chain), std::move(dictionary), dns, clock, std::move(executor))
      ) {}

ChainRun::~ChainRun() {
    // Filters still under way hold the state; what they bring is of no interest any more.
    for (State::Node& node : state_->nodes)
        ++node.round;
}

void ChainRun::begin_anew(
    std::shared_ptr<const FilterChain> chain, std::shared_ptr<const FactDictionary> dictionary
) {
    State& old = *state_;
    for (State::Node& node : old.nodes)
        ++node.round;
    state_ =
        std::make_shared<State>(std::move(chain), std::move(dictionary), old.dns, old.clock, old.executor);
}

const Facts& ChainRun::facts() const {
    return state_->facts;
}

Facts ChainRun::recorded_facts() const {
    const State& state = *state_;
    Facts recorded = state.facts;
    for (std::size_t i = 0; i < state.nodes.size(); ++i) {
        const FilterChain::Link& link = state.chain->links()[i];
        if (link.stage > state.begun || state.nodes[i].progress == State::Progress::finished) continue;
        const bool waits = state.can_begin(i) && state.must_wait(i);
        for (const FactId fact : link.makes)
            if (!state.is_overruled(fact))
                // What nobody has asked is no temporary failure, and no rule has seen it as one.
                recorded.set(
                    fact,
                    waits ? not_looked_at()
                          : unknown_value(state.dictionary->row(fact), std::string(reason_not_known_yet))
                );
    }
    return recorded;
}

void ChainRun::provide(FactId fact, FactValue value) {
    state_->set(fact, std::move(value));
}

void ChainRun::overrule(FactId fact, FactValue value) {
    state_->set(fact, std::move(value));
    state_->overruled.push_back(fact);
}

void ChainRun::forget_from(Stage stage) {
    State& state = *state_;
    std::erase_if(state.overruled, [&](FactId fact) { return state.dictionary->row(fact).stage >= stage; });
    state.facts.erase_if([&](FactId fact) { return state.dictionary->row(fact).stage >= stage; });
    state.shared_facts = nullptr;
    for (std::size_t i = 0; i < state.nodes.size(); ++i) {
        if (state.chain->links()[i].stage < stage) continue;
        ++state.nodes[i].round;
        state.nodes[i].progress = State::Progress::waiting;
        state.nodes[i].evidence = nullptr;
        state.nodes[i].lookups.clear();
        state.nodes[i].scan_passes = 0;
    }
    std::erase_if(state.events, [stage](const FilterEvent& event) { return event.stage >= stage; });
    state.message = nullptr;
    state.list_budget->forget_from(stage);
    if (stage <= Stage::mail) state.is_waiting_over = false;
    const Stage before =
        stage == Stage::connect ? stage : static_cast<Stage>(static_cast<std::uint8_t>(stage) - 1);
    state.begun = std::min(state.begun, before);
}

void ChainRun::begin(Stage stage, SharedMessage message) {
    state_->message = std::move(message);
    state_->start_ready(stage);
}

bool ChainRun::is_any_waiting() const {
    for (std::size_t i = 0; i < state_->nodes.size(); ++i)
        if (state_->can_begin(i) && state_->must_wait(i)) return true;
    return false;
}

void ChainRun::begin_waiting() {
    state_->is_waiting_over = true;
    state_->start_ready(state_->begun);
}

void ChainRun::foresee() {
    State& state = *state_;
    for (std::size_t i = 0; i < state.nodes.size(); ++i) {
        if (!state.can_begin(i) || !state.must_wait(i)) continue;
        const Filter& filter = *state.chain->links()[i].filter;
        const SteadyTime deadline = state.clock.steady() + filter.timeout();
        for (DnsQuestion& question : filter.foresee(state.facts)) {
            if (state.dns.recall(question)) continue;
            boost::asio::co_spawn(
                state.executor, State::ask_ahead(state_, std::move(question), deadline), boost::asio::detached
            );
        }
    }
}

boost::asio::awaitable<void> ChainRun::settle(Stage stage, SteadyTime deadline) {
    const std::shared_ptr<State> state = state_;
    if (!state->is_under_way(stage)) co_return;
    Timeout timeout(state->executor);
    state->awaited = stage;
    timeout.arm(deadline, [state] {
        if (state->wake) std::exchange(state->wake, nullptr)();
    });
    const auto initiate = [state](auto handler) {
        auto shared = std::make_shared<decltype(handler)>(std::move(handler));
        state->wake = [state, shared] { boost::asio::post(state->executor, [shared] { (*shared)(); }); };
    };
    co_await boost::asio::async_initiate<const boost::asio::use_awaitable_t<>, void()>(
        initiate, boost::asio::use_awaitable
    );
    timeout.cancel();
    bool gave_up = false;
    for (std::size_t i = 0; i < state->nodes.size(); ++i) {
        if (state->chain->links()[i].stage > stage || state->nodes[i].progress != State::Progress::running)
            continue;
        state->give_up(i, "late");
        gave_up = true;
    }
    if (gave_up) state->start_ready(state->begun);
}

std::vector<DnsLookup> ChainRun::lookups() const {
    std::vector<DnsLookup> all;
    for (const State::Node& node : state_->nodes) {
        const auto& own = node.evidence ? node.evidence->so_far(state_->clock.steady()) : node.lookups;
        for (const DnsLookup& lookup : own) {
            // Two filters may ask the same; the cache gave both the same answer.
            const bool is_known = std::ranges::any_of(all, [&](const DnsLookup& known) {
                return known.question == lookup.question && known.answer.records == lookup.answer.records;
            });
            if (!is_known) all.push_back(lookup);
        }
    }
    return all;
}

std::uint32_t ChainRun::scan_passes() const {
    std::uint32_t passes = 0;
    for (const State::Node& node : state_->nodes)
        passes += node.scan_passes;
    return passes;
}

const std::vector<FilterEvent>& ChainRun::events() const {
    return state_->events;
}

}  // namespace wicket
