#include "net/dns_message.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace wicket {
namespace {

std::string number(unsigned value, int octets = 2) {
    std::string out;
    for (int shift = 8 * (octets - 1); shift >= 0; shift -= 8) {
        out += static_cast<char>(value >> static_cast<unsigned>(shift) & 255U);
    }
    return out;
}

std::string wire(std::string_view name) {
    std::string out;
    while (!name.empty()) {
        const auto dot = std::min(name.find('.'), name.size());
        out += static_cast<char>(dot);
        out += name.substr(0, dot);
        name.remove_prefix(std::min(dot + 1, name.size()));
    }
    return out + '\0';
}

std::string record(std::string_view owner, DnsType type, unsigned ttl, std::string_view data) {
    return wire(owner) + number(static_cast<unsigned>(type)) + number(1) + number(ttl, 4) +
           number(static_cast<unsigned>(data.size())) + std::string(data);
}

// The question is always for a.test.
std::string message(
    unsigned rcode, std::vector<std::string> answers, std::vector<std::string> authorities = {}
) {
    std::string out = number(7) + number(0x8180U | rcode) + number(1) +
                      number(static_cast<unsigned>(answers.size())) +
                      number(static_cast<unsigned>(authorities.size())) + number(0);
    out += wire("a.test") + number(1) + number(1);
    for (const auto& part : answers)
        out += part;
    for (const auto& part : authorities)
        out += part;
    return out;
}

std::string soa(unsigned ttl, unsigned minimum) {
    const auto data = wire("ns.test") + wire("hostmaster.test") + number(1, 4) + number(2, 4) + number(3, 4) +
                      number(4, 4) + number(minimum, 4);
    return record("test", DnsType::soa, ttl, data);
}

TEST(DnsMessage, ReadsAnswersOfAllKindsAndRefusesNonsense) {
    struct Case {
        std::string name;
        DnsType type;
        std::string input;
        DnsStatus status;
        std::vector<std::string> records;
        std::uint32_t ttl;
    };
    const std::string four("\x7F\0\0\x02", 4);
    const std::string six(16, '\x20');
    const std::string pointer("\xC0\x0C", 2);  // to a.test in the question
    const auto tail = number(1) + number(1) + number(60, 4) + number(4) + four;
    std::vector<std::string> many;
    for (unsigned i = 0; i < 100; ++i)
        many.push_back(record("a.test", DnsType::a, 60, number(i, 4)));
    std::vector<std::string> first;
    for (unsigned i = 0; i < dns_records_limit; ++i)
        first.push_back(number(i, 4));
    std::vector<std::string> circle = {
        record("a.test", DnsType::cname, 9, wire("b.test")),
        record("b.test", DnsType::cname, 9, wire("a.test"))
    };
    const std::vector<Case> cases = {
        {"A", DnsType::a, message(0, {record("a.test", DnsType::a, 60, four)}), DnsStatus::found, {four}, 60},
        {"owner in another case",
         DnsType::a,
         message(0, {record("A.TesT", DnsType::a, 60, four)}),
         DnsStatus::found,
         {four},
         60},
        {"owner compressed", DnsType::a, message(0, {pointer + tail}), DnsStatus::found, {four}, 60},
        {"the least TTL counts",
         DnsType::a,
         message(0, {record("a.test", DnsType::a, 60, four), record("a.test", DnsType::a, 5, four)}),
         DnsStatus::found,
         {four, four},
         5},
        {"a TTL with the sign bit is 0",
         DnsType::a,
         message(0, {record("a.test", DnsType::a, 0x80000001U, four)}),
         DnsStatus::found,
         {four},
         0},
        {"AAAA",
         DnsType::aaaa,
         message(0, {record("a.test", DnsType::aaaa, 60, six)}),
         DnsStatus::found,
         {six},
         60},
        {"TXT strings are joined",
         DnsType::txt,
         message(
             0, {record(
                 "a.test",
                 DnsType::txt,
                 60,
                 "\x03"
                 "abc\x02"
                 "de"
             )}
         ), DnsStatus::found,
         {"abcde"},
         60},
        {"TXT empty",
         DnsType::txt,
         message(0, {record("a.test", DnsType::txt, 60, std::string(1, '\0'))}),
         DnsStatus::found,
         {""},
         60},
        {"PTR in lower case, compressed",
         DnsType::ptr,
         message(0, {record("a.test", DnsType::ptr, 60, "\x02MX" + pointer)}),
         DnsStatus::found,
         {"mx.a.test"},
         60},
        {"PTR with a dot inside a label is left out",
         DnsType::ptr,
         message(
             0, {record(
                 "a.test",
                 DnsType::ptr,
                 60,
                 std::string(
                     "\x03"
                     "a.b\0",
                     5
                 )
             )}
         ), DnsStatus::no_data,
         {},
         0},
        {"MX",
         DnsType::mx,
         message(0, {record("a.test", DnsType::mx, 60, number(10) + wire("mx.test"))}),
         DnsStatus::found,
         {number(10) + "mx.test"},
         60},
        {"null MX",
         DnsType::mx,
         message(0, {record("a.test", DnsType::mx, 60, number(0) + wire(""))}),
         DnsStatus::found,
         {number(0)},
         60},
        {"through an alias",
         DnsType::a,
         message(
             0, {record("a.test", DnsType::cname, 9, wire("b.test")), record("b.test", DnsType::a, 60, four)}
         ), DnsStatus::found,
         {four},
         9},
        {"the alias itself",
         DnsType::cname,
         message(0, {record("a.test", DnsType::cname, 9, wire("b.test"))}),
         DnsStatus::found,
         {"b.test"},
         9},
        {"aliases in a circle", DnsType::a, message(0, circle), DnsStatus::no_data, {}, 0},
        {"another name's record",
         DnsType::a,
         message(0, {record("b.test", DnsType::a, 60, four)}),
         DnsStatus::no_data,
         {},
         0},
        {"no data", DnsType::a, message(0, {}, {soa(100, 60)}), DnsStatus::no_data, {}, 60},
        {"no such name", DnsType::a, message(3, {}, {soa(30, 60)}), DnsStatus::no_such_name, {}, 30},
        {"no such name without an SOA", DnsType::a, message(3, {}), DnsStatus::no_such_name, {}, 0},
        {"SERVFAIL", DnsType::a, message(2, {}), DnsStatus::try_again, {}, 0},
        {"too many records", DnsType::a, message(0, many), DnsStatus::found, first, 60},
        {"A of five octets",
         DnsType::a,
         message(0, {record("a.test", DnsType::a, 60, four + "x")}),
         DnsStatus::try_again,
         {},
         0},
        {"TXT longer than its data",
         DnsType::txt,
         message(
             0, {record(
                 "a.test",
                 DnsType::txt,
                 60,
                 "\x09"
                 "abc"
             )}
         ), DnsStatus::try_again,
         {},
         0},
        {"PTR with octets after the name",
         DnsType::ptr,
         message(0, {record("a.test", DnsType::ptr, 60, wire("b.test") + "x")}),
         DnsStatus::try_again,
         {},
         0},
        {"MX of one octet",
         DnsType::mx,
         message(0, {record("a.test", DnsType::mx, 60, "x")}),
         DnsStatus::try_again,
         {},
         0},
        {"a pointer to itself",
         DnsType::a,
         message(0, {std::string("\xC0\x18", 2) + tail}),
         DnsStatus::try_again,
         {},
         0},
        {"a pointer forward",
         DnsType::a,
         message(0, {std::string("\xC0\xFF", 2) + tail}),
         DnsStatus::try_again,
         {},
         0},
        {"an unknown kind of label",
         DnsType::a,
         message(0, {std::string("\x80", 1) + tail}),
         DnsStatus::try_again,
         {},
         0},
        {"nothing", DnsType::a, "", DnsStatus::try_again, {}, 0},
        {"a header alone",
         DnsType::a,
         number(7) + number(0x8180) + number(1) + number(1) + number(0, 4),
         DnsStatus::try_again,
         {},
         0},
    };
    for (const auto& [name, type, input, status, records, ttl] : cases) {
        SCOPED_TRACE(name);
        const auto answer = parse_dns_answer({"a.test", type}, input);
        EXPECT_EQ(answer.status, status) << answer.reason;
        EXPECT_EQ(answer.records, records);
        EXPECT_EQ(answer.ttl_seconds, ttl);
        EXPECT_EQ(answer.reason.empty(), status != DnsStatus::try_again);
    }
}

TEST(DnsMessage, TakesEveryCutOfAnAnswerForNonsenseOrForLess) {
    const auto whole = message(0, {record("a.test", DnsType::mx, 60, number(10) + wire("mx.test"))});
    for (std::size_t cut = 0; cut < whole.size(); ++cut) {
        EXPECT_EQ(
            parse_dns_answer({"a.test", DnsType::mx}, std::string_view(whole).substr(0, cut)).status,
            DnsStatus::try_again
        );
    }
}

TEST(DnsMessage, EscapesWhatAZoneFileWould) {
    EXPECT_EQ(to_master_form("_a-1.example.org"), "_a-1.example.org.");
    EXPECT_EQ(to_master_form(std::string_view("a\\b c\0\xFF.d", 9)), "a\\092b\\032c\\000\\255.d.");
}

}  // namespace
}  // namespace wicket
