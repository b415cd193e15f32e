#include "policy/record_query.hpp"

#include "tests/unit/policy/sample_record.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

namespace wicket {
namespace {

TEST(RecordQuery, FindsByEveryField) {
    const StoredRecord stored = stored_sample();
    const std::string id = sample().id.to_string();
    struct Case {
        std::vector<std::string> terms;
        bool want;
    };
    const std::vector<Case> cases = {
        {{},                               true },
        {{"verdict:reject"},               true },
        {{"verdict:junk"},                 true }, // of one recipient
        {{"verdict:accept"},               false},
        {{"-verdict:accept"},              true },
        {{"-verdict:reject"},              false},
        {{"from:*@example.org"},           true },
        {{"from:*@EXAMPLE.org", "to:u@*"}, true },
        {{"from:b@*"},                     false},
        {{"from:<>"},                      false},
        {{"to:postmaster@*"},              true },
        {{"to:x@*"},                       false},
        {{"ip:192.0.2.0/24"},              true },
        {{"ip:192.0.2.7"},                 true },
        {{"ip:192.0.2.*"},                 true },
        {{"ip:198.51.100.0/24"},           false},
        {{"rule:spf"},                     true },
        {{"rule:threshold:*"},             true },
        {{"rule:nothing"},                 false},
        {{"helo:mail.*"},                  true },
        {{"id:" + id},                     true },
        {{"id:" + id.substr(0, 8)},        true },
        {{"id:ZZZ"},                       false},
        {{"stage:end"},                    true },
        {{"stage:rcpt"},                   false},
        {{"fact:spf.result=fail"},         true },
        {{"fact:dkim.pass=list.example"},  true },
        {{"fact:*.result=fail"},           true },
        {{"fact:dnsbl.gone=bad"},          false},
        {{"fact:spf.result=pass"},         false},
        {{"fact:rcpt.address=u@*"},        true },
        {{"verdict:reject", "-rule:spf"},  false},
        {{"score>12"},                     true },
        {{"score>12.5"},                   false},
        {{"score>=12.5"},                  true },
        {{"score<13"},                     true },
        {{"score<=12"},                    false},
        {{"score=12.5"},                   true },
        {{"score:>12"},                    true },
        {{"score:12"},                     false},
        {{"-score>12"},                    false},
        {{"since:90m"},                    true },
        {{"since:30m"},                    false},
        {{"until:30m"},                    true },
        {{"until:90m"},                    false},
        {{"since:2026-06-01"},             true },
        {{"since:2026-06-02"},             false},
        {{"-since:2026-06-02"},            true },
        {{"fact:client.port>40000"},       true },
        {{"fact:client.port>64K"},         false},
        {{"fact:client.port<=40123"},      true },
        {{"fact:time.now<2026-06-02"},     true },
        {{"fact:message.size>1M"},         false},
        {{"-fact:message.size>1M"},        true },
        {{"fact:dnsbl.new>1"},             false},
    };
    for (const auto& [terms, want] : cases) {
        SCOPED_TRACE(terms.empty() ? "" : terms.back());
        const auto query = RecordQuery::parse(terms, sample().time + std::chrono::hours(1));
        ASSERT_TRUE(query) << query.error().message;
        EXPECT_EQ(query->matches(stored), want);
    }
}

TEST(RecordQuery, RefusesWhatItDoesNotKnow) {
    struct Case {
        std::string term;
        std::string_view message;
    };
    const std::vector<Case> cases = {
        {"verdct:reject",       "did you mean \"verdict:\"?"    },
        {"verdict:rejct",       "did you mean \"reject\"?"      },
        {"stage:dta",           "did you mean \"data\"?"        },
        {"verdict",             "has no pattern"                },
        {"example.org",         "FIELD:PATTERN"                 },
        {"ip:192.0.2.0/33",     "no address and no network"     },
        {"fact:spf.result",     "NAME=PATTERN"                  },
        {"fact:spf.reslt=fail", "did you mean \"spf.result\"?"  },
        {"-rul:x",              "did you mean \"rule:\"?"       },
        {"",                    "unknown term"                  },
        {"score",               "has no pattern"                },
        {"score>",              "is no number"                  },
        {"score>x",             "is no number"                  },
        {"scor>5",              "did you mean \"score:\"?"      },
        {"from>5",              "only score compares"           },
        {"since:yesterday",     "neither a duration"            },
        {"fact:spf.result>5",   "spf.result is no number"       },
        {"fact:message.sze>5",  "did you mean \"message.size\"?"},
    };
    for (const auto& [term, message] : cases) {
        SCOPED_TRACE(term);
        const auto query = RecordQuery::parse({term}, WallTime{});
        ASSERT_FALSE(query);
        EXPECT_EQ(query.error().code, ErrorCode::invalid);
        EXPECT_NE(query.error().message.find(message), std::string::npos) << query.error().message;
    }
}

TEST(RecordQuery, KnowsWhenItsRecordsBegin) {
    const WallTime now = sample().time;
    EXPECT_EQ(RecordQuery::parse({"verdict:reject"}, now)->since(), WallTime{});
    EXPECT_EQ(RecordQuery::parse({"since:2h", "since:1h"}, now)->since(), now - std::chrono::hours(1));
    EXPECT_EQ(RecordQuery::parse({"-since:2h"}, now)->since(), WallTime{});
}

}  // namespace
}  // namespace wicket
