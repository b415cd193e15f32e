#include "filters/dnsbl.hpp"

#include "net/delay.hpp"
#include "tests/support/run_awaitable.hpp"
#include "tests/support/table_resolver.hpp"

#include <boost/asio/detached.hpp>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

namespace wicket {
namespace {

constexpr std::uint32_t code(std::uint32_t c, std::uint32_t d) {
    return 127U << 24U | c << 8U | d;
}

DnsList test_list() {
    DnsList list;
    list.name = "test";
    list.zone = "bl.example";
    list.shown_zone = "bl.example";
    list.of = id_of(CoreFact::client_ip);
    list.fact = static_cast<FactId>(CoreFact::count);
    list.listed = {
        {"spam", code(0, 2), code(0, 2)},
        {"bots", code(0, 4), code(0, 7)}
    };
    list.refused = {
        {"refused", code(0, 255), code(0, 255)}
    };
    list.probes = false;
    return list;
}

std::string record(std::string_view address) {
    return std::string(IpAddress::parse(address)->octets());
}

FactValue ask(
    const std::shared_ptr<DnsListHealth>& health,
    const FactValue& value,
    TableResolver& dns,
    const Clock& clock = system_clock()
) {
    const DnsblFilter filter(health);
    const DnsList& list = health->list();
    auto facts = std::make_shared<Facts>();
    facts->set(list.of, value);
    const Observation seen =
        run_awaitable(filter.examine(facts, {dns, clock, clock.steady() + filter.timeout(), nullptr}));
    if (seen.facts.empty()) return Absent{};
    EXPECT_EQ(seen.facts.front().first, list.fact);
    return seen.facts.front().second;
}

FactValue ask(const DnsList& list, const FactValue& value, TableResolver& dns) {
    return ask(std::make_shared<DnsListHealth>(list), value, dns);
}

FactValue ask_about(std::string_view address, TableResolver& dns) {
    return ask(test_list(), *IpAddress::parse(address), dns);
}

TEST(Dnsbl, NamesTheCodesThatHit) {
    struct Case {
        std::string_view name;
        std::vector<std::string> answers;
        TextList want;
    };
    const std::vector<Case> cases = {
        {"one code",                            {"127.0.0.2"},              {{"spam"}, ""}        },
        {"the first of a range",                {"127.0.0.4"},              {{"bots"}, ""}        },
        {"the last of a range",                 {"127.0.0.7"},              {{"bots"}, ""}        },
        {"two codes of one name",               {"127.0.0.5", "127.0.0.6"}, {{"bots"}, ""}        },
        {"several names",                       {"127.0.0.2", "127.0.0.4"}, {{"spam", "bots"}, ""}},
        {"a code that the table does not name", {"127.0.0.8"},              {{}, ""}              },
        {"before the range",                    {"127.0.0.3"},              {{}, ""}              },
    };
    for (const auto& [name, answers, want] : cases) {
        SCOPED_TRACE(name);
        TableResolver dns;
        std::vector<std::string> records;
        for (const std::string& answer : answers)
            records.push_back(record(answer));
        dns.add("9.113.0.203.bl.example", DnsType::a, records);
        EXPECT_EQ(ask_about("203.0.113.9", dns), FactValue(want));
    }
}

TEST(Dnsbl, TakesNoRefusalOrStrangerForAListing) {
    for (const std::string_view answer :
         {"127.255.255.254", "127.255.255.1", "127.0.0.255", "192.0.2.1", "10.0.0.1"}) {
        SCOPED_TRACE(answer);
        TableResolver dns;
        // Beside a listing, so that the strange one must win.
        dns.add("9.113.0.203.bl.example", DnsType::a, {record("127.0.0.2"), record(answer)});
        EXPECT_TRUE(std::holds_alternative<Unknown>(ask_about("203.0.113.9", dns)));
    }
}

TEST(Dnsbl, IsUnknownWhenTheListDoesNotAnswer) {
    TableResolver dns;
    dns.fail("9.113.0.203.bl.example", DnsType::a, "time-out");
    EXPECT_EQ(ask_about("203.0.113.9", dns), FactValue(Unknown{"time-out"}));
}

TEST(Dnsbl, AsksAboutIpv6ByNibbles) {
    TableResolver dns;
    dns.add(
        "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.bl.example",
        DnsType::a,
        {record("127.0.0.2")}
    );
    EXPECT_EQ(ask_about("2001:db8::1", dns), FactValue(TextList{{"spam"}, ""}));
}

TEST(Dnsbl, DoesNotAskAboutPrivateAddresses) {
    for (const std::string_view address :
         {"127.0.0.1",
          "10.1.2.3",
          "172.16.0.1",
          "192.168.1.1",
          "169.254.1.1",
          "100.64.0.1",
          "224.0.0.1",
          "::1",
          "fe80::1",
          "fd00::1"}) {
        SCOPED_TRACE(address);
        TableResolver dns;
        EXPECT_EQ(ask_about(address, dns), FactValue(Absent{}));
        EXPECT_TRUE(dns.asked().empty());
    }
    TableResolver dns;
    DnsList list = test_list();
    list.asks_private = true;
    dns.add("1.0.0.127.bl.example", DnsType::a, {record("127.0.0.2")});
    EXPECT_EQ(ask(list, *IpAddress::parse("127.0.0.1"), dns), FactValue(TextList{{"spam"}, ""}));
}

TEST(Dnsbl, AsksDomainListsAboutDomainsOnly) {
    DnsList list = test_list();
    list.of = id_of(CoreFact::helo_name);
    list.asks_addresses = false;
    TableResolver dns;
    dns.add("bad.example.bl.example", DnsType::a, {record("127.0.0.2")});
    EXPECT_EQ(ask(list, std::string("Bad.Example"), dns), FactValue(TextList{{"spam"}, ""}));
    EXPECT_EQ(ask(list, std::string("[192.0.2.1]"), dns), FactValue(Absent{}));
    EXPECT_EQ(ask(list, std::string("192.0.2.1"), dns), FactValue(Absent{}));
    EXPECT_EQ(dns.asked().size(), 1U);
}

TEST(Dnsbl, PassesOnWhyItsInputIsUnknown) {
    DnsList list = test_list();
    list.of = id_of(CoreFact::client_name);
    list.asks_addresses = false;
    TableResolver dns;
    EXPECT_EQ(ask(list, Unknown{"SERVFAIL"}, dns), FactValue(Unknown{"SERVFAIL"}));
}

std::string trouble_after_probe(TableResolver& dns) {
    DnsList list = test_list();
    list.probes = true;
    DnsListHealth health(list);
    EXPECT_EQ(health.trouble(), "not probed yet");
    run_awaitable(health.probe(dns, system_clock()));
    return health.trouble();
}

TEST(DnsListHealth, ProbesWithTheTestEntries) {
    // RFC 5782 section 5
    TableResolver dns;
    dns.add("2.0.0.127.bl.example", DnsType::a, {record("127.0.0.2")});
    EXPECT_EQ(trouble_after_probe(dns), "");
}

TEST(DnsListHealth, SwitchesOffAListThatListsEverybody) {
    TableResolver dns;
    dns.add("2.0.0.127.bl.example", DnsType::a, {record("127.0.0.2")});
    dns.add("1.0.0.127.bl.example", DnsType::a, {record("127.0.0.2"), record("127.0.0.4")});
    EXPECT_EQ(
        trouble_after_probe(dns),
        "it lists everybody: 127.0.0.1, which must not be listed, is 127.0.0.2, 127.0.0.4"
    );
}

TEST(DnsListHealth, SwitchesOffDeadRefusingAndHijackedLists) {
    TableResolver dead;
    EXPECT_EQ(
        trouble_after_probe(dead), "it is dead: 127.0.0.2, which must be listed, is not (no_such_name)"
    );
    for (const char* const entry : {"2.0.0.127.bl.example", "1.0.0.127.bl.example"}) {
        SCOPED_TRACE(entry);
        TableResolver dns;
        dns.add("2.0.0.127.bl.example", DnsType::a, {record("127.0.0.2")});
        dns.add(entry, DnsType::a, {record("127.255.255.254")});
        EXPECT_EQ(trouble_after_probe(dns), "it refuses to answer us: 127.255.255.254");
        dns.add(entry, DnsType::a, {record("192.0.2.80")});
        EXPECT_EQ(trouble_after_probe(dns), "it is hijacked: 192.0.2.80");
        for (const char* const silence : {"time-out", "SERVFAIL"}) {
            dns.fail(entry, DnsType::a, silence);
            EXPECT_EQ(trouble_after_probe(dns), std::string("it does not answer: ") + silence);
        }
    }
}

TEST(DnsListHealth, NamesTheEntriesOfADomainList) {
    DnsList list = test_list();
    list.probes = true;
    list.asks_addresses = false;
    TableResolver dns;
    dns.add("test.bl.example", DnsType::a, {record("127.0.1.2")});
    dns.add("invalid.bl.example", DnsType::a, {record("127.0.1.2")});
    DnsListHealth health(list);
    run_awaitable(health.probe(dns, system_clock()));
    EXPECT_EQ(health.trouble(), "it lists everybody: invalid, which must not be listed, is 127.0.1.2");
}

TEST(DnsListHealth, TakesAnyCodeOfTheTestEntryForAListing) {
    // Such a table names another code than that of the test entry.
    DnsList list = test_list();
    list.probes = true;
    list.listed = {
        {"drop", code(0, 9), code(0, 9)}
    };
    TableResolver dns;
    dns.add("2.0.0.127.bl.example", DnsType::a, {record("127.0.0.2"), record("127.0.0.10")});
    DnsListHealth health(list);
    run_awaitable(health.probe(dns, system_clock()));
    EXPECT_EQ(health.trouble(), "");
}

TEST(DnsListHealth, TellsSinceWhenItIsInUseOrOff) {
    DnsList list = test_list();
    list.probes = true;
    ManualClock clock(WallTime(std::chrono::hours(1)));
    DnsListHealth health(list);
    EXPECT_EQ(health.standing().since, std::nullopt);
    TableResolver well;
    well.add("2.0.0.127.bl.example", DnsType::a, {record("127.0.0.2")});
    run_awaitable(health.probe(well, clock));
    const WallTime first = clock.wall();
    EXPECT_EQ(health.standing().since, first);
    clock.advance(std::chrono::minutes(10));
    run_awaitable(health.probe(well, clock));
    EXPECT_EQ(health.standing().since, first);
    TableResolver dead;
    run_awaitable(health.probe(dead, clock));
    const WallTime second = clock.wall();
    EXPECT_EQ(health.standing().since, second);
    clock.advance(std::chrono::minutes(1));
    health.distrust("it is hijacked: 192.0.2.80", clock.wall());
    EXPECT_EQ(health.standing().since, second) << "off for another reason";
    EXPECT_EQ(health.trouble(), "it is hijacked: 192.0.2.80");
}

/// Remembers every answer for ever, as a cache does within the time of an answer.
class RememberingResolver : public TableResolver {
public:
    boost::asio::awaitable<DnsAnswer> lookup(DnsQuestion question, SteadyTime deadline) override {
        const auto known = answers_.find(question);
        if (known != answers_.end()) co_return known->second;
        co_return co_await lookup_anew(std::move(question), deadline);
    }
    boost::asio::awaitable<DnsAnswer> lookup_anew(DnsQuestion question, SteadyTime deadline) override {
        DnsAnswer answer = co_await TableResolver::lookup(question, deadline);
        answers_[std::move(question)] = answer;
        co_return answer;
    }

private:
    std::map<DnsQuestion, DnsAnswer> answers_;
};

TEST(DnsListHealth, IsNotDeceivedByTheCache) {
    DnsList list = test_list();
    list.probes = true;
    DnsListHealth health(list);
    RememberingResolver dns;
    dns.add("2.0.0.127.bl.example", DnsType::a, {record("127.0.0.2")});
    run_awaitable(health.probe(dns, system_clock()));
    EXPECT_EQ(health.trouble(), "");
    dns.add("1.0.0.127.bl.example", DnsType::a, {record("127.0.0.2")});
    run_awaitable(health.probe(dns, system_clock()));
    EXPECT_NE(health.trouble().find("everybody"), std::string::npos);
    dns.add("2.0.0.127.bl.example", DnsType::a, {record("127.255.255.254")});
    dns.add("1.0.0.127.bl.example", DnsType::a, {record("127.255.255.254")});
    for (int count = 0; count < 2; ++count) {
        run_awaitable(health.probe(dns, system_clock()));
        EXPECT_NE(health.trouble().find("refuses"), std::string::npos);
    }
}

TEST(DnsListHealth, ComesBackWithTheNextGoodProbe) {
    DnsList list = test_list();
    list.probes = true;
    DnsListHealth health(list);
    TableResolver dead;
    EXPECT_EQ(run_awaitable(health.probe(dead, system_clock())), dns_list_retry_interval);
    TableResolver well;
    well.add("2.0.0.127.bl.example", DnsType::a, {record("127.0.0.2")});
    EXPECT_EQ(
        run_awaitable(health.probe(well, system_clock())), std::chrono::seconds(dns_list_probe_interval)
    );
    EXPECT_EQ(health.trouble(), "");
}

TEST(DnsListHealth, WantsAProbeSoonAfterOneOddAnswer) {
    DnsList list = test_list();
    list.probes = true;
    ManualClock clock(WallTime{});
    DnsListHealth health(list);
    TableResolver well;
    well.add("2.0.0.127.bl.example", DnsType::a, {record("127.0.0.2")});
    EXPECT_TRUE(health.wants_probe(clock.steady()));
    run_awaitable(health.probe(well, clock));
    EXPECT_FALSE(health.wants_probe(clock.steady()));
    clock.advance(dns_list_retry_interval);
    health.distrust("it refuses to answer us", clock.wall());
    EXPECT_NE(health.trouble(), "");
    EXPECT_TRUE(health.wants_probe(clock.steady())) << "long before the next one is due";
    run_awaitable(health.probe(well, clock));
    EXPECT_EQ(health.trouble(), "");
    EXPECT_FALSE(health.wants_probe(clock.steady()));
    clock.advance(dns_list_probe_interval);
    EXPECT_TRUE(health.wants_probe(clock.steady()));
}

// RFC 5782 section 5: ::FFFF:7F00:2 and ::FFFF:7F00:1.
const std::string ipv6_listed = "2.0.0.0.0.0.f.7.f.f.f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.bl.example";
const std::string ipv6_unlisted =
    "1.0.0.0.0.0.f.7.f.f.f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.bl.example";

TEST(DnsListHealth, ProbesIpv6OnItsOwn) {
    struct Case {
        std::string_view name;
        std::vector<std::string> listed;
        std::string trouble;
    };
    const std::vector<Case> cases = {
        {"a list with IPv6",                    {ipv6_listed},                ""         },
        {"a list without IPv6",                 {},                           "dead"     },
        {"a list of everybody who speaks IPv6", {ipv6_listed, ipv6_unlisted}, "everybody"},
    };
    for (const auto& [name, listed, trouble] : cases) {
        SCOPED_TRACE(name);
        TableResolver dns;
        dns.add("2.0.0.127.bl.example", DnsType::a, {record("127.0.0.2")});
        dns.add("9.113.0.203.bl.example", DnsType::a, {record("127.0.0.2")});
        const std::string ipv6_client =
            "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.bl.example";
        dns.add(ipv6_client, DnsType::a, {record("127.0.0.2")});
        for (const std::string& question : listed)
            dns.add(question, DnsType::a, {record("127.0.0.2")});
        DnsList list = test_list();
        list.probes = true;
        const auto health = std::make_shared<DnsListHealth>(list);
        EXPECT_EQ(health->ipv6_trouble(), "not probed yet");
        EXPECT_EQ(
            run_awaitable(health->probe(dns, system_clock())), std::chrono::seconds(dns_list_probe_interval)
        );
        EXPECT_EQ(health->trouble(), "");
        EXPECT_NE(health->ipv6_trouble().find(trouble), std::string::npos) << health->ipv6_trouble();
        EXPECT_EQ(health->ipv6_trouble().empty(), trouble.empty());
        const FactValue hit = TextList{{"spam"}, ""};
        EXPECT_EQ(ask(health, *IpAddress::parse("203.0.113.9"), dns), hit);
        EXPECT_EQ(ask(health, *IpAddress::parse("2001:db8::1"), dns) == hit, trouble.empty());
    }
    TableResolver silent;
    silent.add("2.0.0.127.bl.example", DnsType::a, {record("127.0.0.2")});
    silent.fail(ipv6_listed, DnsType::a, "time-out");
    DnsList list = test_list();
    list.probes = true;
    DnsListHealth health(list);
    EXPECT_EQ(run_awaitable(health.probe(silent, system_clock())), dns_list_retry_interval);
    EXPECT_NE(health.ipv6_trouble().find("time-out"), std::string::npos);
}

std::size_t times_asked(const TableResolver& dns, const std::string& name) {
    return static_cast<std::size_t>(std::ranges::count(dns.asked(), name, &DnsQuestion::name));
}

TEST(DnsListHealth, DoubtsAListThatHits) {
    struct Case {
        std::string_view client;
        std::string question;
        std::string unlisted;
        DnsListHealth::Standing (DnsListHealth::*standing)() const;
    };
    const std::vector<Case> cases = {
        {"203.0.113.9", "9.113.0.203.bl.example",                                      "1.0.0.127.bl.example", &DnsListHealth::standing},
        {"2001:db8::1",
         "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.bl.example", ipv6_unlisted,
         &DnsListHealth::ipv6_standing                                                                                                 },
    };
    for (const auto& [address, question, unlisted, standing] : cases) {
        SCOPED_TRACE(address);
        const IpAddress client = *IpAddress::parse(address);
        RememberingResolver dns;
        for (const std::string& listed : {std::string("2.0.0.127.bl.example"), ipv6_listed, question})
            dns.add(listed, DnsType::a, {record("127.0.0.2")});
        DnsList list = test_list();
        list.probes = true;
        const auto health = std::make_shared<DnsListHealth>(list);
        ManualClock clock(WallTime{});
        run_awaitable(health->probe(dns, clock));
        const FactValue hit = TextList{{"spam"}, ""};
        // Once by the probe, and not for every hit.
        for (const std::size_t count : {2U, 2U, 3U}) {
            EXPECT_EQ(ask(health, client, dns, clock), hit);
            EXPECT_EQ(times_asked(dns, unlisted), count);
            clock.advance(dns_list_doubt_interval / 2);
        }
        // Now it lists the world; the message that shows it is judged as the list says.
        clock.advance(dns_list_doubt_interval);
        dns.add(unlisted, DnsType::a, {record("127.0.0.2")});
        EXPECT_EQ(ask(health, client, dns, clock), hit);
        EXPECT_NE(((*health).*standing)().trouble.find("it lists everybody"), std::string::npos);
        EXPECT_TRUE(std::holds_alternative<Unknown>(ask(health, client, dns, clock)));
        EXPECT_TRUE(health->wants_probe(clock.steady()));
    }
}

TEST(DnsListHealth, ADoubtThatIsNotAnsweredProvesNothing) {
    DnsList list = test_list();
    list.probes = true;
    const auto health = std::make_shared<DnsListHealth>(list);
    TableResolver dns;
    for (const char* const name : {"2.0.0.127.bl.example", "9.113.0.203.bl.example"})
        dns.add(name, DnsType::a, {record("127.0.0.2")});
    run_awaitable(health->probe(dns, system_clock()));
    dns.fail("1.0.0.127.bl.example", DnsType::a, "time-out");
    EXPECT_EQ(ask(health, *IpAddress::parse("203.0.113.9"), dns), FactValue(TextList{{"spam"}, ""}));
    EXPECT_EQ(times_asked(dns, "1.0.0.127.bl.example"), 2U);
    EXPECT_EQ(health->trouble(), "");
}

/// Answers only when it is told.
class HeldResolver : public TableResolver {
public:
    boost::asio::awaitable<DnsAnswer> lookup(DnsQuestion question, SteadyTime deadline) override {
        while (is_held)
            co_await delay(std::chrono::milliseconds(1));
        co_return co_await TableResolver::lookup(std::move(question), deadline);
    }
    bool is_held = true;
};

TEST(DnsListHealth, AsksOneThingAtATime) {
    DnsList list = test_list();
    list.probes = true;
    const auto health = std::make_shared<DnsListHealth>(list);
    HeldResolver dns;
    dns.add("2.0.0.127.bl.example", DnsType::a, {record("127.0.0.2")});
    boost::asio::io_context loop;
    boost::asio::co_spawn(loop, health->probe(dns, system_clock()), boost::asio::detached);
    loop.poll();
    EXPECT_FALSE(health->wants_doubt(system_clock().steady()));
    EXPECT_EQ(run_awaitable(health->probe(dns, system_clock())), dns_list_retry_interval);
    EXPECT_TRUE(dns.asked().empty());
    dns.is_held = false;
    loop.run();
    EXPECT_EQ(dns.asked().size(), 4U);
    EXPECT_EQ(health->trouble(), "");
    EXPECT_TRUE(health->wants_doubt(system_clock().steady()));
}

TEST(Dnsbl, AsksNoMoreThanTheBudgetOfAMessage) {
    const DnsList list = test_list();
    TableResolver dns;
    const DnsblFilter filter(std::make_shared<DnsListHealth>(list));
    auto facts = std::make_shared<Facts>();
    facts->set(list.of, *IpAddress::parse("203.0.113.9"));
    FilterTools tools{dns, system_clock(), system_clock().steady() + filter.timeout(), nullptr};
    tools.list_budget = std::make_shared<ListBudget>();
    const auto examine = [&](Stage stage) {
        tools.stage = stage;
        return run_awaitable(filter.examine(facts, tools)).facts.at(0).second;
    };
    for (std::uint32_t count = 0; count < ListBudget::limit; ++count)
        EXPECT_EQ(examine(count < 20 ? Stage::connect : Stage::mail), FactValue(TextList{}));
    for (const Stage stage : {Stage::mail, Stage::connect})
        EXPECT_EQ(examine(stage), FactValue(Unknown{"60 lists were asked for this message"}));
    EXPECT_EQ(dns.asked().size(), ListBudget::limit);
    // Another message of the connection, whose own questions stay.
    tools.list_budget->forget_from(Stage::mail);
    for (std::uint32_t count = 20; count < ListBudget::limit; ++count)
        EXPECT_EQ(examine(Stage::mail), FactValue(TextList{}));
    EXPECT_TRUE(std::holds_alternative<Unknown>(examine(Stage::mail)));
}

TEST(Dnsbl, TellsNobodyTheCustomersKey) {
    DnsList list = test_list();
    list.zone = "abcdefghijklmnopqrstuvwxyz.zen.dq.spamhaus.net";
    list.shown_zone = "(key).zen.dq.spamhaus.net";
    TableResolver dns;
    dns.add("9.113.0.203." + list.zone, DnsType::a, {record("127.0.0.2")});
    auto facts = std::make_shared<Facts>();
    facts->set(list.of, *IpAddress::parse("203.0.113.9"));
    const DnsblFilter filter(std::make_shared<DnsListHealth>(list));
    const Observation seen = run_awaitable(
        filter.examine(facts, {dns, system_clock(), system_clock().steady() + filter.timeout(), nullptr})
    );
    EXPECT_EQ(seen.facts.front().second, FactValue(TextList{{"spam"}, ""}));
    ASSERT_EQ(seen.lookups.size(), 1U);
    EXPECT_EQ(seen.lookups.front().question.name, "9.113.0.203.(key).zen.dq.spamhaus.net");
    // Nor do the words of a failure, which may hold the name.
    dns.fail(
        "8.113.0.203." + list.zone,
        DnsType::a,
        "bogus: validation failure <8.113.0.203." + list.zone + ". A IN>"
    );
    auto others = std::make_shared<Facts>();
    others->set(list.of, *IpAddress::parse("203.0.113.8"));
    const Observation failed = run_awaitable(
        filter.examine(others, {dns, system_clock(), system_clock().steady() + filter.timeout(), nullptr})
    );
    EXPECT_EQ(failed.facts.front().second, FactValue(Unknown{"bogus"}));
    EXPECT_EQ(failed.lookups.front().answer.reason, "bogus");
}

TEST(DnsListHealth, AListThatIsOffIsNotAsked) {
    DnsList list = test_list();
    list.probes = true;
    TableResolver dns;
    dns.add("9.113.0.203.bl.example", DnsType::a, {record("127.0.0.2")});
    EXPECT_TRUE(std::holds_alternative<Unknown>(ask(list, *IpAddress::parse("203.0.113.9"), dns)));
    EXPECT_TRUE(dns.asked().empty());
}

}  // namespace
}  // namespace wicket
