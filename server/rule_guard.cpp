#include "server/rule_guard.hpp"

#include "base/log.hpp"
#include "base/sha256.hpp"
#include "policy/rule_hits.hpp"
#include "policy/rule_variants.hpp"
#include "policy/suspicion.hpp"
#include "server/command_output.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <set>

namespace wicket {
namespace {

namespace json = boost::json;

constexpr std::string_view memory_key = "circuit breaker";
// As long as the counts are of use.
constexpr std::chrono::hours memory_span{breaker_kept_hours};
// What is over is looked for this often.
constexpr std::chrono::minutes look_interval{1};
constexpr std::size_t text_hash_octets = 8;

/// The rule's id with a hash of its text: a rule that was corrected is another one.
std::string key_of(const RuleSet& rules, const RuleBrief& rule) {
    const Sha256 hash = sha256_of(text_of_rule(rules, rule.id));
    return rule.id + ' ' + to_hex({reinterpret_cast<const char*>(hash.data()), text_hash_octets});
}

const std::string* text_of(const DecisionRecord& record, CoreFact fact) {
    return std::get_if<std::string>(&record.facts.get(id_of(fact)));
}

/// Domains that DKIM or SPF vouch for: the author's, or the envelope sender's.
std::vector<std::string> proven_domains(const DecisionRecord& record) {
    std::vector<std::string> domains;
    const std::string* author = text_of(record, CoreFact::from_domain);
    const auto* passed = std::get_if<TextList>(&record.facts.get(id_of(CoreFact::dkim_pass)));
    if (author != nullptr && passed != nullptr &&
        std::ranges::any_of(passed->items, [&](const auto& one) { return are_aligned(*author, one); }))
        domains.push_back(*author);
    const std::string* spf = text_of(record, CoreFact::spf_result);
    const std::string* sender = text_of(record, CoreFact::mail_domain);
    const bool is_proof = record.facts.get(id_of(CoreFact::spf_permits_all)) != FactValue(true);
    if (spf != nullptr && *spf == "pass" && is_proof && sender != nullptr) domains.push_back(*sender);
    return domains;
}

}  // namespace

RuleGuard::RuleGuard(CurrentPolicy& policy, KeyedMemory& memory, const Clock& clock)
    : policy_(policy), memory_(memory), clock_(clock) {
    if (const auto kept = memory_.recall(memory_key)) breaker_.restore(*kept);
}

void RuleGuard::install(std::shared_ptr<const PolicyState> loaded) {
    const std::lock_guard lock(mutex_);
    loaded_ = std::move(loaded);
    keys_.clear();
    ids_.clear();
    std::set<std::string> keys;
    for (const RuleBrief& rule : briefs_of(*loaded_->rules)) {
        const std::string key = key_of(*loaded_->rules, rule);
        keys_[rule.id] = key;
        ids_[key] = rule.id;
        keys.insert(key);
    }
    breaker_.watch(keys, clock_.wall());
    apply();
}

void RuleGuard::apply() {
    in_shadow_.clear();
    std::vector<std::pair<std::string, RuleMode>> modes;
    for (const TrippedRule& one : breaker_.tripped(clock_.wall())) {
        const auto id = ids_.find(one.rule);
        if (id == ids_.end()) continue;
        in_shadow_.push_back(id->second);
        modes.emplace_back(id->second, RuleMode::shadow);
    }
    if (modes.empty()) return policy_.set(loaded_);
    auto state = std::make_shared<PolicyState>(*loaded_);
    state->rules = with_modes(*loaded_->rules, modes);
    state->dictionary = std::shared_ptr<const FactDictionary>(state->rules, &state->rules->dictionary());
    state->rules_in_shadow = in_shadow_;
    policy_.set(std::move(state));
}

void RuleGuard::decided(const DecisionRecord& record) {
    CircuitBreaker::Outcome outcome;
    outcome.time = clock_.wall();
    outcome.network = std::hash<std::string>()(neighbourhood(record.client_ip).to_string());
    outcome.is_accepted = record.verdict.action == Action::accept;
    const bool is_refused = is_refusal(record, DeferredToo::no);
    if (!outcome.is_accepted && !is_refused) return;
    outcome.proven_domains = proven_domains(record);
    std::set<std::string> deciders;
    if (is_refused) deciders = RuleHits::deciders(record);
    if (const auto saved = note(outcome, deciders)) write(*saved);
}

void RuleGuard::labelled_ham(const DecisionRecord& record) {
    const std::vector<std::string> domains = proven_domains(record);
    const std::lock_guard lock(mutex_);
    breaker_.note_ham(domains, clock_.wall());
}

std::optional<RuleGuard::Saved> RuleGuard::note(
    CircuitBreaker::Outcome& outcome, const std::set<std::string>& deciders
) {
    const std::lock_guard lock(mutex_);
    for (const std::string& rule : deciders)
        if (const auto key = keys_.find(rule); key != keys_.end()) outcome.deciding.push_back(key->second);
    const std::vector<TrippedRule> fresh = breaker_.note(outcome);
    for (const TrippedRule& one : fresh)
        log_error(
            "a rule has gone into shadow by itself: look at it, and end that with `mailwicket rules reset "
            "ID`",
            {
                {"rule",   ids_[one.rule],        LogShape::plain    },
                {"reason", one.reason,            LogShape::bracketed},
                {"until",  to_rfc3339(one.until), LogShape::plain    }
        }
        );
    const bool is_time_to_look = outcome.time >= next_look_;
    if (is_time_to_look) next_look_ = outcome.time + look_interval;
    const std::size_t count = is_time_to_look ? breaker_.tripped(outcome.time).size() : in_shadow_.size();
    if (!fresh.empty() || count != in_shadow_.size()) apply();
    const std::int64_t hour = std::chrono::floor<std::chrono::hours>(outcome.time).time_since_epoch().count();
    if (fresh.empty() && hour == saved_hour_) return std::nullopt;
    saved_hour_ = hour;
    return saved_at(outcome.time);
}

RuleGuard::Saved RuleGuard::saved_at(WallTime time) {
    return {++saves_, breaker_.save(), time};
}

void RuleGuard::write(const Saved& saved) {
    const std::lock_guard lock(writing_);
    if (saved.number <= written_) return;  // another thread was faster with a later one
    written_ = saved.number;
    memory_.remember(memory_key, saved.text, saved.time + memory_span);
}

Result<> RuleGuard::reset(const std::string& rule) {
    std::unique_lock lock(mutex_);
    const WallTime now = clock_.wall();
    const auto key = keys_.find(rule);
    if (key == keys_.end() || !breaker_.reset(key->second, now))
        return failure(ErrorCode::not_found, "the rule \"" + rule + "\" has not been put into shadow");
    apply();
    const Saved saved = saved_at(now);
    lock.unlock();
    write(saved);
    log_info(
        "a rule is in force again",
        {
            {"rule", rule, LogShape::plain}
    }
    );
    return {};
}

std::vector<TrippedRule> RuleGuard::tripped() {
    const std::lock_guard lock(mutex_);
    std::vector<TrippedRule> made;
    for (TrippedRule& one : breaker_.tripped(clock_.wall())) {
        const auto id = ids_.find(one.rule);
        if (id == ids_.end()) continue;
        one.rule = id->second;
        made.push_back(std::move(one));
    }
    return made;
}

void RuleGuard::save() {
    std::unique_lock lock(mutex_);
    const Saved saved = saved_at(clock_.wall());
    lock.unlock();
    write(saved);
}

std::vector<TrippedRule> tripped_in(KeyedMemory& memory, const RuleSet& rules, WallTime now) {
    std::vector<TrippedRule> made;
    const auto kept = memory.recall(memory_key);
    if (!kept) return made;
    CircuitBreaker breaker;
    breaker.restore(*kept);
    const std::vector<TrippedRule> tripped = breaker.tripped(now);
    if (tripped.empty()) return made;
    for (const RuleBrief& rule : briefs_of(rules)) {
        const auto found = std::ranges::find(tripped, key_of(rules, rule), &TrippedRule::rule);
        if (found == tripped.end()) continue;
        made.push_back(*found);
        made.back().rule = rule.id;
    }
    return made;
}

std::optional<std::string> answer_rule_request(RuleGuard& guard, std::string_view request) {
    boost::system::error_code error;
    const json::value parsed = json::parse(json::string_view(request.data(), request.size()), error);
    const auto* object = error ? nullptr : parsed.if_object();
    const auto text_at = [object](std::string_view key) {
        const json::value* value = object != nullptr ? object->if_contains(key) : nullptr;
        return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
    };
    if (text_at("do") != "reset_rule") return std::nullopt;
    const auto done = guard.reset(text_at("rule"));
    if (done) return R"({"ok":true})";
    return json::serialize(json::object{
        {"error", done.error().message         },
        {"code",  error_word(done.error().code)}
    });
}

}  // namespace wicket
