// [[rule]] of rule files.
#include "base/text.hpp"
#include "policy/rule_loader.hpp"
#include "policy/time_text.hpp"

#include <algorithm>
#include <array>
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

/// Fields that say who sent a message and how it came here, or that may stand only once (RFC 5322
/// section 3.6, RFC 8601 section 5): one more would be believed, or hide the first.
bool is_reserved_header(std::string_view name) {
    static constexpr std::array<std::string_view, 22> reserved = {
        "received",
        "return-path",
        "authentication-results",
        "dkim-signature",
        "delivered-to",
        "x-mailwicket",
        "date",
        "from",
        "sender",
        "reply-to",
        "to",
        "cc",
        "bcc",
        "message-id",
        "in-reply-to",
        "references",
        "subject",
        "mime-version",
        "arc-seal",
        "arc-message-signature",
        "arc-authentication-results",
        "domainkey-signature"
    };
    const std::string lower_name = lower_case(name);
    return lower_name.starts_with("resent-") || lower_name.starts_with("content-") ||
           std::ranges::find(reserved, lower_name) != reserved.end();
}

}  // namespace

std::optional<Expression> RuleLoader::read_condition(const ConfigTable& table, const Text& text) {
    if (text.kind != ConfigValue::Kind::text) {
        table.error(text.place, "a condition is a text in quotes");
        return std::nullopt;
    }
    const auto reading =
        reading_ == RuleReading::as_it_was ? ExpressionReading::as_it_was : ExpressionReading::strict;
    auto compiled = compile_expression(text.text, made_->dictionary_, lists_, reading);
    if (!compiled) {
        for (ExpressionMistake& mistake : compiled.error())
            if (!may_be_declared(mistake.name))
                report(
                    table, text, mistake.offset, std::move(mistake.message), std::move(mistake.suggestion)
                );
        return std::nullopt;
    }
    for (const FactId fact : compiled->facts()) {
        const bool is_planned = std::ranges::find(planned_, fact) != planned_.end();
        if (!is_planned && std::ranges::find(disabled_lists_, fact) == disabled_lists_.end()) continue;
        const std::string& name = made_->dictionary_.row(fact).name;
        const auto offset = text.text.find(name);
        table.warning(
            text.place_of(offset == std::string::npos ? 0 : offset),
            is_planned ? "no check of this version makes the fact " + name + ": it is absent"
                       : "the list is not asked (enabled = false), so " + name + " is absent"
        );
    }
    return std::move(*compiled);
}

RuleLoader::Sound RuleLoader::read_points(
    ConfigTable& table, const ConfigValue& points, std::optional<Expression> when, Rule& rule
) {
    rule.has_points = true;
    Sound sound;
    if (points.kind != ConfigValue::Kind::table) {
        const auto value = to_millipoints(table, points);
        table.need({"when"}, points.place, "points without a condition: the rule needs \"when\"");
        sound.conditions = when.has_value();
        if (value && when) {
            const auto text = table.value("when");
            rule.cases.push_back({std::move(*when), *value, text->text, text->place});
        }
        return sound;
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
        if (!condition) sound.conditions = false;
        if (condition && value) rule.cases.push_back({std::move(*condition), *value, key.text, key.place});
    }
    return sound;
}

void RuleLoader::read_header(ConfigTable& table, Rule& rule, std::string_view then) {
    const std::string key(then == "tag" ? "tag" : "header");
    static_cast<void>(table.text(key));
    auto value = table.value(key);
    if (value && value->kind != ConfigValue::Kind::text) value.reset();
    rule.action = Action::none;
    rule.header_name = "X-Mailwicket-Tag";
    std::size_t begin = 0;
    if (then == "tag" && !value) {
        value.emplace().text = rule.id;
    } else if (then != "tag") {
        const auto colon = value ? value->text.find(':') : std::string::npos;
        if (colon == std::string::npos || !is_header_name(std::string_view(value->text).substr(0, colon))) {
            table.need({key}, table.place(), "add-header needs header = \"Name: value\"");
            if (value) table.error(value->place, "add-header needs header = \"Name: value\"");
            return;
        }
        rule.header_name = value->text.substr(0, colon);
        if (reading_ != RuleReading::as_it_was && is_reserved_header(rule.header_name))
            table.error(
                value->place,
                rule.header_name +
                    " is not for rules to add: readers and filters take it for what the sender "
                    "or the server itself says"
            );
        begin = std::min(value->text.find_first_not_of(' ', colon + 1), value->text.size());
    }
    if (auto compiled = compile_template(table, *value, begin)) rule.header_value = std::move(*compiled);
}

