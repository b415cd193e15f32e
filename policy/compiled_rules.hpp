// The one RuleSet there is, with everything that decide() reads. Filled by the loader, then immutable and
// shared. Only policy/ includes this.
#pragma once

#include "policy/expression.hpp"
#include "policy/reply_template.hpp"
#include "policy/rules.hpp"
#include "policy/shadow_variants.hpp"

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace wicket {

/// Points in thousandths, so that sums are exact and add up as they are shown.
using Millipoints = std::int64_t;

inline constexpr Millipoints default_junk_threshold = 5000;
inline constexpr Millipoints default_reject_threshold = 12000;

/// Whom a rule or override is for. All kinds that are given must match, each by any of its entries.
struct PolicyScope {
    std::vector<std::string> domains;     // globs over rcpt.domain
    std::vector<std::string> recipients;  // globs over rcpt.address
    std::vector<std::string> services;    // listener.service
    std::vector<IpNetwork> listeners;     // listener.address
    std::vector<IpNetwork> clients;

    bool is_about_recipients() const { return !domains.empty() || !recipients.empty(); }
    bool is_empty() const {
        return !is_about_recipients() && services.empty() && listeners.empty() && clients.empty();
    }
    bool includes(const Facts& facts) const;
    bool operator==(const PolicyScope&) const = default;
};

/// An entry of a scope as it stands in the file, for check_scope_names().
struct ScopedName {
    enum class Kind : std::uint8_t { domain, recipient };
    Kind kind = Kind::domain;
    std::string glob;
    SourcePlace place;
    std::string source_line;
};

enum class OnUnknown : std::uint8_t { skip, defer };
enum class AnswerTime : std::uint8_t { at_rcpt, now };

/// One condition of a rule with what it counts.
struct PointsCase {
    Expression condition;
    Millipoints points;
    std::string text = {};  // the condition as it is written
    SourcePlace place = {};
};

struct Rule {
    std::string id;
    SourcePlace place;
    std::string source;  // the name of its file among sources()
    std::size_t folder = 0;
    std::string replaces;      // FILE:LINE of the rule in whose place it stands
    Stage stage = Stage::end;  // at which it answers
    RuleMode mode = RuleMode::enforce;
    OnUnknown on_unknown = OnUnknown::skip;
    AnswerTime answer = AnswerTime::at_rcpt;
    std::optional<WallTime> expires;
    SourcePlace expires_place;
    PolicyScope scope;
    std::vector<ScopedName> scoped_names;
    /// What a `then` rule does; none for one with points, a tag or a header.
    Action action = Action::none;
    /// A `then` rule (also tag, add-header) has one case without points; of several the greatest magnitude
    /// counts.
    std::vector<PointsCase> cases;
    bool has_points = false;
    ReplyTemplate why;
    ReplyTemplate fix;
    int reply_code = 0;  // 0: the action's own
    std::string reply_enhanced;
    std::string header_name;  // of tag and add-header
    ReplyTemplate header_value;
    /// Of then = "skip": names as they are written, and the facts that they stand for.
    std::vector<std::string> skipped_checks;
    std::vector<FactId> skipped_facts;
    bool skips_greylist = false;
    bool refuses_alone = false;  // that one block list is enough is meant

    bool skips() const { return !skipped_checks.empty(); }
};

/// A rule with points, as decide() goes through them: most do not hit, and those need not be looked at.
struct PointsRule {
    const ExpressionProgram* condition;  // the only one; nullptr if there are several
    std::uint32_t index;                 // of rules()
    Stage stage;
    bool is_plain;  // enforced for everybody and for ever, unless an override has another mode
};

/// A list, for `rules show`.
struct ShownList {
    std::string name;
    SourcePlace place;
    std::string file;
    std::string kind;
    std::size_t entries = 0;
};

struct ShownDnsList {
    std::string name;
    SourcePlace place;
    Stage stage = Stage::connect;
    bool is_enabled = true;
    std::string detail;
};

struct ShownPattern {
    std::string id;
    SourcePlace place;
    std::string detail;
};

struct Override {
    SourcePlace place;
    std::string source;  // the name of its file among sources()
    PolicyScope scope;
    std::vector<ScopedName> scoped_names;
    std::optional<Millipoints> junk;
    std::optional<Millipoints> reject;
    std::optional<Action> worst;
    std::optional<WallTime> expires;
    std::vector<std::pair<std::size_t, RuleMode>> modes;  // by index of rule

    /// Whether it is for these facts, at their time.
    bool applies_to(const Facts& facts) const;
};

struct RuleTest {
    std::string name;
    SourcePlace place;
    std::size_t folder = 0;
    Stage stage = Stage::end;
    Facts given;
    std::optional<Action> verdict;
    std::optional<std::string> rule;
    std::optional<Millipoints> points;
};

class CompiledRules final : public RuleSet {
public:
    const FactDictionary& dictionary() const override { return dictionary_; }
    const std::vector<DnsList>& dns_lists() const override { return dns_lists_; }
    const std::vector<std::string>& list_files() const override { return list_files_; }
    std::shared_ptr<const PatternSet> patterns() const override { return patterns_; }
    const std::string& hash() const override { return hash_; }
    const std::vector<RuleSource>& sources() const override { return sources_; }
    const std::vector<std::string>& folders() const override { return folders_; }
    const std::vector<std::string>& customer_keys() const override { return customer_keys_; }
    std::string origin_of(std::string_view rule_id) const override;
    std::size_t rule_count() const override { return rules_.size(); }
    bool answers_at(Stage stage) const override;
    bool has_immediate_answers(Stage stage) const override;

    const std::vector<Rule>& rules() const { return rules_; }
    const std::vector<std::size_t>& rules_by_stage() const { return by_stage_; }
    /// In file order.
    const std::vector<PointsRule>& points_rules() const { return points_rules_; }
    const std::vector<Override>& overrides() const { return overrides_; }
    const std::vector<RuleTest>& tests() const { return tests_; }
    /// The text of the table that stands there; empty if its source is not kept.
    std::string table_at(const std::string& source, const SourcePlace& place) const;
    /// What the folders up to `folder` alone were read from.
    std::vector<RuleSource> sources_up_to(std::size_t folder) const;
    Millipoints junk_threshold() const { return junk_threshold_; }
    Millipoints reject_threshold() const { return reject_threshold_; }
    /// Line 0: they are the defaults.
    const SourcePlace& thresholds_place() const { return thresholds_place_; }
    /// The name of their file among sources(); empty of the defaults.
    const std::string& thresholds_source() const { return thresholds_source_; }
    const std::vector<ShownList>& lists() const { return lists_; }
    const std::vector<ShownDnsList>& shown_dns_lists() const { return shown_dns_lists_; }
    const std::vector<ShownPattern>& shown_patterns() const { return shown_patterns_; }
    /// What rules that are known only after `stage` may still take off; nullopt if one of them may decide
    /// otherwise.
    std::optional<Millipoints> credit_after(Stage stage) const;

    /// Copies with something changed; see rule_variants.hpp. Modes are by index of rule.
    std::shared_ptr<const CompiledRules> with_modes(const std::vector<std::pair<std::size_t, RuleMode>>& modes
    ) const;
    std::shared_ptr<const CompiledRules> with_thresholds(
        std::optional<Millipoints> junk, std::optional<Millipoints> reject
    ) const;
    std::shared_ptr<const CompiledRules> without_worst(std::size_t at) const;  // of overrides()

    ShadowVariants& shadow_variants() const { return shadow_variants_; }

private:
    friend class RuleLoader;
    /// After everything was added: orders, and computes what decide() needs at hand.
    void complete();

    FactDictionary dictionary_;
    std::vector<DnsList> dns_lists_;
    std::vector<std::string> list_files_;
    std::shared_ptr<const PatternSet> patterns_;
    std::string hash_;
    std::vector<RuleSource> sources_;
    std::vector<std::size_t> source_folders_;  // of each
    std::vector<std::string> folders_;
    std::vector<std::string> customer_keys_;
    std::vector<Rule> rules_;            // in file order
    std::vector<std::size_t> by_stage_;  // of rules_: `then` rules by stage, then file order
    std::vector<PointsRule> points_rules_;
    std::vector<Override> overrides_;  // in file order
    std::vector<RuleTest> tests_;
    Millipoints junk_threshold_ = default_junk_threshold;
    Millipoints reject_threshold_ = default_reject_threshold;
    SourcePlace thresholds_place_;
    std::string thresholds_source_;
    std::vector<ShownList> lists_;
    std::vector<ShownDnsList> shown_dns_lists_;
    std::vector<ShownPattern> shown_patterns_;
    std::array<std::optional<Millipoints>, stage_count> credits_after_{};
    std::array<bool, stage_count> answers_at_{};
    std::array<bool, stage_count> has_immediate_answers_{};
    mutable ShadowVariants shadow_variants_;
};

/// Of a RuleSet that load_rules made; anything else is a bug.
const CompiledRules& compiled(const RuleSet& rules);

}  // namespace wicket
