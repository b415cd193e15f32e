#include "policy/customer_keys.hpp"

#include "policy/rule_set_record.hpp"
#include "tests/unit/policy/compiled_text.hpp"

#include <gtest/gtest.h>

namespace wicket {
namespace {

constexpr std::string_view long_key = "abcdefghij0123456789klmnop";

TEST(CustomerKeys, AreFoundInZones) {
    struct Case {
        std::string_view name, zone, named, shown;
    };
    constexpr Case cases[] = {
        {"none",            "zen.spamhaus.org",                      "",       "zen.spamhaus.org"         },
        {"known list",      "k1.zen.dq.spamhaus.net",                "",       "(key).zen.dq.spamhaus.net"},
        {"no key in front", "zen.dq.spamhaus.net",                   "",       "zen.dq.spamhaus.net"      },
        {"by its length",   "abcdefghij0123456789klmnop.bl.example", "",       "(key).bl.example"         },
        {"named",           "bl.secret.example",                     "secret", "bl.(key).example"         },
        {"as it is kept",   "key-is-not-kept.bl.example",            "",       "(key).bl.example"         },
    };
    for (const Case& one : cases) {
        SCOPED_TRACE(one.name);
        EXPECT_EQ(zone_without_keys(one.zone, customer_keys(one.zone, one.named)), one.shown);
    }
}

TEST(CustomerKeys, AreNotKeptWithTheRules) {
    const std::string text =
        "# ABCDEFGHIJ0123456789KLMNOP is ours, and so is k7\n"
        "[dnsbl.zen]\nzone = \"Abcdefghij0123456789klmnop.zen.dq.spamhaus.net\"\n"
        "listed = { a = \"127.0.0.2\" }\n"
        "[dnsbl.off]\nzone = \"k7.off.example\"\nkey = \"K7\"\nenabled = false\n"
        "listed = { k7 = \"127.0.0.2\" }\n"
        "[[rule]]\nid = \"k7\"\nwhen = 'dnsbl.zen has a'\nthen = \"reject\"\n";
    const auto rules = compiled_text(text);
    const RuleSetRecord kept = record_of(*rules);
    ASSERT_EQ(kept.sources.size(), 1U);
    const std::string& content = kept.sources.front().content;
    EXPECT_EQ(content.find(long_key), std::string::npos) << content;
    EXPECT_EQ(content.find("ABCDEFGHIJ"), std::string::npos) << content;
    EXPECT_EQ(content.find("Abcdefghij"), std::string::npos) << content;
    EXPECT_EQ(content.find("K7"), std::string::npos) << content;
    EXPECT_EQ(content.find("k7.off"), std::string::npos) << content;
    // What is told of the rules of then is the same: places, names, shown zones.
    Diagnostics diagnostics;
    const auto again = recompile_rules(kept.sources, diagnostics);
    ASSERT_NE(again, nullptr) << render(diagnostics.sorted().front());
    EXPECT_EQ(again->origin_of("k7"), rules->origin_of("k7"));
    EXPECT_EQ(again->dns_lists().front().shown_zone, "(key).zen.dq.spamhaus.net");
    EXPECT_EQ(again->dns_lists().front().shown_zone, rules->dns_lists().front().shown_zone);
    EXPECT_EQ(again->dictionary().names(), rules->dictionary().names());
    EXPECT_EQ(again->rule_count(), rules->rule_count());
}

TEST(CustomerKeys, OneThatOnlyTomlCanReadKeepsTheTextsFromBeingKept) {
    const auto rules = compiled_text(
        "[dnsbl.zen]\nzone = \"\\u0061bcdefghij0123456789klmnop.bl.example\"\nlisted = { a = \"127.0.0.2\" "
        "}\n"
        "[[rule]]\nid = \"r\"\nwhen = 'dnsbl.zen has a'\nthen = \"reject\"\n"
    );
    const RuleSetRecord kept = record_of(*rules);
    EXPECT_TRUE(kept.sources.empty());
    EXPECT_EQ(kept.facts, rules->dictionary().names());
}

TEST(CustomerKeys, RulesWithoutKeysAreKeptAsTheyAre) {
    const auto rules = compiled_text("[[rule]]\nid = \"r\"\nwhen = 'message.size > 1'\npoints = 1\n");
    EXPECT_EQ(record_of(*rules).sources, rules->sources());
}

}  // namespace
}  // namespace wicket
