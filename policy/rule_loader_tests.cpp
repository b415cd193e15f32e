// [[override]] and [[test]] of rule files: both name rules.
#include "policy/record_facts.hpp"
#include "policy/rule_loader.hpp"
#include "policy/time_text.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace wicket {
namespace {

using Kind = ConfigValue::Kind;

const std::vector<std::string>& verdict_words() {
    static const std::vector<std::string> words = {
        "none", "accept", "junk", "quarantine", "greylist", "defer", "discard", "reject", "disconnect"
    };
    return words;
}

bool is_known_field(
    const ConfigTable& table, const ConfigValue& member, const std::vector<std::string>& known, auto key_place
) {
    if (std::ranges::find(known, member.key) != known.end()) return true;
    table.error(key_place(), "unknown key \"" + member.key + '"', nearest_word(member.key, known));
    return false;
}

}  // namespace

std::vector<std::string> RuleLoader::rule_ids() const {
    std::vector<std::string> ids;
    for (const Rule& rule : made_->rules_) {
        if (!rule.id.empty()) ids.push_back(rule.id);
    }
    return ids;
}

void RuleLoader::read_modes(const ConfigTable& table, const ConfigValue& modes, Override& made) {
    if (modes.kind != Kind::table) {
        table.error(modes.place, "\"modes\" must be a table of rules: { some-rule = \"shadow\" }");
        return;
    }
    static const std::vector<std::string> words = {"enforce", "shadow", "off"};
    for (const ConfigValue& member : modes.table) {
        const auto rule = std::ranges::find(made_->rules_, member.key, &Rule::id);
        if (rule == made_->rules_.end()) {
            if (!lacks_files_)
                report(
                    table,
                    key_of(table, member),
                    0,
                    "unknown rule \"" + member.key + '"',
                    nearest_word(member.key, rule_ids())
                );
            continue;
        }
        const auto word = std::ranges::find(words, member.text);
        if (member.kind != Kind::text || word == words.end()) {
            table.error(member.place, "expected enforce, shadow or off", nearest_word(member.text, words));
            continue;
        }
        made.modes.emplace_back(
            static_cast<std::size_t>(rule - made_->rules_.begin()),
            static_cast<RuleMode>(word - words.begin())
        );
    }
}

void RuleLoader::read_override(ConfigTable& table) {
    Override made;
    made.place = table.place();
    made.source = source_;
    made.scope = read_scope(table, made.scoped_names);
    if (auto thresholds = table.table("thresholds")) {
        std::tie(made.junk, made.reject) = read_threshold_values(*thresholds);
        check_thresholds(
            *thresholds,
            made.junk.value_or(made_->junk_threshold_),
            made.reject.value_or(made_->reject_threshold_)
        );
    }
    const auto worst =
        table.word("worst", {"accept", "junk", "quarantine", "greylist", "defer", "discard", "reject"});
    if (worst) made.worst = parse_action(*worst);
    const auto modes = table.value("modes");
    if (modes) read_modes(table, *modes, made);
    if (const auto expires = table.value("expires")) {
        made.expires = read_expiry(table, *expires);
        if (made.expires && *made.expires <= system_clock().wall())
            table.warning(expires->place, "this override has expired: it is off");
    }
    table.need(
        {"domains", "recipients", "listeners", "clients"},
        table.place(),
        "an override needs \"domains\", \"recipients\", \"listeners\" or \"clients\": for all there is "
        "[thresholds]"
    );
    table.need(
        {"thresholds", "worst", "modes"},
        table.place(),
        "an override needs \"thresholds\", \"worst\" or \"modes\": this one changes nothing"
    );
    table.finish();
    made_->overrides_.push_back(std::move(made));
}

