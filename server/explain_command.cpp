#include "policy/nearest_flip.hpp"
#include "policy/record_story.hpp"
#include "policy/rule_source.hpp"
#include "policy/rule_variants.hpp"
#include "policy/rules.hpp"
#include "policy/sender_letter.hpp"
#include "server/aftermath_service.hpp"
#include "server/command_output.hpp"
#include "server/commands.hpp"
#include "server/exit_codes.hpp"
#include "server/record_scan.hpp"
#include "store/store.hpp"

#include <boost/json.hpp>

#include <charconv>
#include <fmt/format.h>
#include <poll.h>

namespace wicket {
namespace {

namespace json = boost::json;

// Refusals are written in batches after the reply, some 50 ms later: `explain` waits a second for a young id.
constexpr int fresh_record_tries = 20;
// The refusal itself may be young although its transaction began long ago.
constexpr int slow_record_tries = 4;
constexpr int fresh_record_wait_milliseconds = 50;
constexpr std::chrono::minutes fresh_record_age{1};

bool is_missing(const Result<StoredRecord>& octets) {
    return !octets && octets.error().code == ErrorCode::not_found;
}

// Lines for a person; --json has more of them.
constexpr std::size_t told_flips = 3;
constexpr std::size_t kept_flips = 20;

/// The rules of a decision, and what is to be said if they are others than those in force.
struct RulesOfThen {
    std::shared_ptr<const RuleSet> rules;  // nullptr: none can be shown
    std::string note;
};

RulesOfThen rules_of(const DecisionRecord& record, const Config& config) {
    Diagnostics ignored;
    auto rules = load_rules(config.rules, ignored);
    if (!rules)
        return {nullptr, "the rules have mistakes now and cannot be read; mailwicket check names them"};
    if (rules->hash() == record.rules_hash) return {std::move(rules), ""};
    return {std::move(rules), "the rules have changed since: this is how it stands now"};
}

/// FILE:LINE apart.
std::pair<std::string, std::size_t> split_place(const std::string& place) {
    const std::size_t colon = place.rfind(':');
    std::size_t line = 0;
    if (colon != std::string::npos)
        std::from_chars(place.data() + colon + 1, place.data() + place.size(), line);
    return {place.substr(0, colon), line};
}

struct Explanation {
    StoryContext story;
    std::vector<Flip> flips;
};

/// The text of the deciding rule, or of the thresholds, with its place.
void show_rule(const RuleSet& rules, const std::string& rule, StoryContext& context) {
    if (rule.starts_with("threshold:")) {
        for (const RuleSource& source : rules.sources()) {
            std::size_t line = 0;
            context.rule_text = table_text(source.content, "[thresholds]", &line);
            if (context.rule_text.empty()) continue;
            context.rule_place = fmt::format("{}:{}", source.name, line);
            return;
        }
        return;
    }
    context.rule_place = rules.origin_of(rule);
    const auto [file, line] = split_place(context.rule_place);
    for (const RuleSource& source : rules.sources())
        if (file.ends_with(source.name) && context.rule_text.empty())
            context.rule_text = table_text(source.content, line);
}

/// What alone would have changed the verdict, or why that is not said.
void add_flips(const StoredRecord& stored, const RuleSet& rules, Explanation& made) {
    const DecisionRecord& record = stored.record;
    if (record.verdict.rule.starts_with("builtin:")) {
        made.story.flips_note = "nothing: no rule decided this, and none can change it";
        return;
    }
    if (record.verdict.action == Action::none) return;
    const auto subjects = subjects_of(stored, rules.dictionary());
    const RecordSubject& subject = leading_subject(subjects, record);
    const Thresholds thresholds = thresholds_for(rules, subject.facts);
    const bool is_as_then = is_judged_as_then(rules, subject);
    if (is_as_then && subject.stage == Stage::end) {
        made.story.junk_threshold = thresholds.junk;
        made.story.reject_threshold = thresholds.reject;
    }
    made.flips = nearest_flips(rules, subject, kept_flips);
    for (const Flip& flip : made.flips)
        if (made.story.flips.size() < told_flips) made.story.flips.push_back(flip_to_text(flip));
    if (!made.flips.empty()) return;
    made.story.flips_note = is_as_then ? "no single rule, threshold or fact would have"
                                       : "not known: the rules that can be read decide otherwise by now";
}

Explanation explanation_of(const StoredRecord& stored, const Config& config) {
    const DecisionRecord& record = stored.record;
    Explanation made;
    StoryContext& story = made.story;
    story.letter = sender_letter(record);
    auto [rules, note] = rules_of(record, config);
    if (rules == nullptr) {
        story.rules_note = note;
        return made;
    }
    story.origin_of = [rules](std::string_view rule) { return rules->origin_of(rule); };
    for (const DnsList& list : rules->dns_lists())
        story.zones.emplace(rules->dictionary().row(list.fact).name, list.shown_zone);
    show_rule(*rules, record.verdict.rule, story);
    if (!story.rule_text.empty()) story.rules_note = note;
    add_flips(stored, *rules, made);
    return made;
}

json::array json_flips(const std::vector<Flip>& flips) {
    json::array made;
    for (const Flip& flip : flips)
        made.push_back(json::object{
            {"kind",    to_string(flip.kind)         },
            {"what",    json_text(flip.what)         },
            {"from",    json_text(flip.from)         },
            {"to",      json_text(flip.to)           },
            {"verdict", to_string(flip.verdict)      },
            {"rule",    json_text(flip.rule)         },
            {"text",    json_text(flip_to_text(flip))}
        });
    return made;
}

/// The record's JSON with what the story adds.
std::string with_story(std::string record, const Explanation& explanation) {
    const StoryContext& story = explanation.story;
    json::object more;
    if (!story.rule_text.empty()) {
        more["rule_text"] = json_text(story.rule_text);
        more["rule_place"] = json_text(story.rule_place);
    }
    if (!story.rules_note.empty()) more["rules_note"] = story.rules_note;
    more["flips"] = json_flips(explanation.flips);
    more["letter"] = json_text(story.letter);
    const std::string added = json::serialize(more);
    record.back() = ',';
    return record + added.substr(1);
}

}  // namespace

int explain_command(const CommandContext& context, const std::string& id_text) {
    const auto config = config_for(context);
    if (!config) return exit_config;
    const auto id = RecordId::parse(id_text);
    if (!id) {
        print_error(
            {ErrorCode::invalid,
             fmt::format(
                 "\"{}\" is no id: an id has {} letters and digits, the last word of a reply",
                 id_text,
                 RecordId::text_length
             )},
            context.form
        );
        return exit_failed;
    }
    auto store = open_reader(*config);
    if (!store) return report_of_store(store.error(), context.form);
    auto stored = read_record((*store)->decisions(), *id);
    // Somebody may ask for an id that was told a moment ago, while its record is on its way.
    const bool is_fresh = id->time() + fresh_record_age > system_clock().wall();
    const int tries_limit = is_fresh ? fresh_record_tries : slow_record_tries;
    for (int tries = 0; tries < tries_limit && is_missing(stored); ++tries) {
        ::poll(nullptr, 0, fresh_record_wait_milliseconds);
        if (auto fresh = (*store)->refresh(); !fresh) return report(fresh.error(), context.form);
        stored = read_record((*store)->decisions(), *id);
    }
    if (!stored) return report(stored.error(), context.form);
    add_folds((*store)->decisions(), *stored);
    add_aftermath(**store, stored->record);
    const Explanation explanation = explanation_of(*stored, *config);
    if (context.form == OutputForm::json)
        fmt::print("{}\n", with_story(record_to_json(*stored, RecordJson::full), explanation));
    else
        fmt::print("{}", record_to_story(*stored, explanation.story));
    return exit_ok;
}

}  // namespace wicket
