// [[rule]] of rule files.
#include "base/text.hpp"
#include "policy/rule_loader.hpp"
#include "policy/time_text.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

namespace wicket {
namespace {

const std::vector<std::string>& stage_words() {
    static const std::vector<std::string> words = {"connect", "helo", "mail", "rcpt", "data", "end"};
    return words;
}

const std::vector<std::string>& then_words() {
    static const std::vector<std::string> words = {
        "accept",
        "junk",
        "quarantine",
        "greylist",
        "defer",
        "discard",
        "reject",
        "disconnect",
        "tag",
        "add-header",
        "skip"
    };
    return words;
}

bool is_refusal(Action action) {
    return action == Action::greylist || action == Action::defer || action == Action::reject ||
           action == Action::disconnect;
}

struct ReplyCodes {
    int code;
    std::string enhanced;
};

/// "550 5.6.0": RFC 5321 section 4.2 and RFC 3463 section 2, of one class.
std::optional<ReplyCodes> parse_reply_codes(std::string_view text) {
    const auto take_number = [&text](std::size_t most_digits) -> std::optional<int> {
        int value = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
        const auto length = static_cast<std::size_t>(end - text.data());
        if (error != std::errc() || value < 0 || length > most_digits) return std::nullopt;
        text.remove_prefix(length);
        return value;
    };
    const auto take_sign = [&text](char sign) {
        if (!text.starts_with(sign)) return false;
        text.remove_prefix(1);
        return true;
    };
    const auto code = take_number(3);
    if (!code || *code < 400 || *code > 599 || !take_sign(' ')) return std::nullopt;
    const std::string_view enhanced = text;
    const auto enhanced_class = take_number(1);
    if (!enhanced_class || *enhanced_class != *code / 100 || !take_sign('.')) return std::nullopt;
    if (!take_number(3) || !take_sign('.') || !take_number(3) || !text.empty()) return std::nullopt;
    return ReplyCodes{*code, std::string(enhanced)};
}

/// RFC 5322 section 2.2: printable ASCII without the colon.
bool is_header_name(std::string_view name) {
    return !name.empty() && name.size() <= 64 &&
           std::ranges::all_of(name, [](char c) { return is_letter_or_digit(c) || c == '-' || c == '_'; });
}

}  // namespace

std::optional<Expression> RuleLoader::read_condition(const ConfigTable& table, const Text& text) {
    if (text.kind != ConfigValue::Kind::text) {
        table.error(text.place, "a condition is a text in quotes");
        return std::nullopt;
    }
    auto compiled = compile_expression(text.text, made_->dictionary_, lists_);
    if (!compiled) {
        ExpressionMistake& mistake = compiled.error();
        report(table, text, mistake.offset, std::move(mistake.message), std::move(mistake.suggestion));
        return std::nullopt;
    }
    for (const FactId fact : compiled->facts()) {
        const bool is_planned = std::ranges::find(planned_, fact) != planned_.end();
        if (!is_planned && std::ranges::find(disabled_lists_, fact) == disabled_lists_.end()) continue;
        const std::string& name = made_->dictionary_.row(fact).name;
        const auto offset = text.text.find(name);
        SourcePlace place = text.text_place;
        if (text.text_place != text.place && offset != std::string::npos) {
            place.column += static_cast<std::uint32_t>(offset);
        }
        table.warning(
            place,
            is_planned ? "no check of this version makes the fact " + name + ": it is absent"
                       : "the list is not asked (enabled = false), so " + name + " is absent"
        );
    }
    return std::move(*compiled);
}

void RuleLoader::read_points(
    ConfigTable& table, const ConfigValue& points, std::optional<Expression> when, Rule& rule
) {
    rule.has_points = true;
    if (points.kind != ConfigValue::Kind::table) {
        const auto value = to_millipoints(table, points);
        if (!table.has("when"))
            table.error(points.place, "points without a condition: the rule needs \"when\"");
        if (value && when) {
            const auto text = table.value("when");
            rule.cases.push_back({std::move(*when), *value, text->text, text->place});
        }
        return;
    }
    if (table.has("when")) {
        table.error(
            points.place, "points in a table carry their own conditions: \"when\" has no place beside them"
        );
    }
    if (points.table.empty()) table.error(points.place, "an empty table of points");
    for (const ConfigValue& member : points.table) {
        const Text key = key_of(table, member);
        auto condition = read_condition(table, key);
        const auto value = to_millipoints(table, member);
        if (condition && value) rule.cases.push_back({std::move(*condition), *value, key.text, key.place});
    }
}

void RuleLoader::read_header(ConfigTable& table, Rule& rule, std::string_view then) {
    const std::string_view key = then == "tag" ? "tag" : "header";
    const auto text = table.text(key);
    rule.action = Action::none;
    std::string value = rule.id;
    rule.header_name = "X-Mailwicket-Tag";
    if (then == "tag") {
        if (text) value = *text;
    } else {
        const auto colon = text ? text->find(':') : std::string::npos;
        if (colon == std::string::npos || !is_header_name(std::string_view(*text).substr(0, colon))) {
            table.error(table.value_place(key), "add-header needs header = \"Name: value\"");
            return;
        }
        rule.header_name = text->substr(0, colon);
        const auto begin = text->find_first_not_of(' ', colon + 1);
        value = begin == std::string::npos ? std::string() : text->substr(begin);
    }
    auto compiled = ReplyTemplate::compile(value, made_->dictionary_);
    if (compiled)
        rule.header_value = std::move(*compiled);
    else
        table.error(
            table.value_place(key),
            std::move(compiled.error().message),
            std::move(compiled.error().suggestion)
        );
}

void RuleLoader::read_then(ConfigTable& table, std::optional<Expression> when, Rule& rule) {
    const auto raw = table.value("then");
    if (raw->kind == ConfigValue::Kind::text && raw->text == "redirect") {
        table.error(raw->place, "\"redirect\" is not possible as long as mail cannot go out", "quarantine");
        return;
    }
    const auto then = table.word("then", then_words());
    if (!table.has("when")) table.error(raw->place, "an action without a condition: the rule needs \"when\"");
    if (!then || std::ranges::find(then_words(), *then) == then_words().end()) return;
    if (*then == "tag" || *then == "add-header")
        read_header(table, rule, *then);
    else if (*then == "skip")
        read_skip(table, rule);
    else
        rule.action = parse_action(*then).value_or(Action::none);
    if (when) {
        const auto text = table.value("when");
        rule.cases.push_back({std::move(*when), 0, text->text, text->place});
    }
}

/// What the session itself knows is no check, and without it no rule could be judged.
bool RuleLoader::is_check(std::string_view filter) {
    return filter != "smtp";
}

void RuleLoader::read_skip(ConfigTable& table, Rule& rule) {
    const auto names = table.texts("skip", ConfigTable::OneOrList::one_or_list);
    if (!table.has("skip") || (names && names->empty())) {
        table.error(
            table.value_place(table.has("skip") ? "skip" : "then"),
            "then = \"skip\" needs the checks to skip: skip = [\"greylist\", \"dnsbl.zen\"]"
        );
    }
    if (!names) return;
    std::vector<std::string> known = {"greylist"};
    for (const FactDeclaration& row : made_->dictionary_.rows()) {
        if (!is_check(row.filter)) continue;
        known.push_back(row.name);
        if (std::ranges::find(known, row.filter) == known.end()) known.push_back(row.filter);
    }
    for (const ConfigValue& name : *names) {
        const std::size_t before = rule.skipped_facts.size();
        for (std::size_t at = 0; at < made_->dictionary_.rows().size(); ++at) {
            const FactDeclaration& row = made_->dictionary_.rows()[at];
            if (is_check(row.filter) && (row.name == name.text || row.filter == name.text))
                rule.skipped_facts.push_back(static_cast<FactId>(at));
        }
        if (name.text == "greylist") rule.skips_greylist = true;
        if (name.text != "greylist" && rule.skipped_facts.size() == before) {
            const bool is_fact = made_->dictionary_.find(name.text).has_value();
            table.error(
                name.place,
                is_fact ? name.text + " is known by the session itself: it is no check that could be skipped"
                        : "unknown check \"" + name.text + '"',
                is_fact ? std::string() : nearest_word(name.text, known)
            );
        }
        rule.skipped_checks.push_back(name.text);
    }
}

void RuleLoader::read_effect(ConfigTable& table, Rule& rule) {
    std::optional<Expression> when;
    if (const auto text = table.value("when")) when = read_condition(table, *text);
    const auto points = table.value("points");
    const bool has_then = table.has("then");
    if (points && has_then) {
        static_cast<void>(table.text("then"));
        table.error(table.value_place("then"), "a rule has either \"points\" or \"then\"");
    } else if (points) {
        read_points(table, *points, std::move(when), rule);
    } else if (has_then) {
        read_then(table, std::move(when), rule);
    } else {
        table.error(table.place(), "a rule needs \"points\" or \"then\"");
    }
}

void RuleLoader::read_stage(ConfigTable& table, Rule& rule) {
    const auto word = table.word("at", stage_words());
    const auto given = word ? parse_stage(*word) : std::nullopt;
    Stage earliest = Stage::connect;
    std::string reason;
    for (const PointsCase& one : rule.cases) {
        for (const FactId fact : one.condition.facts()) {
            const FactDeclaration& row = made_->dictionary_.row(fact);
            if (!reason.empty() && row.stage <= earliest) continue;
            earliest = std::max(earliest, row.stage);
            reason = row.name + " is known from " + std::string(to_string(row.stage)) + " on";
        }
    }
    if (rule.scope.is_about_recipients() && earliest < Stage::rcpt) {
        earliest = Stage::rcpt;
        reason = "its scope is known from rcpt on";
    }
    if (!rule.header_name.empty()) {
        earliest = Stage::end;
        reason = "headers are added at the end";
    }
    rule.stage = given.value_or(earliest);
    read_late(table, rule);
    if (given && *given < earliest) {
        table.error(
            table.value_place("at"),
            "this rule cannot answer at " + *word + ": " + reason,
            std::string(to_string(earliest))
        );
    }
}

/// late = "data": the answer waits for the end of the data, so that the message can be reviewed.
void RuleLoader::read_late(ConfigTable& table, Rule& rule) {
    if (table.word("late", {"rcpt", "data"}) != "data") return;
    const SourcePlace place = table.value_place("late");
    if (rule.has_points || rule.action == Action::none) {
        table.error(place, "only a rule that decides has an answer that could be late");
    } else if (table.has("at") && rule.stage != Stage::end) {
        table.error(place, "late = \"data\" answers at the end of the data, \"at\" says otherwise");
    } else if (table.text("answer") == "now") {
        table.error(place, "late = \"data\" and answer = \"now\" exclude each other");
    }
    rule.stage = Stage::end;
}

void RuleLoader::read_expiry(ConfigTable& table, Rule& rule) {
    const auto value = table.value("expires");
    if (!value) return;
    const bool is_time = value->kind == ConfigValue::Kind::date || value->kind == ConfigValue::Kind::text;
    rule.expires = is_time ? parse_time(value->text) : std::nullopt;
    rule.expires_place = value->place;
    if (!rule.expires) {
        table.error(value->place, "expected a date such as 2027-01-31");
    }
}

void RuleLoader::read_reply(ConfigTable& table, Rule& rule) {
    const auto text = table.text("reply");
    if (!text) return;
    const auto codes = parse_reply_codes(*text);
    const SourcePlace place = table.value_place("reply");
    if (!codes) {
        table.error(
            place, "expected a reply code and an enhanced status code of one class, such as \"550 5.7.1\""
        );
        return;
    }
    const bool is_temporary = rule.action == Action::defer || rule.action == Action::greylist;
    if (!is_refusal(rule.action)) {
        table.error(place, "only a rule that refuses or defers has a reply");
    } else if (rule.action != Action::disconnect && is_temporary != (codes->code < 500)) {
        table.error(place, is_temporary ? "this action answers 4xx" : "this action answers 5xx");
    }
    rule.reply_code = codes->code;
    rule.reply_enhanced = codes->enhanced;
}

std::optional<ReplyTemplate> RuleLoader::read_template(
    ConfigTable& table, std::string_view key, const Rule& rule
) {
    const auto value = table.value(key);
    if (!value) return std::nullopt;
    if (value->kind != ConfigValue::Kind::text) {
        table.error(value->place, '"' + std::string(key) + "\" must be a text");
        return std::nullopt;
    }
    auto compiled = ReplyTemplate::compile(value->text, made_->dictionary_);
    if (!compiled) {
        TemplateMistake& mistake = compiled.error();
        report(table, *value, mistake.offset, std::move(mistake.message), std::move(mistake.suggestion));
        return std::nullopt;
    }
    const Stage told = rule.has_points                  ? Stage::end
                       : rule.answer == AnswerTime::now ? rule.stage
                                                        : std::max(rule.stage, Stage::rcpt);
    for (const ReplyTemplate::Use& use : compiled->uses()) {
        const FactDeclaration& row = made_->dictionary_.row(use.fact);
        if (row.stage <= told) continue;
        report(
            table,
            *value,
            use.offset,
            row.name + " is known from " + std::string(to_string(row.stage)) +
                " on, but the rule answers at " + std::string(to_string(told))
        );
    }
    return std::move(*compiled);
}

void RuleLoader::read_rule(ConfigTable& table) {
    Rule rule;
    std::optional<std::size_t> replaced;
    read_id(table, rule, replaced);
    // What a later folder puts in its place may also replace what it speaks of.
    const auto replacing = replacing_.find(rule.id);
    if (replacing != replacing_.end() && folder_ < replacing->second) {
        made_->rules_.push_back(std::move(rule));
        return;
    }
    if (auto scope = table.table("scope")) {
        const std::size_t errors_in_scope = diagnostics_.error_count();
        rule.scope = read_scope(*scope);
        scope->finish();
        if (rule.scope.is_empty() && diagnostics_.error_count() == errors_in_scope) {
            scope->error(
                scope->place(),
                "an empty scope; it has \"domains\", \"recipients\", \"listeners\" or \"clients\""
            );
        }
    }
    const std::size_t errors_before = diagnostics_.error_count();
    read_effect(table, rule);
    const bool is_complete = diagnostics_.error_count() == errors_before;
    if (is_complete) {
        read_stage(table, rule);
    } else if (const auto at = table.word("at", stage_words())) {
        rule.stage = parse_stage(*at).value_or(Stage::end);
    }
    const auto mode = table.word("mode", {"enforce", "shadow", "off"});
    if (mode == "shadow") rule.mode = RuleMode::shadow;
    if (mode == "off") rule.mode = RuleMode::off;
    const auto answer = table.word("answer", {"rcpt", "now"});
    if (answer == "now") rule.answer = AnswerTime::now;
    if (answer && rule.has_points)
        table.error(
            table.value_place("answer"),
            "points are summed at the end: only a rule with \"then\" has \"answer\""
        );
    for (const PointsCase& one : rule.cases) {
        for (const DnsList& list : made_->dns_lists_) {
            const bool defers = list.on_error == DnsListOnError::defer;
            if (defers &&
                std::ranges::find(one.condition.facts(), list.fact) != one.condition.facts().end()) {
                rule.on_unknown = OnUnknown::defer;
            }
        }
    }
    if (const auto on_unknown = table.word("on_unknown", {"skip", "defer"})) {
        rule.on_unknown = *on_unknown == "defer" ? OnUnknown::defer : OnUnknown::skip;
    }
    read_expiry(table, rule);
    read_reply(table, rule);
    if (table.boolean("alone").value_or(false)) rule.refuses_alone = true;
    if (is_complete) {
        if (auto why = read_template(table, "why", rule)) rule.why = std::move(*why);
        if (auto fix = read_template(table, "fix", rule)) rule.fix = std::move(*fix);
    } else {
        static_cast<void>(table.text("why"));
        static_cast<void>(table.text("fix"));
    }
    if (rule.header_name.empty()) {
        for (const std::string_view key : {"tag", "header"}) {
            if (is_complete && table.has(key)) {
                static_cast<void>(table.text(key));
                table.error(
                    table.place_of(key),
                    '"' + std::string(key) + "\" has no place in this rule",
                    key == "tag" ? "then = \"tag\"" : "then = \"add-header\""
                );
            }
        }
    }
    if (is_complete && table.has("skip") && !rule.skips()) {
        static_cast<void>(table.value("skip"));
        table.error(table.place_of("skip"), "\"skip\" has no place in this rule", "then = \"skip\"");
    }
    for (const std::string_view key : {"then", "late", "skip", "replace"})
        static_cast<void>(table.value(key));
    table.finish();
    // Kept even with mistakes, so that overrides and tests that name it are not reported too.
    if (replaced)
        made_->rules_[*replaced] = std::move(rule);
    else
        made_->rules_.push_back(std::move(rule));
}

/// `replaced` becomes the index of the rule in whose place this one stands.
void RuleLoader::read_id(ConfigTable& table, Rule& rule, std::optional<std::size_t>& replaced) {
    rule.place = table.place();
    rule.folder = folder_;
    rule.source = source_;
    const auto id = table.text("id");
    if (!table.has("id")) table.error(table.place(), "a rule needs \"id\"");
    if (!id) return;
    rule.id = *id;
    rule.place = table.place_of("id");
    if (*id == "default") {
        table.error(table.value_place("id"), "\"default\" is what is said when no rule decided");
        return;
    }
    if (claim_name(table, "id", rule_names_, *id, "rule") != Claim::replaces) return;
    const auto found = std::ranges::find(made_->rules_, *id, &Rule::id);
    if (found == made_->rules_.end()) return;
    replaced = static_cast<std::size_t>(found - made_->rules_.begin());
    rule.replaces = found->place.file + ':' + std::to_string(found->place.line);
}

}  // namespace wicket
