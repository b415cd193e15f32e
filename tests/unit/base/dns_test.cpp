#include "base/dns.hpp"

#include <gtest/gtest.h>

namespace wicket {
namespace {

using namespace std::string_literals;

TEST(Dns, NamesTypesAndStatuses) {
    EXPECT_EQ(to_string(DnsType::aaaa), "AAAA");
    EXPECT_EQ(to_string(static_cast<DnsType>(257)), "TYPE257");
    EXPECT_EQ(to_string(DnsStatus::no_such_name), "no_such_name");
}

TEST(Dns, ShowsRecordsAsPeopleWriteThem) {
    struct Row {
        DnsType type;
        std::string record;
        std::string_view want;
    };
    const Row table[] = {
        {DnsType::a, "\xC0\x00\x02\x01"s, "192.0.2.1"},
        {DnsType::aaaa, "\x20\x01\x0D\xB8"s + std::string(11, '\0') + '\1', "2001:db8::1"},
        {DnsType::a, "abc", "\\# 3 616263"},
        {DnsType::mx, "\x00\x0Amx.example.org"s, "10 mx.example.org"},
        {DnsType::mx, "\x00\x00"s, "0 ."},
        {DnsType::mx, "\x00"s, "\\# 1 00"},
        {DnsType::txt, "v=spf1 -all", "v=spf1 -all"},
        {DnsType::ptr, "host.example", "host.example"},
        {DnsType::tlsa, "\x03\x01"s, "\\# 2 0301"},
        {DnsType::soa, "", "\\# 0"},
    };
    for (const Row& row : table) {
        SCOPED_TRACE(row.want);
        EXPECT_EQ(record_to_text(row.type, row.record), row.want);
    }
}

TEST(Dns, KnowsWhichNamesCanBeAskedFor) {
    const std::string label(63, 'a');
    const auto longest = label + '.' + label + '.' + label + '.' + std::string(61, 'a');
    struct Case {
        std::string name;
        bool want;
    };
    for (const auto& [name, want] : std::vector<Case>{
             {"a",                  true },
             {"_dmarc.example.org", true },
             {"a b\\.c",            true },
             {label,                true },
             {longest,              true },
             {"",                   false},
             {".",                  false},
             {"a.",                 false},
             {".a",                 false},
             {"a..b",               false},
             {label + 'a',          false},
             {longest + 'a',        false},
    }) {
        EXPECT_EQ(is_askable_name(name), want) << name;
    }
}

}  // namespace
}  // namespace wicket