RuleLoader::Sound RuleLoader::read_then(ConfigTable& table, std::optional<Expression> when, Rule& rule) {
    const auto raw = table.value("then");
    table.need({"when"}, raw->place, "an action without a condition: the rule needs \"when\"");
    const bool is_sound = when.has_value();
    if (raw->kind == ConfigValue::Kind::text && raw->text == "redirect") {
        table.error(raw->place, "\"redirect\" is not possible as long as mail cannot go out", "quarantine");
        return {is_sound, false};
    }
    const auto then = table.word("then", then_words());
    if (!then) return {is_sound, false};
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
    return {is_sound, true};
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
    // Of these there may be none, and what is not there can be skipped.
    static constexpr std::array<std::string_view, 3> families = {"greylist", "dnsbl", "pattern"};
    std::vector<std::string> known(families.begin(), families.end());
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
        const bool is_known =
            std::ranges::find(families, name.text) != families.end() || rule.skipped_facts.size() != before;
        if (!is_known && !may_be_declared(name.text)) {
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

RuleLoader::Sound RuleLoader::read_effect(ConfigTable& table, Rule& rule) {
    std::optional<Expression> when;
    if (const auto text = table.value("when")) when = read_condition(table, *text);
    const auto points = table.value("points");
    if (points && table.has("then")) {
        static_cast<void>(table.text("then"));
        table.error(table.value_place("then"), "a rule has either \"points\" or \"then\"");
        return {when.has_value(), false};
    }
    if (points) return read_points(table, *points, std::move(when), rule);
    if (table.has("then")) return read_then(table, std::move(when), rule);
    table.need({"points", "then"}, table.place(), "a rule needs \"points\" or \"then\"");
    return {when.has_value(), false};
}

std::pair<Stage, std::string> RuleLoader::earliest_stage_of(const Rule& rule) const {
    if (!rule.header_name.empty()) return {Stage::end, "headers are added at the end"};
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
    if (rule.scope.is_about_recipients() && earliest < Stage::rcpt)
        return {Stage::rcpt, "its scope is known from rcpt on"};
    return {earliest, std::move(reason)};
}

std::optional<Stage> RuleLoader::read_stage(ConfigTable& table, Rule& rule, Sound sound) {
    const auto word = table.word("at", stage_words());
    const auto given = word ? parse_stage(*word) : std::nullopt;
    // Without some of the conditions it is too early at most, so that there is no false mistake.
    const auto [earliest, reason] = earliest_stage_of(rule);
    rule.stage = given.value_or(earliest);
    read_late(table, rule, sound);
    const bool is_too_early = given && *given < earliest;
    if (is_too_early) {
        table.error(
            table.value_place("at"),
            "this rule cannot answer at " + *word + ": " + reason,
            std::string(to_string(earliest))
        );
    }
    if (rule.has_points) return Stage::end;
    const bool is_told = !is_too_early && sound.effect && (given || (sound.conditions && !table.has("at")));
    if (!is_told) return std::nullopt;
    return table.text("answer") == "now" ? rule.stage : std::max(rule.stage, Stage::rcpt);
}

/// late = "data": the answer waits for the end of the data, so that the message can be reviewed.
void RuleLoader::read_late(ConfigTable& table, Rule& rule, Sound sound) {
    if (table.word("late", {"rcpt", "data"}) != "data") return;
    const SourcePlace place = table.value_place("late");
    if (sound.effect && (rule.has_points || rule.action == Action::none)) {
        table.error(place, "only a rule that decides has an answer that could be late");
    } else if (table.has("at") && rule.stage != Stage::end) {
        table.error(place, "late = \"data\" answers at the end of the data, \"at\" says otherwise");
    } else if (table.text("answer") == "now") {
        table.error(place, "late = \"data\" and answer = \"now\" exclude each other");
    }
    rule.stage = Stage::end;
}

void RuleLoader::read_answer(ConfigTable& table, Rule& rule) {
    const auto answer = table.word("answer", {"rcpt", "now"});
    if (answer == "now") rule.answer = AnswerTime::now;
    if (answer && rule.has_points)
        table.error(
            table.value_place("answer"),
            "points are summed at the end: only a rule with \"then\" has \"answer\""
        );
}

std::optional<WallTime> RuleLoader::read_expiry(const ConfigTable& table, const ConfigValue& value) {
    const bool is_text = value.kind == ConfigValue::Kind::text;
    const bool is_time = value.kind == ConfigValue::Kind::date || is_text;
    const auto time = is_time ? parse_time(value.text) : std::nullopt;
    if (!time)
        table.error(value.place, "expected a date such as 2027-01-31");
    else if (is_text && reading_ != RuleReading::as_it_was)
        table.error(value.place, "expected a date, which stands without quotes", value.text);
    return time;
}

void RuleLoader::read_reply(ConfigTable& table, Rule& rule, Sound sound) {
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
    if (sound.effect && !is_refusal(rule.action)) {
        table.error(place, "only a rule that refuses or defers has a reply");
    } else if (sound.effect && rule.action != Action::disconnect && is_temporary != (codes->code < 500)) {
        table.error(place, is_temporary ? "this action answers 4xx" : "this action answers 5xx");
    }
    rule.reply_code = codes->code;
    rule.reply_enhanced = codes->enhanced;
}

std::optional<ReplyTemplate> RuleLoader::compile_template(
    const ConfigTable& table, const ConfigValue& value, std::size_t begin
) {
    auto compiled = ReplyTemplate::compile(std::string_view(value.text).substr(begin), made_->dictionary_);
    if (compiled) return std::move(*compiled);
    for (TemplateMistake& mistake : compiled.error())
        if (!may_be_declared(mistake.unknown_fact))
            report(
                table,
                value,
                begin + mistake.offset,
                std::move(mistake.message),
                std::move(mistake.suggestion)
            );
    return std::nullopt;
}

ReplyTemplate RuleLoader::read_template(ConfigTable& table, std::string_view key, std::optional<Stage> told) {
    const auto value = table.value(key);
    if (!value) return {};
    if (value->kind != ConfigValue::Kind::text) {
        table.error(value->place, '"' + std::string(key) + "\" must be a text");
        return {};
    }
    auto compiled = compile_template(table, *value, 0);
    if (!compiled) return {};
    for (const ReplyTemplate::Use& use : compiled->uses()) {
        const FactDeclaration& row = made_->dictionary_.row(use.fact);
        if (!told || row.stage <= *told) continue;
        report(
            table,
            *value,
            use.offset,
            row.name + " is known from " + std::string(to_string(row.stage)) +
                " on, but the rule answers at " + std::string(to_string(*told))
        );
    }
    return std::move(*compiled);
}

void RuleLoader::read_rule_scope(ConfigTable& table, Rule& rule) {
    auto scope = table.table("scope");
    if (!scope) return;
    const std::size_t errors_before = diagnostics_.error_count();
    rule.scope = read_scope(*scope, rule.scoped_names);
    scope->finish();
    if (rule.scope.is_empty() && diagnostics_.error_count() == errors_before)
        scope->error(
            scope->place(), "an empty scope; it has \"domains\", \"recipients\", \"listeners\" or \"clients\""
        );
}

void RuleLoader::refuse_keys_without_place(ConfigTable& table, const Rule& rule) {
    const auto refuse = [&](const std::string& key, std::string suggestion) {
        static_cast<void>(table.value(key));
        if (table.has(key))
            table.error(
                table.place_of(key), '"' + key + "\" has no place in this rule", std::move(suggestion)
            );
    };
    if (rule.header_name.empty()) {
        refuse("tag", "then = \"tag\"");
        refuse("header", "then = \"add-header\"");
    }
    if (!rule.skips() && table.text("then") != "skip") refuse("skip", "then = \"skip\"");
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
    read_rule_scope(table, rule);
    const Sound sound = read_effect(table, rule);
    const auto told = read_stage(table, rule, sound);
    const auto mode = table.word("mode", {"enforce", "shadow", "off"});
    if (mode == "shadow") rule.mode = RuleMode::shadow;
    if (mode == "off") rule.mode = RuleMode::off;
    read_answer(table, rule);
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
    if (const auto expires = table.value("expires")) {
        rule.expires = read_expiry(table, *expires);
        rule.expires_place = expires->place;
    }
    read_reply(table, rule, sound);
    if (table.boolean("alone").value_or(false)) rule.refuses_alone = true;
    rule.why = read_template(table, "why", told);
    rule.fix = read_template(table, "fix", told);
    if (sound.effect) refuse_keys_without_place(table, rule);
    for (const std::string_view key : {"then", "late", "skip", "replace", "tag", "header"})
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
    table.need({"id"}, table.place(), "a rule needs \"id\"");
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