std::optional<FactValue> RuleLoader::to_list_fact(
    const ConfigTable& table, const FactDeclaration& row, const ConfigValue& value
) {
    if (value.kind != Kind::list) {
        table.error(
            value.place, row.name + " is a " + std::string(to_string(row.type)) + ": expected [ ... ]"
        );
        return std::nullopt;
    }
    bool are_good = true;
    if (row.type == FactType::texts) {
        TextList list;
        for (const ConfigValue& item : value.list) {
            const bool fits = row.words.empty() || std::ranges::find(row.words, item.text) != row.words.end();
            list.items.push_back(item.text);
            if (item.kind == Kind::text && (fits || may_be_declared(row.name))) continue;
            table.error(
                item.place, row.name + " never has \"" + item.text + '"', nearest_word(item.text, row.words)
            );
            are_good = false;
        }
        return are_good ? std::optional<FactValue>(std::move(list)) : std::nullopt;
    }
    ResultList list;
    for (const ConfigValue& item : value.list) {
        if (item.kind != Kind::table) {
            table.error(item.place, row.name + " is a list of results: expected { ... }");
            are_good = false;
            continue;
        }
        ResultRow& made = list.rows.emplace_back();
        for (const ConfigValue& field : item.table) {
            const auto key_place = [&] { return key_of(table, field).text_place; };
            if (!row.words.empty() && !is_known_field(table, field, row.words, key_place)) are_good = false;
            made.emplace_back(
                field.key, field.kind == Kind::integer ? std::to_string(field.integer) : field.text
            );
        }
    }
    return are_good ? std::optional<FactValue>(std::move(list)) : std::nullopt;
}

std::optional<FactValue> RuleLoader::to_fact(
    const ConfigTable& table, const FactDeclaration& row, const ConfigValue& value
) {
    if (value.kind == Kind::table) {
        const bool is_unknown =
            value.table.size() == 1 && value.table[0].key == "unknown" && value.table[0].kind == Kind::text;
        if (is_unknown) return Unknown{value.table[0].text};
        table.error(value.place, "expected a value, or { unknown = \"reason\" }");
        return std::nullopt;
    }
    std::optional<FactValue> fact;
    switch (row.type) {
        case FactType::boolean:
            if (value.kind == Kind::boolean) fact = value.boolean;
            break;
        case FactType::integer:
            if (value.kind == Kind::integer) fact = value.integer;
            break;
        case FactType::real:
            if (value.kind == Kind::integer || value.kind == Kind::real) fact = value.real;
            break;
        case FactType::text:
            if (value.kind == Kind::text) fact = value.text;
            break;
        case FactType::word:
            if (value.kind != Kind::text) break;
            if (!row.words.empty() && std::ranges::find(row.words, value.text) == row.words.end()) {
                table.error(
                    value.place,
                    row.name + " is never \"" + value.text + '"',
                    nearest_word(value.text, row.words)
                );
                return std::nullopt;
            }
            fact = value.text;
            break;
        case FactType::address:
            if (const auto address = IpAddress::parse(value.text)) fact = *address;
            break;
        case FactType::time:
            if (const auto time = parse_time(value.text)) fact = *time;
            break;
        case FactType::texts:
        case FactType::results: return to_list_fact(table, row, value);
    }
    if (!fact) table.error(value.place, row.name + " is of type " + std::string(to_string(row.type)));
    return fact;
}

void RuleLoader::read_given(const ConfigTable& table, const ConfigValue& given, RuleTest& test) {
    if (given.kind != Kind::table) {
        table.error(given.place, "\"given\" must be a table of facts: { \"client.ip\" = \"192.0.2.1\" }");
        return;
    }
    const FactDictionary& dictionary = made_->dictionary_;
    for (const ConfigValue& member : given.table) {
        const auto fact = dictionary.find(member.key);
        if (!fact) {
            if (!may_be_declared(member.key))
                report(
                    table,
                    key_of(table, member),
                    0,
                    "unknown fact \"" + member.key + '"',
                    nearest_word(member.key, dictionary.names())
                );
            continue;
        }
        if (auto value = to_fact(table, dictionary.row(*fact), member))
            test.given.set(*fact, std::move(*value));
    }
}

