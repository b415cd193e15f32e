#include "server/reexamine.hpp"

#include "filters/registry.hpp"
#include "net/event_loops.hpp"
#include "policy/customer_keys.hpp"
#include "server/command_output.hpp"
#include "server/message_facts.hpp"
#include "server/parts.hpp"
#include "server/record_scan.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>

#include <algorithm>
#include <cstdint>
#include <exception>
#include <mutex>
#include <optional>
#include <utility>

namespace wicket {
namespace {

using boost::asio::awaitable;

constexpr std::size_t message_piece_octets = 1U << 20U;
// Nothing is waited for but a worker, which has its own budgets.
constexpr std::chrono::seconds examination_limit{30};

constexpr std::string_view no_answer = "a DNS answer that it needs was not recorded";
constexpr std::string_view no_message = "the message is not kept";
constexpr std::string_view bad_message = "the message cannot be read";
constexpr std::string_view failed_check = "its check fails, as it may have then";
constexpr std::string_view no_needs = "it hangs on another that is not known";
constexpr std::string_view no_filter = "no check makes it";

/// Answers from one record.
class RecordedAnswers : public DnsResolver {
public:
    explicit RecordedAnswers(const RuleSet& rules) : rules_(rules) {}

    void take(std::vector<DnsLookup> lookups) { lookups_ = std::move(lookups); }
    /// Whether anything was asked since the last call that the record does not have.
    bool was_asked_in_vain() { return std::exchange(is_in_vain_, false); }

    awaitable<DnsAnswer> lookup(DnsQuestion question, SteadyTime /*deadline*/) override {
        // As records show it.
        question.name = zone_without_keys(question.name, rules_.customer_keys());
        const auto found = std::ranges::find(lookups_, question, &DnsLookup::question);
        if (found != lookups_.end()) co_return found->answer;
        is_in_vain_ = true;
        DnsAnswer none;
        none.reason = "not asked then";
        co_return none;
    }

private:
    const RuleSet& rules_;
    std::vector<DnsLookup> lookups_;
    bool is_in_vain_ = false;
};

bool contains(const std::vector<FactId>& facts, FactId fact) {
    return std::ranges::find(facts, fact) != facts.end();
}

bool is_certain(const FactDeclaration& row, const FactValue& value) {
    if (is_unknown(row, value)) return false;
    const auto* texts = std::get_if<TextList>(&value);
    const auto* rows = std::get_if<ResultList>(&value);
    return (texts == nullptr || texts->missing.empty()) && (rows == nullptr || rows->missing.empty());
}

/// What is not among the facts that a filter brings back does not apply.
FactValue value_of(FactId fact, const Observation& seen) {
    for (const auto& [id, value] : seen.facts)
        if (id == fact) return value;
    return Absent{};
}

bool wants_message(const Filter& filter, const FactDictionary& dictionary) {
    const auto needs = filter.needs();
    return std::ranges::any_of(needs, [&](FactId need) { return dictionary.row(need).stage == Stage::end; });
}

}  // namespace

struct Reexaminer::State {
    State(const Config& config_, std::shared_ptr<const RuleSet> rules_, DecisionLog& log_)
        : config(config_),
          rules(std::move(rules_)),
          dictionary(rules, &rules->dictionary()),
          log(log_),
          dns(*rules) {}

    const Config& config;
    std::shared_ptr<const RuleSet> rules;
    std::shared_ptr<const FactDictionary> dictionary;
    DecisionLog& log;
    std::mutex mutex;
    RecordedAnswers dns;
    EventLoops loops{1};
    std::shared_ptr<ScanPool> pool;
    std::shared_ptr<const ScanTogether> scans;
    std::unique_ptr<Store> messages;

