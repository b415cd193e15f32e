// Turns rule files into CompiledRules, in passes over all files: block lists, lists and patterns first (they
// declare facts and names), then rules, overrides (they name rules), tests. Only policy/ includes this; one
// thread; used once.
#pragma once

#include "base/config_reader.hpp"
#include "base/result.hpp"
#include "base/source_lines.hpp"
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
    /// `source`: its name among the sources.
    std::function<Result<std::string>(const std::string& path, const std::string& source)> read;
    /// The names of the files that stand beside `path`, for a suggestion.
    std::function<std::vector<std::string>(const std::string& path)> neighbours;
};

class RuleLoader {
public:
    RuleLoader(
        Diagnostics& diagnostics, ListFileReader reader, RuleReading reading, const ServedDomains* domains
    );
    /// Before load(): there are rule files that could not be handed over, with names in them.
    void expect_unknown_names() { lacks_files_ = true; }
    /// nullptr if there was any error but in the names of scopes.
    std::shared_ptr<const RuleSet> load(std::vector<RuleFile> files);
    /// The files that were read beside the rule files, also after an error; nullopt if a rule file could not
    /// be read, so that there may be more.
    std::optional<std::vector<std::string>> files_beside() const;

private:
    /// A value with its place, or a key of a table that is read like one.
    using Text = ConfigValue;

    /// A document with its file, and its rules, which are gone through twice.
    struct Root {
        ConfigTable table;
        const RuleFile* file;
        std::vector<ConfigTable> rules;
    };

    // rule_loader.cpp
    void read_declarations(std::vector<Root>& roots);
    void read_rules(std::vector<Root>& roots);
    void read_overrides_and_tests(std::vector<Root>& roots);
    /// Of all rules and overrides, with mistakes in other parts, too.
    std::vector<ScopedName> scoped_names() const;
    /// Whether a fact, list ("list(NAME)") or rule that is unknown may be one of a file that cannot be read,
    /// or one whose declaration has mistakes: what follows from those is none.
    bool may_be_declared(std::string_view name) const;
    void keep_source(std::string name, std::string content);
    std::string hash_of_sources() const;
    void leave_out_rules_without_conditions();
    std::string line_beside(const SourcePlace& place);
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
    PolicyScope read_scope(ConfigTable& table, std::vector<ScopedName>& names);
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
    /// The names of its codes.
    std::vector<std::string> read_listed(ConfigTable& table, DnsList& list);
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
    /// What of a rule has no mistakes, so that others are no consequence of them.
    struct Sound {
        bool conditions = true;
        bool effect = true;  // what it does
    };
    std::optional<Expression> read_condition(const ConfigTable& table, const Text& text);
    Sound read_points(
        ConfigTable& table, const ConfigValue& points, std::optional<Expression> when, Rule& rule
    );
    Sound read_then(ConfigTable& table, std::optional<Expression> when, Rule& rule);
    static bool is_check(std::string_view filter);
    void read_skip(ConfigTable& table, Rule& rule);
    void read_late(ConfigTable& table, Rule& rule, Sound sound);
    void read_id(ConfigTable& table, Rule& rule, std::optional<std::size_t>& replaced);
    void read_rule_scope(ConfigTable& table, Rule& rule);
    Sound read_effect(ConfigTable& table, Rule& rule);
    /// When all its facts are known, and which it waits for.
    std::pair<Stage, std::string> earliest_stage_of(const Rule& rule) const;
    /// The stage at which its texts are told; nullopt if that cannot be said for mistakes.
    std::optional<Stage> read_stage(ConfigTable& table, Rule& rule, Sound sound);
    void read_answer(ConfigTable& table, Rule& rule);
    std::optional<WallTime> read_expiry(const ConfigTable& table, const ConfigValue& value);
    void read_reply(ConfigTable& table, Rule& rule, Sound sound);
    void read_header(ConfigTable& table, Rule& rule, std::string_view then);
    void refuse_keys_without_place(ConfigTable& table, const Rule& rule);
    /// `told`: the stage whose facts it can have; nullopt if that is not known.
    ReplyTemplate read_template(ConfigTable& table, std::string_view key, std::optional<Stage> told);
    /// The text of `value` from `begin` on.
    std::optional<ReplyTemplate> compile_template(
        const ConfigTable& table, const ConfigValue& value, std::size_t begin
    );

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
    const ServedDomains* domains_;  // nullptr: not known
    std::shared_ptr<CompiledRules> made_;
    NamedLists lists_;
    std::size_t folder_ = 0;  // of the file that is being read
    std::string source_;      // and its name among the sources, while it is read
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
    std::map<std::string, TextLines, std::less<>> lines_beside_;    // of those that lines were asked of
    std::vector<FactId> planned_;  // facts that no filter of this version makes
    std::vector<FactId> disabled_lists_;
    bool lacks_files_ = false;                      // one of them cannot be read
    std::vector<std::string> facts_with_mistakes_;  // in their declarations, which have other words then
    std::map<std::pair<std::size_t, std::string>, SourcePlace> test_names_;  // by folder
};

}  // namespace wicket
