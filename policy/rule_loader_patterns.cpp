// [[pattern]] of rule files.
#include "base/text.hpp"
#include "mail/pattern_matcher.hpp"
#include "policy/rule_loader.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <utility>

namespace wicket {
namespace {

std::string meaning_of(const Pattern& pattern, const std::string& id) {
    std::string_view where = "the body";
    if (pattern.part == PatternPart::headers) where = "a header field";
    if (pattern.part == PatternPart::raw) where = "the body as received";
    if (pattern.part == PatternPart::urls) where = "an address on the web that the message names";
    return fmt::format(
        "{} matches the pattern \"{}\"; absent if it does not, unknown if not all was looked at",
        pattern.field.empty() ? where : "the field " + pattern.field,
        id
    );
}

/// RFC 5322 section 3.6.8: ftext.
bool is_field_name(std::string_view name) {
    return !name.empty() && name.size() <= 64 &&
           std::ranges::all_of(name, [](char c) { return c > ' ' && c <= '~' && c != ':'; });
}

}  // namespace

void RuleLoader::read_pattern_field(ConfigTable& table, Pattern& pattern) {
    const auto field = table.text("field");
    if (!field) return;
    pattern.field = wicket::lower_case(*field);
    if (pattern.part != PatternPart::headers)
        table.error(table.place_of("field"), "only a pattern with in = \"headers\" has a field");
    else if (!is_field_name(*field))
        table.error(
            table.value_place("field"),
            "this is no name of a header field, such as \"subject\"",
            field->ends_with(':') ? field->substr(0, field->size() - 1) : std::string()
        );
}

void RuleLoader::read_regexes(ConfigTable& table, Pattern& pattern) {
    const bool ignores_case = table.boolean("ignore_case").value_or(false);
    const auto regexes = table.texts("match", ConfigTable::OneOrList::one_or_list);
    if (!regexes) return;
    if (regexes->empty()) table.error(table.value_place("match"), "an empty list: it would match nothing");
    for (const ConfigValue& regex : *regexes) {
        if (auto checked = check_pattern_regex(regex.text, pattern.part); !checked) {
            PatternMistake& mistake = checked.error();
            report(table, regex, mistake.offset, std::move(mistake.message));
            continue;
        }
        pattern.regexes.push_back((ignores_case ? "(?i)" : "") + regex.text);
    }
}

void RuleLoader::read_pattern(ConfigTable& table) {
    const auto id = table.text("id");
    const auto part_word = table.word("in", {"headers", "body", "raw", "urls"});
    const std::size_t errors_before = diagnostics_.error_count();
    Pattern pattern;
    // Where `in` is at fault, the rest is looked at as if it were headers, which may have a field.
    pattern.part = parse_pattern_part(part_word.value_or("headers")).value_or(PatternPart::headers);
    read_pattern_field(table, pattern);
    read_regexes(table, pattern);
    const Claim claim = id ? claim_name(table, "id", pattern_names_, *id, "pattern") : Claim::refused;
    static_cast<void>(table.boolean("replace"));
    for (const std::string_view key : {"id", "in", "match"})
        table.need({std::string(key)}, table.place(), "a pattern needs \"" + std::string(key) + '"');
    table.finish();
    if (claim == Claim::refused) return;
    FactDeclaration row{
        .name = "pattern." + *id,
        .type = FactType::boolean,
        .stage = Stage::end,
        .filter = "pattern",
        .meaning = meaning_of(pattern, *id)
    };
    const auto known = made_->dictionary_.find(row.name);
    if (known) {
        // That of an earlier folder, which this one replaces.
        std::erase_if(patterns_, [&](const auto& one) { return one.first.fact == *known; });
        replace_row(*known, row);
    }
    const auto fact = known ? known : made_->dictionary_.declare(std::move(row));
    if (!fact || !part_word || diagnostics_.error_count() != errors_before) return;
    pattern.fact = *fact;
    std::erase_if(made_->shown_patterns_, [&](const ShownPattern& one) { return one.id == *id; });
    made_->shown_patterns_.push_back(
        {*id,
         table.place(),
         fmt::format(
             "{}{}{}, {} regular expressions",
             *part_word,
             pattern.field.empty() ? "" : " ",
             pattern.field,
             pattern.regexes.size()
         )}
    );
    patterns_.emplace_back(std::move(pattern), table.place());
}

void RuleLoader::finish_patterns() {
    if (patterns_.empty()) return;
    std::size_t regexes = 0;
    std::size_t octets = 0;
    std::vector<Pattern> all;
    for (auto& [pattern, place] : patterns_) {
        regexes += pattern.regexes.size();
        octets += pattern.field.size();
        for (const std::string& regex : pattern.regexes)
            octets += regex.size();
        const bool fits = all.size() < pattern_count_limit && regexes <= pattern_regex_count_limit &&
                          octets <= pattern_octets_limit;
        if (!fits) {
            diagnostics_.error(
                place,
                fmt::format(
                    "too many patterns: there may be {}, with {} regular expressions of {} octets together",
                    pattern_count_limit,
                    pattern_regex_count_limit,
                    pattern_octets_limit
                )
            );
            return;
        }
        all.push_back(pattern);
    }
    auto made = std::make_shared<const PatternSet>(make_pattern_set(std::move(all)));
    if (PatternMatcher::compile(*made) == nullptr) {
        diagnostics_.error(
            patterns_.back().second,
            fmt::format(
                "the patterns up to here need more than {} MiB once they are compiled: shorten their "
                "repetitions, such as .{{1,500}}",
                pattern_memory_octets >> 20
            )
        );
        return;
    }
    made_->patterns_ = std::move(made);
}

}  // namespace wicket
