#include "filters/helo.hpp"
#include "filters/iprev.hpp"
#include "tests/support/run_awaitable.hpp"
#include "tests/support/table_resolver.hpp"
#include "tests/support/text_fact.hpp"

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

TEST(Iprev, LooksAtTenNamesAndDoesNotSayFailOfMore) {
    struct Case {
        std::size_t count;
        std::string_view want;
    };
    for (const auto& [count, want] : {
             Case{10,   "fail"     },
             Case{11,   "temperror"},
             Case{1000, "temperror"}
    }) {
        SCOPED_TRACE(count);
        TableResolver dns;
        std::vector<std::string> names;
        for (std::size_t i = 0; i < count; ++i)
            names.push_back("n" + std::to_string(i) + ".example");
        dns.add("9.113.0.203.in-addr.arpa", DnsType::ptr, names);
        const Facts facts = observe(IprevFilter(), client("203.0.113.9"), dns);
        EXPECT_EQ(dns.asked().size(), 11U);
        EXPECT_EQ(facts.get(id_of(CoreFact::iprev_result)), text(want));
        const bool is_whole = count <= 10;
        EXPECT_EQ(std::get<TextList>(facts.get(id_of(CoreFact::iprev_names))).missing.empty(), is_whole);
        EXPECT_EQ(std::holds_alternative<Unknown>(facts.get(id_of(CoreFact::client_name))), !is_whole);
    }
}

TEST(Iprev, ConfirmsTheTenthName) {
    TableResolver dns;
    std::vector<std::string> names;
    for (int i = 0; i < 20; ++i)
        names.push_back("n" + std::to_string(i) + ".example");
    dns.add("9.113.0.203.in-addr.arpa", DnsType::ptr, names);
    dns.add_address("n9.example", "203.0.113.9");
    const Facts facts = observe(IprevFilter(), client("203.0.113.9"), dns);
    EXPECT_EQ(facts.get(id_of(CoreFact::iprev_result)), text("pass"));
    EXPECT_EQ(facts.get(id_of(CoreFact::client_name)), text("n9.example"));
}

TEST(Iprev, IsUnknownOfAClientWhoseAddressIsUnknown) {
    TableResolver dns;
    Facts given;
    EXPECT_EQ(observe(IprevFilter(), given, dns), Facts()) << "nobody has no reverse name";
    given.set(id_of(CoreFact::client_ip), Unknown{"not for now"});
    const Facts facts = observe(IprevFilter(), given, dns);
    EXPECT_EQ(facts.get(id_of(CoreFact::iprev_result)), text("temperror"));
    EXPECT_EQ(facts.get(id_of(CoreFact::client_name)), FactValue(Unknown{"not for now"}));
    EXPECT_EQ(facts.get(id_of(CoreFact::iprev_names)), FactValue(Unknown{"not for now"}));
}

TEST(Iprev, NotesWhatItAsksWhileItAsks) {
    TableResolver dns;
    dns.add("9.113.0.203.in-addr.arpa", DnsType::ptr, {"liar.example"});
    const auto evidence = std::make_shared<DnsEvidence>();
    const Observation seen = run_awaitable(IprevFilter().examine(
        std::make_shared<const Facts>(client("203.0.113.9")),
        {dns, system_clock(), SteadyTime::max(), nullptr, evidence}
    ));
    EXPECT_EQ(evidence->so_far(system_clock().steady()), seen.lookups);
    EXPECT_EQ(seen.lookups.size(), 2U);
}

TEST(DnsEvidence, TakesAnOpenQuestionForAFailureAfterTheTimeSoFar) {
    DnsEvidence evidence;
    const SteadyTime start = SteadyTime() + std::chrono::hours(1);
    evidence.asked({"a.example", DnsType::a}, start);
    evidence.asked({"b.example", DnsType::a}, start + std::chrono::seconds(1));
    evidence.answered(
        {"a.example", DnsType::a}, {.status = DnsStatus::no_data, .records = {}, .micros = 7, .reason = ""}
    );
    evidence.answered({"never.asked", DnsType::a}, {});
    const auto rows = evidence.so_far(start + std::chrono::seconds(3));
    ASSERT_EQ(rows.size(), 2U);
    EXPECT_EQ(rows[0].answer.status, DnsStatus::no_data);
    EXPECT_EQ(rows[0].answer.micros, 7U);
    EXPECT_EQ(rows[1].question.name, "b.example");
    EXPECT_EQ(rows[1].answer.status, DnsStatus::try_again);
    EXPECT_EQ(rows[1].answer.micros, 2'000'000U);
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
    const std::size_t asked = dns.asked().size();
    Facts seen = observe(HeloFilter({"mx.example.test"}), facts, dns);
    EXPECT_EQ(dns.asked().size(), asked) << "the form needs no DNS";
    const FactId resolves = id_of(CoreFact::helo_resolves);
    seen.set(resolves, observe(HeloDnsFilter(), facts, dns).get(resolves));
    return seen;
}

Facts greet_from(FactValue client_ip, std::string_view name) {
    TableResolver dns;
    Facts facts;
    facts.set(id_of(CoreFact::client_ip), std::move(client_ip));
    facts.set(id_of(CoreFact::listener_address), *IpAddress::parse("192.0.2.25"));
    facts.set(id_of(CoreFact::helo_name), std::string(name));
    return observe(HeloFilter({"mx.example.test"}), facts, dns);
}

TEST(Helo, TellsTheFormWithoutTheClientsAddress) {
    struct Case {
        FactValue client;
        std::string_view name;
        FactValue form, is_ours, literal_matches;
    };
    const Unknown unknown{"not for now"};
    const std::vector<Case> cases = {
        {unknown,  "mx.example.org",  text("fqdn"),    false,    Absent{}},
        {unknown,  "mx.example.test", text("fqdn"),    unknown,  Absent{}},
        {unknown,  "[203.0.113.9]",   text("literal"), false,    unknown },
        {Absent{}, "mx.example.org",  text("fqdn"),    false,    Absent{}},
        {Absent{}, "mx.example.test", text("fqdn"),    Absent{}, Absent{}},
        {Absent{}, "[203.0.113.9]",   text("literal"), false,    Absent{}},
    };
    for (const auto& [from, name, form, is_ours, literal_matches] : cases) {
        SCOPED_TRACE(fact_to_text(from) + " " + std::string(name));
        const Facts facts = greet_from(from, name);
        EXPECT_EQ(facts.get(id_of(CoreFact::helo_form)), form);
        EXPECT_EQ(facts.get(id_of(CoreFact::helo_is_ours)), is_ours);
        EXPECT_EQ(facts.get(id_of(CoreFact::helo_literal_matches)), literal_matches);
    }
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
