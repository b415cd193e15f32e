// Turns rule files into CompiledRules, in passes over all files: block lists, lists and patterns first (they
// declare facts and names), then rules, overrides (they name rules), tests. Only policy/ includes this; one
// thread; used once.
#pragma once

#include "base/config_reader.hpp"
#include "base/result.hpp"
#include "policy/compiled_rules.hpp"
#include "policy/rule_lint.hpp"

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace wicket {

struct RuleFile {
    std::string path;        // for messages, and to find list files beside it
    std::size_t folder = 0;  // its number; what a later folder replaces stands in an earlier one
    std::string hash_name;   // its name wherever the folder stands; those of the second folder begin with 2/
    std::string content;
};

/// How list files are found.
struct ListFileReader {
    std::function<Result<std::string>(const std::string& path)> read;
    /// The names of the files that stand beside `path`, for a suggestion.
    std::function<std::vector<std::string>(const std::string& path)> neighbours;
};

class RuleLoader {
public:
    RuleLoader(Diagnostics& diagnostics, ListFileReader reader, RuleReading reading);
    /// nullptr if there was any error.
    std::shared_ptr<const RuleSet> load(std::vector<RuleFile> files);

private:
    /// A value with its place, or a key of a table that is read like one.
    using Text = ConfigValue;

    // rule_loader.cpp
    void keep_source(std::string name, std::string content);
    std::string hash_of_sources() const;
    std::string line_beside(const SourcePlace& place) const;
    void declare_planned_facts();
    /// Another row of that name: what a later folder replaces.
    void replace_row(FactId fact, const FactDeclaration& row);
    void read_thresholds(ConfigTable& root);
    std::pair<std::optional<Millipoints>, std::optional<Millipoints>> read_threshold_values(ConfigTable& table
    );
    static void check_thresholds(const ConfigTable& table, Millipoints junk, Millipoints reject);
    void read_list(ConfigTable& table, const RuleFile& file);
    /// The content of a file that `key` names, beside the rule file; kept as a source. nullopt after an
    /// error.
    std::optional<std::string> read_beside(
        const ConfigTable& table,
        std::string_view key,
        const std::string& name,
        const RuleFile& file,
        std::string_view what
    );
    std::optional<Millipoints> to_millipoints(const ConfigTable& table, const ConfigValue& value);
    /// Reports at an offset into a text, where its columns are known.
    static void report(
        const ConfigTable& table,
        const Text& text,
        std::size_t offset,
        std::string message,
        std::string suggestion = {}
    );
    /// The key of a member of `value()`, with its place.
    static Text key_of(const ConfigTable& table, const ConfigValue& member);
    PolicyScope read_scope(ConfigTable& table);
    void read_listeners(ConfigTable& table, PolicyScope& scope);
    enum class Claim : std::uint8_t { refused, is_new, replaces };
    struct Claimed {
        SourcePlace place;
        std::size_t folder;
    };
    using Names = std::map<std::string, Claimed, std::less<>>;
    /// Takes the name at `key` of the table (empty: the table's own) with its `replace`.
    Claim claim_name(
        ConfigTable& table, std::string_view key, Names& taken, const std::string& name, std::string_view what
    );

    // rule_loader_dns.cpp
    void read_dns_list(const std::string& name, ConfigTable& table);
    void declare_dns_list(DnsList list, FactDeclaration row, bool is_enabled);
    void read_listed(ConfigTable& table, DnsList& list);
    bool add_codes(
        const ConfigTable& table, const Text& code, const std::string& name, std::vector<DnsListCode>& out
    );
    void check_overlaps(const ConfigTable& table, const DnsList& list);

    // rule_loader_patterns.cpp
    void read_pattern(ConfigTable& table);
    void read_pattern_field(ConfigTable& table, Pattern& pattern);
    void read_regexes(ConfigTable& table, Pattern& pattern);
    /// After the last: compiles all together, to see that it can be done.
    void finish_patterns();

    // rule_loader_rules.cpp
    void read_rule(ConfigTable& table);
    std::optional<Expression> read_condition(const ConfigTable& table, const Text& text);
    void read_points(
        ConfigTable& table, const ConfigValue& points, std::optional<Expression> when, Rule& rule
    );
    void read_then(ConfigTable& table, std::optional<Expression> when, Rule& rule);
    static bool is_check(std::string_view filter);
    void read_skip(ConfigTable& table, Rule& rule);
    void read_late(ConfigTable& table, Rule& rule);
    void read_id(ConfigTable& table, Rule& rule, std::optional<std::size_t>& replaced);
    void read_effect(ConfigTable& table, Rule& rule);
    void read_stage(ConfigTable& table, Rule& rule);
    void read_expiry(ConfigTable& table, Rule& rule);
    void read_reply(ConfigTable& table, Rule& rule);
    void read_header(ConfigTable& table, Rule& rule, std::string_view then);
    std::optional<ReplyTemplate> read_template(ConfigTable& table, std::string_view key, const Rule& rule);

    // rule_loader_tests.cpp
    void read_override(ConfigTable& table);
    void read_modes(const ConfigTable& table, const ConfigValue& modes, Override& made);
    void read_test(ConfigTable& table, const RuleFile& file);
    void read_record(ConfigTable& table, const RuleFile& file, RuleTest& test);
    void read_given(const ConfigTable& table, const ConfigValue& given, RuleTest& test);
    void read_expected(const ConfigTable& table, const ConfigValue& expect, RuleTest& test);
    void check_rule_name(const ConfigTable& table, const ConfigValue& value);
    std::optional<FactValue> to_fact(
        const ConfigTable& table, const FactDeclaration& row, const ConfigValue& value
    );
    std::optional<FactValue> to_list_fact(
        const ConfigTable& table, const FactDeclaration& row, const ConfigValue& value
    );
    std::vector<std::string> rule_ids() const;

    Diagnostics& diagnostics_;
    ListFileReader reader_;
    RuleReading reading_;
    std::shared_ptr<CompiledRules> made_;
    NamedLists lists_;
    std::size_t folder_ = 0;  // of the file that is being read
    std::string source_;      // and its name among the sources, while its rules are read
    Names thresholds_;        // at most one
    Names list_names_;
    Names dns_list_names_;
    Names pattern_names_;
    std::vector<std::pair<Pattern, SourcePlace>> patterns_;
    Names rule_names_;
    std::map<std::string, std::size_t, std::less<>>
        replacing_;  // rules with replace = true, and their folders
    std::vector<LintedList> linted_lists_;
    std::map<std::string, std::string, std::less<>> source_names_;  // of files beside rule files, by path
    std::vector<FactId> planned_;  // facts that no filter of this version makes
    std::vector<FactId> disabled_lists_;
};

}  // namespace wicket
