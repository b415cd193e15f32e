#include "filters/helo.hpp"
#include "filters/iprev.hpp"
#include "tests/support/run_awaitable.hpp"
#include "tests/support/table_resolver.hpp"

#include <gtest/gtest.h>

namespace wicket {
namespace {

Facts observe(const Filter& filter, const Facts& given, TableResolver& dns) {
    const auto snapshot = std::make_shared<const Facts>(given);
    const Observation seen = run_awaitable(
        filter.examine(snapshot, {dns, system_clock(), system_clock().steady() + filter.timeout(), nullptr})
    );
    Facts facts;
    for (const auto& [fact, value] : seen.facts)
        facts.set(fact, value);
    return facts;
}

Facts client(std::string_view address) {
    Facts facts;
    facts.set(id_of(CoreFact::client_ip), *IpAddress::parse(address));
    facts.set(id_of(CoreFact::listener_address), *IpAddress::parse("192.0.2.25"));
    return facts;
}

FactValue text(std::string_view value) {
    return std::string(value);
}

TEST(Iprev, PassesOnlyIfANameLeadsBack) {
    TableResolver dns;
    dns.add("9.113.0.203.in-addr.arpa", DnsType::ptr, {"liar.example", "mx.example"});
    dns.add_address("liar.example", "198.51.100.1");
    dns.add_address("mx.example", "203.0.113.9");
    const Facts facts = observe(IprevFilter(), client("203.0.113.9"), dns);
    EXPECT_EQ(facts.get(id_of(CoreFact::iprev_result)), text("pass"));
    EXPECT_EQ(facts.get(id_of(CoreFact::client_name)), text("mx.example"));
}

TEST(Iprev, FailsIfNoNameLeadsBack) {
    TableResolver dns;
    dns.add("9.113.0.203.in-addr.arpa", DnsType::ptr, {"liar.example"});
    const Facts facts = observe(IprevFilter(), client("203.0.113.9"), dns);
    EXPECT_EQ(facts.get(id_of(CoreFact::iprev_result)), text("fail"));
    EXPECT_EQ(facts.get(id_of(CoreFact::client_name)), FactValue(Absent{}));
}

TEST(Iprev, IsPermerrorWithoutANameAndTemperrorWithoutAnAnswer) {
    TableResolver nothing;
    EXPECT_EQ(
        observe(IprevFilter(), client("203.0.113.9"), nothing).get(id_of(CoreFact::iprev_result)),
        text("permerror")
    );
    TableResolver broken;
    broken.fail("9.113.0.203.in-addr.arpa", DnsType::ptr, "SERVFAIL");
    EXPECT_EQ(
        observe(IprevFilter(), client("203.0.113.9"), broken).get(id_of(CoreFact::iprev_result)),
        text("temperror")
    );
    TableResolver half;
    half.add("9.113.0.203.in-addr.arpa", DnsType::ptr, {"mx.example"});
    half.fail("mx.example", DnsType::a, "SERVFAIL");
    EXPECT_EQ(
        observe(IprevFilter(), client("203.0.113.9"), half).get(id_of(CoreFact::iprev_result)),
        text("temperror")
    );
}

TEST(Iprev, LooksAtFewNamesOnly) {
    TableResolver dns;
    std::vector<std::string> names;
    for (int i = 0; i < 1000; ++i)
        names.push_back("n" + std::to_string(i) + ".example");
    dns.add("9.113.0.203.in-addr.arpa", DnsType::ptr, names);
    observe(IprevFilter(), client("203.0.113.9"), dns);
    EXPECT_EQ(dns.asked().size(), 1 + iprev_name_limit);
}

TEST(Iprev, WorksForIpv6) {
    TableResolver dns;
    dns.add(
        "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa",
        DnsType::ptr,
        {"six.example"}
    );
    dns.add_address("six.example", "2001:db8::1");
    EXPECT_EQ(
        observe(IprevFilter(), client("2001:db8::1"), dns).get(id_of(CoreFact::iprev_result)), text("pass")
    );
}

TEST(Helo, TellsTheFormsOfAName) {
    struct Case {
        std::string_view name, want;
    };
    const std::vector<Case> cases = {
        {"mx.example.org",     "fqdn"     },
        {"mx.example.org.",    "fqdn"     },
        {"a_b.example",        "fqdn"     },
        {"localhost",          "bare"     },
        {"192.0.2.1",          "address"  },
        {"2001:db8::1",        "address"  },
        {"[192.0.2.1]",        "literal"  },
        {"[IPv6:2001:db8::1]", "literal"  },
        {"[300.0.0.1]",        "malformed"},
        {"",                   "malformed"},
        {"-mx.example",        "malformed"},
        {"mx..example",        "malformed"},
        {"mx example",         "malformed"},
    };
    for (const auto& [name, want] : cases) {
        SCOPED_TRACE(name);
        EXPECT_EQ(helo_form(name), want);
    }
}

Facts greet(std::string_view name, TableResolver& dns, std::string_view from = "203.0.113.9") {
    Facts facts = client(from);
    facts.set(id_of(CoreFact::helo_name), std::string(name));
    return observe(HeloFilter({"mx.example.test"}), facts, dns);
}

TEST(Helo, KnowsWhoUsesOurName) {
    TableResolver dns;
    EXPECT_EQ(greet("MX.Example.Test", dns).get(id_of(CoreFact::helo_is_ours)), FactValue(true));
    EXPECT_EQ(greet("mx.example.test.", dns).get(id_of(CoreFact::helo_is_ours)), FactValue(true));
    EXPECT_EQ(greet("mx.example.org", dns).get(id_of(CoreFact::helo_is_ours)), FactValue(false));
    EXPECT_EQ(greet("[192.0.2.25]", dns).get(id_of(CoreFact::helo_is_ours)), FactValue(true));
}

TEST(Helo, TakesOurBareAddressForOurs) {
    TableResolver dns;
    EXPECT_EQ(greet("192.0.2.25", dns).get(id_of(CoreFact::helo_is_ours)), FactValue(true));
    EXPECT_EQ(greet("192.0.2.26", dns).get(id_of(CoreFact::helo_is_ours)), FactValue(false));
}

TEST(Helo, LetsOurOwnHostGiveItsOwnName) {
    TableResolver dns;
    for (const std::string_view from : {"127.0.0.1", "::1", "192.0.2.25"}) {
        SCOPED_TRACE(from);
        for (const std::string_view name : {"mx.example.test", "192.0.2.25", "[192.0.2.25]"})
            EXPECT_EQ(greet(name, dns, from).get(id_of(CoreFact::helo_is_ours)), FactValue(false)) << name;
    }
}

TEST(Helo, ComparesALiteralWithTheClient) {
    TableResolver dns;
    EXPECT_EQ(greet("[203.0.113.9]", dns).get(id_of(CoreFact::helo_literal_matches)), FactValue(true));
    EXPECT_EQ(greet("[203.0.113.10]", dns).get(id_of(CoreFact::helo_literal_matches)), FactValue(false));
    EXPECT_EQ(greet("mx.example", dns).get(id_of(CoreFact::helo_literal_matches)), FactValue(Absent{}));
}

TEST(Helo, ResolvesByEitherFamily) {
    TableResolver dns;
    dns.add_address("four.example", "203.0.113.9");
    dns.add("six.example", DnsType::a, {});
    dns.add_address("six.example", "2001:db8::1");
    dns.fail("six.example", DnsType::a, "");
    dns.fail("broken.example", DnsType::a, "SERVFAIL");
    EXPECT_EQ(greet("four.example", dns).get(id_of(CoreFact::helo_resolves)), FactValue(true));
    EXPECT_EQ(greet("six.example", dns).get(id_of(CoreFact::helo_resolves)), FactValue(true));
    EXPECT_EQ(greet("none.example", dns).get(id_of(CoreFact::helo_resolves)), FactValue(false));
    EXPECT_EQ(
        greet("broken.example", dns).get(id_of(CoreFact::helo_resolves)), FactValue(Unknown{"SERVFAIL"})
    );
    EXPECT_EQ(greet("localhost", dns).get(id_of(CoreFact::helo_resolves)), FactValue(Absent{}));
}

}  // namespace
}  // namespace wicket