void RuleLoader::check_rule_name(const ConfigTable& table, const ConfigValue& value) {
    static constexpr std::array<std::string_view, 3> others = {
        "default", "threshold:junk", "threshold:reject"
    };
    if (std::ranges::find(others, value.text) != others.end()) return;
    auto ids = rule_ids();
    if (lacks_files_ || std::ranges::find(ids, value.text) != ids.end()) return;
    ids.insert(ids.end(), others.begin(), others.end());
    table.error(value.place, "unknown rule \"" + value.text + '"', nearest_word(value.text, ids));
}

void RuleLoader::read_expected(const ConfigTable& table, const ConfigValue& expect, RuleTest& test) {
    if (expect.kind != Kind::table || expect.table.empty()) {
        table.error(
            expect.place, "\"expect\" must be a table: { verdict = \"reject\", rule = \"some-rule\" }"
        );
        return;
    }
    static const std::vector<std::string> known = {"verdict", "rule", "points"};
    for (const ConfigValue& member : expect.table) {
        const auto key_place = [&] { return key_of(table, member).text_place; };
        if (!is_known_field(table, member, known, key_place)) continue;
        if (member.key == "points") {
            test.points = to_millipoints(table, member);
        } else if (member.kind != Kind::text) {
            table.error(member.place, '"' + member.key + "\" must be a text");
        } else if (member.key == "rule") {
            check_rule_name(table, member);
            test.rule = member.text;
        } else {
            test.verdict = parse_action(member.text);
            if (!test.verdict) {
                table.error(
                    member.place,
                    "unknown verdict \"" + member.text + '"',
                    nearest_word(member.text, verdict_words())
                );
            }
        }
    }
}

/// The facts of a record beside the rule file, as `mailwicket export` writes it.
void RuleLoader::read_record(ConfigTable& table, const RuleFile& file, RuleTest& test) {
    const auto name = table.text("record");
    const std::string recipient = table.text("recipient").value_or("");
    if (!name) return;
    const SourcePlace place = table.value_place("record");
    const auto content = read_beside(table, "record", *name, file, "record");
    if (!content) return;
    auto read = facts_from_record(*content, recipient, made_->dictionary_);
    if (!read) {
        const bool is_recipient = table.has("recipient") && read.error().message.contains("no recipient");
        table.error(
            is_recipient ? table.value_place("recipient") : place, *name + ": " + read.error().message
        );
        return;
    }
    // A list that is asked no more leaves its facts behind in old records.
    for (const std::string& fact : read->left_out)
        table.warning(place, *name + " has the fact " + fact + ", which is not known here: it is left out");
    test.given = std::move(read->facts);
}

void RuleLoader::read_test(ConfigTable& table, const RuleFile& file) {
    RuleTest test;
    test.place = table.place();
    test.folder = folder_;
    if (const auto name = table.text("name")) {
        test.name = *name;
        const SourcePlace place = table.value_place("name");
        const auto [found, is_new] = test_names_.emplace(std::pair(folder_, *name), place);
        if (!is_new && reading_ != RuleReading::as_it_was)
            table.error(
                place,
                "a test of this name stands already at " + found->second.to_string() + " in this folder"
            );
    }
    if (const auto at = table.word("at", {"connect", "helo", "mail", "rcpt", "data", "end"})) {
        test.stage = parse_stage(*at).value_or(Stage::end);
    }
    const bool has_record = table.has("record");
    if (has_record)
        read_record(table, file, test);
    else if (table.has("recipient"))
        table.error(
            table.place_of("recipient"), "\"recipient\" chooses one of a record: this test has none", "record"
        );
    static_cast<void>(table.value("recipient"));
    if (const auto given = table.value("given")) read_given(table, *given, test);
    if (const auto expect = table.value("expect")) read_expected(table, *expect, test);
    for (const std::string_view key : {"name", "given", "expect"})
        if (!has_record || key == "name")
            table.need({std::string(key)}, table.place(), "a test needs \"" + std::string(key) + '"');
    table.finish();
    made_->tests_.push_back(std::move(test));
}

}  // namespace wicket
