#include "policy/compiled_rules.hpp"

#include "base/text.hpp"
#include "policy/rule_source.hpp"

#include <algorithm>
#include <utility>

namespace wicket {
namespace {

const std::string* text_of(const Facts& facts, CoreFact fact) {
    return std::get_if<std::string>(&facts.get(id_of(fact)));
}

bool any_glob_matches(const std::vector<std::string>& globs, const std::string* text) {
    return text != nullptr &&
           std::ranges::any_of(globs, [&](const std::string& glob) { return matches_glob(glob, *text); });
}

bool any_network_contains(const std::vector<IpNetwork>& networks, const Facts& facts, CoreFact fact) {
    const auto* address = std::get_if<IpAddress>(&facts.get(id_of(fact)));
    return address != nullptr && std::ranges::any_of(networks, [&](const IpNetwork& network) {
               return network.contains(*address);
           });
}

Millipoints least_points(const Rule& rule) {
    Millipoints least = 0;
    for (const PointsCase& one : rule.cases)
        least = std::min(least, one.points);
    return least;
}

Millipoints most_points(const Rule& rule) {
    Millipoints most = 0;
    for (const PointsCase& one : rule.cases)
        most = std::max(most, one.points);
    return most;
}

}  // namespace

bool PolicyScope::includes(const Facts& facts) const {
    if (!domains.empty() && !any_glob_matches(domains, text_of(facts, CoreFact::rcpt_domain))) return false;
    if (!recipients.empty() && !any_glob_matches(recipients, text_of(facts, CoreFact::rcpt_address)))
        return false;
    const auto is_listener = [&] {
        return any_glob_matches(services, text_of(facts, CoreFact::listener_service)) ||
               any_network_contains(listeners, facts, CoreFact::listener_address);
    };
    if ((!services.empty() || !listeners.empty()) && !is_listener()) return false;
    return clients.empty() || any_network_contains(clients, facts, CoreFact::client_ip);
}

bool Override::applies_to(const Facts& facts) const {
    if (expires) {
        const auto* now = std::get_if<WallTime>(&facts.get(id_of(CoreFact::time_now)));
        if (now != nullptr && *now >= *expires) return false;
    }
    return scope.includes(facts);
}

std::string CompiledRules::origin_of(std::string_view rule_id) const {
    const auto found = std::ranges::find(rules_, rule_id, &Rule::id);
    if (found == rules_.end()) return {};
    return found->place.file + ':' + std::to_string(found->place.line);
}

std::string CompiledRules::table_at(const std::string& source, const SourcePlace& place) const {
    const auto found = std::ranges::find(sources_, source, &RuleSource::name);
    return found != sources_.end() ? table_text(found->content, place.line) : std::string();
}

std::vector<RuleSource> CompiledRules::sources_up_to(std::size_t folder) const {
    std::vector<RuleSource> found;
    for (std::size_t at = 0; at < sources_.size(); ++at)
        if (source_folders_[at] <= folder) found.push_back(sources_[at]);
    return found;
}

bool CompiledRules::answers_at(Stage stage) const {
    return answers_at_.at(static_cast<std::size_t>(stage));
}

bool CompiledRules::has_immediate_answers(Stage stage) const {
    return has_immediate_answers_.at(static_cast<std::size_t>(stage));
}

std::optional<Millipoints> CompiledRules::credit_after(Stage stage) const {
    return credits_after_.at(static_cast<std::size_t>(stage));
}

std::shared_ptr<const CompiledRules> CompiledRules::with_modes(
    const std::vector<std::pair<std::size_t, RuleMode>>& modes
) const {
    auto made = std::make_shared<CompiledRules>(*this);
    for (const auto& [index, mode] : modes) {
        made->rules_.at(index).mode = mode;
        for (Override& one : made->overrides_)
            std::erase_if(one.modes, [at = index](const auto& of) { return of.first == at; });
    }
    made->complete();
    return made;
}

std::shared_ptr<const CompiledRules> CompiledRules::with_thresholds(
    std::optional<Millipoints> junk, std::optional<Millipoints> reject
) const {
    auto made = std::make_shared<CompiledRules>(*this);
    if (junk) made->junk_threshold_ = *junk;
    if (reject) made->reject_threshold_ = *reject;
    for (Override& one : made->overrides_) {
        if (junk) one.junk = junk;
        if (reject) one.reject = reject;
    }
    made->complete();
    return made;
}

std::shared_ptr<const CompiledRules> CompiledRules::without_worst(std::size_t at) const {
    auto made = std::make_shared<CompiledRules>(*this);
    made->overrides_.at(at).worst.reset();
    return made;
}

void CompiledRules::complete() {
    by_stage_.clear();
    points_rules_.clear();
    std::vector<bool> may_count(rules_.size());
    for (std::size_t at = 0; at < rules_.size(); ++at) {
        const Rule& rule = rules_[at];
        if (!rule.has_points) {
            by_stage_.push_back(at);
        } else {
            const bool is_plain = rule.mode == RuleMode::enforce && !rule.expires && rule.scope.is_empty();
            const auto* condition =
                rule.cases.size() == 1 ? &rule.cases.front().condition.program() : nullptr;
            points_rules_.push_back({condition, static_cast<std::uint32_t>(at), rule.stage, is_plain});
        }
        may_count[at] = rules_[at].mode != RuleMode::off;
    }
    std::ranges::sort(by_stage_, {}, [&](std::size_t at) { return std::pair(rules_[at].stage, at); });
    Millipoints lowest_reject = reject_threshold_;
    for (const Override& one : overrides_) {
        if (one.reject) lowest_reject = std::min(lowest_reject, *one.reject);
        for (const auto& [index, mode] : one.modes) {
            if (mode != RuleMode::off) may_count[index] = true;
        }
    }
    for (std::size_t stage_index = 0; stage_index < stage_count; ++stage_index) {
        const auto stage = static_cast<Stage>(stage_index);
        std::optional<Millipoints> credit = 0;
        Millipoints most = 0;
        bool has_then_here = false;
        bool has_then_so_far = false;
        bool has_immediate = false;
        for (std::size_t at = 0; at < rules_.size(); ++at) {
            const Rule& rule = rules_[at];
            if (!may_count[at]) continue;
            if (!rule.has_points && rule.stage <= stage) {
                has_then_so_far = true;
                has_then_here = has_then_here || rule.stage == stage;
                has_immediate = has_immediate || (rule.stage == stage && rule.answer == AnswerTime::now);
            }
            if (rule.stage <= stage) {
                most += most_points(rule);
            } else if (rule.has_points) {
                if (credit) *credit -= least_points(rule);
            } else if (rule.skips() || (rule.action != Action::none && rule.action < Action::reject)) {
                credit.reset();
            }
        }
        // Thresholds may depend on the recipient, so a total answers at RCPT at the earliest.
        const bool may_reach = stage >= Stage::rcpt && credit && most - *credit >= lowest_reject;
        if (!may_reach) credit.reset();
        credits_after_[stage_index] = credit;
        has_immediate_answers_[stage_index] = has_immediate;
        answers_at_[stage_index] =
            stage == Stage::end || has_then_here || may_reach || (stage == Stage::rcpt && has_then_so_far);
    }
}

}  // namespace wicket
