#include "mail/pattern_matcher.hpp"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

namespace wicket {
namespace {

PatternSet some_patterns() {
    return make_pattern_set({
        {.fact = 100, .part = PatternPart::headers, .regexes = {"^X-Bulk: "}},
        {.fact = 101, .part = PatternPart::headers, .field = "subject", .regexes = {"^win", "(?i)prize"}},
        {.fact = 102, .part = PatternPart::headers, .field = "from", .regexes = {"^win"}},
        {.fact = 103, .part = PatternPart::body, .regexes = {"gr.ß"}},
        {.fact = 104, .part = PatternPart::raw, .regexes = {"gr.ß", "\\xFF\\x00"}},
        {.fact = 105, .part = PatternPart::urls, .regexes = {"//evil[.]example(/|$)"}},
    });
}

using Found = std::map<FactId, FactValue>;

Found facts_of(const PatternFindings& findings) {
    const auto facts = findings.facts();
    return {facts.begin(), facts.end()};
}

TEST(PatternMatcher, TellsOnlyWhatMatched) {
    const auto matcher = PatternMatcher::compile(some_patterns());
    ASSERT_NE(matcher, nullptr);
    EXPECT_TRUE(matcher->wants_field("Subject"));
    EXPECT_FALSE(matcher->wants_field("To"));
    for (const PatternPart part :
         {PatternPart::headers, PatternPart::body, PatternPart::raw, PatternPart::urls})
        EXPECT_TRUE(matcher->wants(part));

    PatternFindings nothing(*matcher);
    nothing.look_at(PatternPart::headers, "Subject: X-Bulk: yes");
    nothing.look_at_field("Subject", "the winner");
    nothing.look_at_field("To", "winner");
    nothing.look_at(PatternPart::body, "//evil.example/");
    EXPECT_EQ(facts_of(nothing), Found{});

    PatternFindings all(*matcher);
    all.look_at(PatternPart::headers, "X-Bulk: yes");
    all.look_at_field("SUBJECT", "a PRIZE");
    all.look_at(PatternPart::body, "grüß");
    all.look_at(PatternPart::raw, std::string_view("\xFF\0", 2));
    all.look_at(PatternPart::urls, "http://evil.example");
    EXPECT_EQ(
        facts_of(all),
        (Found{
            {100, true},
            {101, true},
            {103, true},
            {104, true},
            {105, true}
    })
    );
    // Octets, not characters, in what was received: "ü" is two of them.
    PatternFindings raw(*matcher);
    raw.look_at(PatternPart::raw, "grüß");
    EXPECT_EQ(facts_of(raw), Found{});
    raw.look_at(PatternPart::raw, "gr\xFCß");
    EXPECT_EQ(
        facts_of(raw),
        (Found{
            {104, true}
    })
    );
}

TEST(PatternMatcher, DoesNotKnowWhatWasNotLookedAt) {
    const auto matcher = PatternMatcher::compile(some_patterns());
    PatternFindings findings(*matcher);
    findings.look_at_field("subject", "win");
    findings.miss(PatternPart::headers, "too many");
    findings.miss(PatternPart::headers, "again");
    EXPECT_EQ(
        facts_of(findings),
        (Found{
            {100, Unknown{"too many"}},
            {101, true               },
            {102, Unknown{"too many"}}
    })
    );
}

TEST(PatternMatcher, WantsOnlyWhatThereArePatternsFor) {
    const auto urls = PatternMatcher::compile(make_pattern_set({
        {.fact = 1, .part = PatternPart::urls, .regexes = {"x"}}
    }));
    EXPECT_TRUE(urls->wants(PatternPart::urls));
    EXPECT_FALSE(
        urls->wants(PatternPart::headers) || urls->wants(PatternPart::body) || urls->wants(PatternPart::raw)
    );
    const auto field = PatternMatcher::compile(make_pattern_set({
        {.fact = 1, .part = PatternPart::headers, .field = "to", .regexes = {"x"}}
    }));
    EXPECT_TRUE(field->wants(PatternPart::headers));
    PatternFindings findings(*field);
    findings.look_at(PatternPart::headers, "To: x");
    findings.look_at(PatternPart::body, "x");
    EXPECT_EQ(facts_of(findings), Found{});
}

TEST(PatternMatcher, CompilesNothingThatIsTooLargeOrBad) {
    EXPECT_EQ(PatternMatcher::compile(make_pattern_set({{.regexes = {"("}}})), nullptr);
    std::vector<Pattern> large;
    for (int at = 0; at < 100; ++at)
        large.push_back({.regexes = {"a.{1,900}b.{1,900}" + std::to_string(at)}});
    EXPECT_EQ(PatternMatcher::compile(make_pattern_set(large)), nullptr);
}

TEST(PatternMatcher, HashesEverythingThatMakesADifference) {
    const std::vector<Pattern> base = {
        {.fact = 1, .part = PatternPart::headers, .field = "a", .regexes = {"b", "c"}}
    };
    const auto hash_with = [&](auto change) {
        auto changed = base;
        change(changed[0]);
        return make_pattern_set(changed).hash;
    };
    const Sha256 hash = make_pattern_set(base).hash;
    EXPECT_EQ(hash, hash_with([](Pattern&) {}));
    EXPECT_NE(hash, hash_with([](Pattern& one) { one.fact = 2; }));
    EXPECT_NE(hash, hash_with([](Pattern& one) { one.part = PatternPart::raw; }));
    EXPECT_NE(hash, hash_with([](Pattern& one) { one.field = "b"; }));
    EXPECT_NE(hash, hash_with([](Pattern& one) { one.regexes = {"bc"}; }));
    EXPECT_NE(hash, hash_with([](Pattern& one) { one.regexes = {"b"}; }));
    EXPECT_NE(hash, hash_with([](Pattern& one) { one.regexes = {"c", "b"}; }));
}

}  // namespace
}  // namespace wicket
