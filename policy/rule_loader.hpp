// Turns rule files into CompiledRules, in passes over all files: block lists, lists and patterns first (they
// declare facts and names), then rules, overrides (they name rules), tests. Only policy/ includes this; one
// thread; used once.
#pragma once

#include "base/config_reader.hpp"
#include "base/result.hpp"
#include "policy/compiled_rules.hpp"

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace wicket {

struct RuleFile {
    std::string path;       // for messages, and to find list files beside it
    std::string hash_name;  // its name wherever the folder stands; those of the second folder begin with 2/
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
    RuleLoader(Diagnostics& diagnostics, ListFileReader reader);
    /// nullptr if there was any error.
    std::shared_ptr<const RuleSet> load(std::vector<RuleFile> files);

private:
    /// A value with its place, or a key of a table that is read like one.
    using Text = ConfigValue;

    // rule_loader.cpp
    void keep_source(std::string name, std::string content);
    std::string hash_of_sources() const;
    void declare_planned_facts();
    void read_thresholds(ConfigTable& root);
    std::pair<std::optional<Millipoints>, std::optional<Millipoints>> read_threshold_values(ConfigTable& table
    );
    static void check_thresholds(const ConfigTable& table, Millipoints junk, Millipoints reject);
    void read_list(ConfigTable& table, const RuleFile& file);
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
    bool claim_name(
        const ConfigTable& table,
        std::string_view key,
        std::map<std::string, SourcePlace, std::less<>>& taken,
        const std::string& name,
        std::string_view what
    );

    // rule_loader_dns.cpp
    void read_dns_list(const std::string& name, ConfigTable& table);
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
        const ConfigTable& table, const ConfigValue& points, std::optional<Expression> when, Rule& rule
    );
    void read_then(ConfigTable& table, std::optional<Expression> when, Rule& rule);
    void read_effect(ConfigTable& table, Rule& rule);
    void read_stage(ConfigTable& table, Rule& rule);
    void read_expiry(ConfigTable& table, Rule& rule);
    void read_reply(ConfigTable& table, Rule& rule);
    void read_header(ConfigTable& table, Rule& rule, std::string_view then);
    std::optional<ReplyTemplate> read_template(ConfigTable& table, std::string_view key, const Rule& rule);

    // rule_loader_tests.cpp
    void read_override(ConfigTable& table);
    void read_modes(const ConfigTable& table, const ConfigValue& modes, Override& made);
    void read_test(ConfigTable& table);
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
    std::shared_ptr<CompiledRules> made_;
    NamedLists lists_;
    std::optional<SourcePlace> thresholds_place_;
    std::map<std::string, SourcePlace, std::less<>> list_places_;
    std::map<std::string, SourcePlace, std::less<>> dns_list_places_;
    std::map<std::string, SourcePlace, std::less<>> pattern_places_;
    std::vector<std::pair<Pattern, SourcePlace>> patterns_;
    std::map<std::string, SourcePlace, std::less<>> rule_places_;
    std::vector<FactId> planned_;  // facts that no filter of this version makes
    std::vector<FactId> disabled_lists_;
};

}  // namespace wicket
