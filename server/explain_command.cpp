#include "policy/json_line.hpp"
#include "policy/nearest_flip.hpp"
#include "policy/record_story.hpp"
#include "policy/rule_set_record.hpp"
#include "policy/rules.hpp"
#include "policy/sender_letter.hpp"
#include "server/aftermath_service.hpp"
#include "server/command_output.hpp"
#include "server/commands.hpp"
#include "server/exit_codes.hpp"
#include "server/record_scan.hpp"
#include "store/store.hpp"

#include <boost/json.hpp>

#include <fmt/format.h>

namespace wicket {
namespace {

namespace json = boost::json;

// Lines for a person; --json has more of them.
constexpr std::size_t told_flips = 3;
constexpr std::size_t kept_flips = 20;

/// The rules of a decision, and what is to be said if they are others than those in force.
struct RulesOfThen {
    std::shared_ptr<const RuleSet> rules;  // nullptr: none can be shown
    std::string note;
};

RulesOfThen rules_of(const DecisionRecord& record, const Config& config, Store& store) {
    Diagnostics ignored;
    auto rules = load_rules(config.rules, ignored);
    if (rules && rules->hash() == record.rules_hash) return {std::move(rules), ""};
    if (const auto kept = store.rule_sets().find(record.rules_hash)) {
        const auto then = decode_rule_set(*kept);
        if (auto made = then ? recompile_rules(then->sources, ignored, then->folders) : nullptr)
            return {std::move(made), "as it stood then; the rules have changed since"};
    }
    if (!rules)
        return {nullptr, "the rules have mistakes now and cannot be read; mailwicket check names them"};
    return {
        std::move(rules),
        "the rules have changed since and those of then are not kept: this is how it stands now"
    };
}

struct Explanation {
    StoryContext story;
    std::vector<Flip> flips;
};

/// What alone would have changed the verdict, or why that is not said.
void add_flips(
    const DecisionRecord& record, const RecordSubject& subject, const RuleSet& rules, Explanation& made
) {
    if (is_builtin_rule(record.verdict.rule)) {
        made.story.flips_note = "nothing: no rule decided this, and none can change it";
        return;
    }
    if (record.verdict.action == Action::none) return;
    made.flips = nearest_flips(rules, subject, kept_flips);
    for (const Flip& flip : made.flips)
        if (made.story.flips.size() < told_flips) made.story.flips.push_back(flip_to_text(flip));
    if (!made.flips.empty()) return;
    made.story.flips_note = is_judged_as_then(rules, subject)
                                ? "no single rule, threshold or fact would have"
                                : "not known: the rules that can be read decide otherwise by now";
}

Explanation explanation_of(const StoredRecord& stored, const Config& config, Store& store) {
    const DecisionRecord& record = stored.record;
    Explanation made;
    StoryContext& story = made.story;
    story.letter = sender_letter(record);
    auto [rules, note] = rules_of(record, config, store);
    if (rules == nullptr) {
        story.rules_note = note;
        return made;
    }
    story.origin_of = [rules](std::string_view rule) { return rules->origin_of(rule); };
    for (const DnsList& list : rules->dns_lists())
        story.zones.emplace(rules->dictionary().row(list.fact).name, list.shown_zone);
    const auto subjects = subjects_of(stored, rules->dictionary());
    const RecordSubject& leading = leading_subject(subjects, record);
    // What the session decided of its own accord may differ from what was decided for each recipient.
    const bool is_of_recipient = leading.verdict->rule == record.verdict.rule;
    if (is_of_recipient) story.basis = basis_of(*rules, leading);
    for (std::size_t at = 0; at < record.recipients.size(); ++at)
        story.of_recipients.push_back(basis_of(*rules, subjects[at]));
    if (!story.basis.rule_text.empty()) story.rules_note = note;
    add_flips(record, leading, *rules, made);
    return made;
}

json::array json_flips(const std::vector<Flip>& flips) {
    json::array made;
    for (const Flip& flip : flips) {
        json::object one{
            {"kind",    to_string(flip.kind)         },
            {"what",    json_text(flip.what)         },
            {"from",    json_text(flip.from)         },
            {"to",      json_text(flip.to)           },
            {"verdict", to_string(flip.verdict)      },
            {"rule",    json_text(flip.rule)         },
            {"text",    json_text(flip_to_text(flip))}
        };
        if (flip.verdict == Action::none) one["passes"] = to_string(flip.passes);
        made.push_back(std::move(one));
    }
    return made;
}

/// What a recipient's verdict was measured by.
json::object json_basis(const VerdictBasis& basis) {
    json::object made;
    if (basis.thresholds) {
        made["junk"] = json_number(basis.thresholds->junk);
        made["reject"] = json_number(basis.thresholds->reject);
    }
    if (basis.worst != Action::none) {
        made["worst"] = to_string(basis.worst);
        made["worst_place"] = json_text(basis.worst_place);
    }
    if (!basis.rule_text.empty()) {
        made["rule_text"] = json_text(basis.rule_text);
        made["rule_place"] = json_text(basis.rule_place);
    }
    return made;
}

/// The record's JSON with what the story adds.
std::string with_story(std::string record, const Explanation& explanation) {
    const StoryContext& story = explanation.story;
    json::object more;
    if (!story.basis.rule_text.empty()) {
        more["rule_text"] = json_text(story.basis.rule_text);
        more["rule_place"] = json_text(story.basis.rule_place);
    }
    json::array bases;
    for (const VerdictBasis& basis : story.of_recipients)
        bases.push_back(json_basis(basis));
    more["measured_by"] = std::move(bases);
    if (!story.rules_note.empty()) more["rules_note"] = story.rules_note;
    more["flips"] = json_flips(explanation.flips);
    more["letter"] = json_text(story.letter);
    const std::string added = json_line(more);
    record.back() = ',';
    return record + added.substr(1);
}

}  // namespace

int explain_command(const CommandContext& context, const std::string& id_text) {
    const auto config = config_for(context);
    if (!config) return exit_config;
    auto store = open_reader(*config);
    if (!store) return report_of_store(store.error(), context.form);
    auto stored = find_record(**store, id_text);
    if (!stored) {
        const int code = report(stored.error(), context.form);
        return stored.error().code == ErrorCode::invalid ? exit_failed : code;
    }
    if (!stored->evidence_fault.empty())
        print_error(unreadable_evidence(stored->record.id, stored->evidence_fault), context.form);
    if (const auto added = add_aftermath(**store, stored->record); !added)
        print_error(added.error(), context.form);
    const Explanation explanation = explanation_of(*stored, *config, **store);
    if (context.form == OutputForm::json)
        fmt::print("{}\n", with_story(record_to_json(*stored, RecordJson::full), explanation));
    else
        fmt::print("{}", record_to_story(*stored, explanation.story));
    return exit_ok;
}

}  // namespace wicket