    std::vector<std::shared_ptr<const Filter>> filters() const;
    /// nullopt if the filter fails, which the server makes unknown facts of.
    std::optional<Observation> run(const Filter& filter, const Facts& facts, const SharedMessage& message);
    Result<std::unique_ptr<MessageReader>> open(const RecordId& id);
    Result<SharedMessage> read_message(const RecordId& id);
};

/// New ones for each record: what a list has answered then says nothing about it another time.
std::vector<std::shared_ptr<const Filter>> Reexaminer::State::filters() const {
    FilterSetup setup{{config.hostname}, {}, scans, rules->patterns(), config.filters_off};
    for (DnsList list : rules->dns_lists()) {
        list.probes = false;
        setup.dns_lists.push_back(std::make_shared<DnsListHealth>(list));
    }
    return make_filters(setup);
}

std::optional<Observation> Reexaminer::State::run(
    const Filter& filter, const Facts& facts, const SharedMessage& message
) {
    const Clock& clock = system_clock();
    FilterTools tools{dns, clock, clock.steady() + examination_limit, message};
    auto examined = filter.examine(std::make_shared<const Facts>(facts), std::move(tools));
    try {
        return boost::asio::co_spawn(loops.hub(), std::move(examined), boost::asio::use_future).get();
    } catch (const std::exception&) {
        return std::nullopt;
    }
}

Result<std::unique_ptr<MessageReader>> Reexaminer::State::open(const RecordId& id) {
    Result<std::unique_ptr<MessageReader>> opened = failure(ErrorCode::not_found, "");
    for (int tries = 0; tries < 2; ++tries) {
        // A running server may have replaced a file of the snapshot since.
        if (messages == nullptr || tries != 0) {
            auto snapshot = open_snapshot(config);
            if (!snapshot) return std::unexpected(snapshot.error());
            messages = std::move(*snapshot);
        }
        opened = messages->mail().open_raw(id);
        if (opened || opened.error().code == ErrorCode::not_found) break;
    }
    return opened;
}

Result<SharedMessage> Reexaminer::State::read_message(const RecordId& id) {
    auto reader = open(id);
    if (!reader) return std::unexpected(reader.error());
    MessageWriter writer(config.state + "/spool");
    for (;;) {
        auto piece = (*reader)->next(message_piece_octets);
        if (!piece) return std::unexpected(piece.error());
        if (piece->empty()) return writer.finish();
        if (auto written = writer.append(*piece); !written) return std::unexpected(written.error());
    }
}

Reexaminer::Reexaminer(std::unique_ptr<State> state) : state_(std::move(state)) {}

Reexaminer::~Reexaminer() {
    state_->loops.stop();
    state_->pool->stop();
}

Result<std::unique_ptr<Reexaminer>> Reexaminer::start(
    const Config& config, std::shared_ptr<const RuleSet> rules, DecisionLog& log
) {
    auto state = std::make_unique<State>(config, std::move(rules), log);
    ScanPoolOptions options;
    options.executable = own_executable;
    options.hostname = config.hostname;
    options.sandbox = config.sandbox;
    options.questions_per_sender = UINT32_MAX;
    auto pool = ScanPool::start(state->loops.hub(), state->dns, std::move(options));
    if (!pool) return std::unexpected(pool.error());
    state->pool = std::move(*pool);
    state->loops.start();
    state->scans = std::make_shared<const ScanTogether>(state->pool, state->dictionary);
    return std::unique_ptr<Reexaminer>(new Reexaminer(std::move(state)));
}

Reexamined Reexaminer::examine(const RecordedDecision& record, const MissingFacts& missing) {
    State& state = *state_;
    const std::lock_guard lock(state.mutex);
    Reexamined made;
    auto stored = read_record(state.log, record.id);
    if (!stored || !stored->evidence_fault.empty()) {
        for (const FactId fact : missing)
            made.left.emplace_back(fact, "the record's evidence cannot be read");
        return made;
    }
    state.dns.take(std::move(stored->record.lookups));
    SharedMessage message;
    std::string_view why_no_message = no_message;
    if (record.took_message()) {
        if (auto read = state.read_message(record.id))
            message = std::move(*read);
        else if (read.error().code != ErrorCode::not_found)
            why_no_message = bad_message;
    }

    MissingFacts open = missing;
    Facts facts = record.facts;
    const auto find = [&](FactId fact, FactValue value) {
        facts.set(fact, value);
        std::erase(open, fact);
        made.facts.emplace_back(fact, std::move(value));
    };
    if (message)
        for (auto& [fact, value] : examine_message(*message, state.config.hostname).facts)
            if (contains(open, fact)) find(fact, std::move(value));
    // Each may need what another finds.
    auto filters = state.filters();
    for (bool is_progress = true; std::exchange(is_progress, false);) {
        for (auto& filter : filters) {
            if (filter == nullptr) continue;
            const auto makes = filter->makes();
            const auto needs = filter->needs();
            if (std::ranges::find_first_of(makes, open) == makes.end()) continue;
            if (std::ranges::find_first_of(needs, open) != needs.end()) continue;
            is_progress = true;
            if (message == nullptr && wants_message(*filter, *state.dictionary)) {
                for (const FactId fact : makes)
                    if (contains(open, fact)) made.left.emplace_back(fact, why_no_message);
                filter = nullptr;
                continue;
            }
            auto seen = state.run(*filter, facts, message);
            filter = nullptr;
            const bool is_in_vain = state.dns.was_asked_in_vain();
            for (const FactId fact : makes) {
                if (!contains(open, fact)) continue;
                FactValue value = seen ? value_of(fact, *seen) : FactValue();
                if (seen && is_certain(state.dictionary->row(fact), value))
                    find(fact, std::move(value));
                else
                    made.left.emplace_back(fact, is_in_vain ? no_answer : failed_check);
            }
        }
    }
    // Those that are left were never run, for what they need.
    for (const auto& filter : filters)
        if (filter != nullptr)
            for (const FactId fact : filter->makes())
                if (contains(open, fact)) made.left.emplace_back(fact, no_needs);
    for (const FactId fact : open)
        if (std::ranges::find(made.left, fact, [](const auto& one) { return one.first; }) == made.left.end())
            made.left.emplace_back(fact, no_filter);
    return made;
}

}  // namespace wicket
