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
        {{"label:none"},                   true },
        {{"label:NONE"},                   true },
        {{"released:NO"},                  true },
        {{"released:Yes"},                 false},
        {{"label:spam"},                   false},
        {{"label:*"},                      false},
        {{"-label:ham"},                   true },
        {{"released:no"},                  true },
        {{"released:yes"},                 false},
        {{"released:*"},                   false},
        {{"-released:yes"},                true },
    };
    for (const auto& [terms, want] : cases) {
        SCOPED_TRACE(terms.empty() ? "" : terms.back());
        const auto query = RecordQuery::parse(terms, sample().time + std::chrono::hours(1));
        ASSERT_TRUE(query) << query.error().message;
        EXPECT_EQ(query->matches(stored), want);
    }
}

TEST(RecordQuery, FindsByWhatPeopleDidSince) {
    StoredRecord stored = stored_sample();
    stored.record.label = RecordMark{"ham", "ann", {}, {}};
    stored.record.released = RecordMark{
        "released", "joe", {},
          {"alice@example.test", "bob@example.test"}
    };
    struct Case {
        std::string term;
        bool want;
    };
    const std::vector<Case> cases = {
        {"label:ham",        true },
        {"label:HAM",        true },
        {"label:*",          true },
        {"label:spam",       false},
        {"label:none",       false},
        {"-label:ham",       false},
        {"released:yes",     true },
        {"released:no",      false},
        {"-released:no",     true },
        {"released:joe",     true },
        {"released:ann",     false},
        {"released:bob@*",   true },
        {"released:carol@*", false},
    };
    for (const auto& [term, want] : cases) {
        SCOPED_TRACE(term);
        const auto query = RecordQuery::parse({term, "verdict:reject"}, sample().time);
        ASSERT_TRUE(query) << query.error().message;
        EXPECT_TRUE(query->asks_for_marks());
        EXPECT_TRUE(query->matches_but_for_marks(stored));
        EXPECT_EQ(query->matches(stored), want);
    }
    const auto other = RecordQuery::parse({"label:ham", "verdict:accept"}, sample().time);
    EXPECT_FALSE(other->matches_but_for_marks(stored));
    EXPECT_FALSE(RecordQuery::parse({"verdict:accept"}, sample().time)->asks_for_marks());
}

TEST(RecordQuery, FindsADomainHoweverItIsWritten) {
    for (const std::string domain : {"b\u00fccher.example", "B\u00dcCHER.example", "xn--bcher-kva.example"}) {
        StoredRecord stored = stored_sample();
        stored.record.from = "j\u00fcrgen@" + domain;
        stored.record.recipients.front().address = "u@" + domain;
        for (const std::string term :
             {"from:*@xn--bcher-kva.example",
              "from:*@b\u00fccher.example",
              "from:j\u00fcrgen@b\u00fccher.*",
              "to:u@XN--bcher-kva.example",
              "to:*@B\u00dccher.example"})
            EXPECT_TRUE(RecordQuery::parse({term}, sample().time)->matches(stored)) << term << ' ' << domain;
        for (const std::string term : {"from:*@bucher.example", "from:jurgen@*", "to:*@b\u00fccher.test"})
            EXPECT_FALSE(RecordQuery::parse({term}, sample().time)->matches(stored)) << term << ' ' << domain;
    }
}

TEST(RecordQuery, APatternOfLabelsIsNotAboutThoseWithout) {
    for (const char* term : {"label:n*", "label:?one", "label:hams"})
        EXPECT_FALSE(RecordQuery::parse({term}, sample().time)) << term;
}

TEST(RecordQuery, SaysWhatItPinsDown) {
    using What = QueryPin::What;
    struct Case {
        std::string term;
        std::vector<std::pair<What, std::vector<std::string>>> want;
    };
    const std::vector<Case> cases = {
        {"from:a@example.org",         {{What::sender_domain, {"example.org"}}}                                 },
        {"from:*@Example.org",         {{What::sender_domain, {"example.org"}}}                                 },
        {"from:a@b\u00fccher.example",
         {{What::sender_domain, {"xn--bcher-kva.example", "b\u00fccher.example"}}}                              },
        {"to:a@B\u00fccher.example",   {{What::recipient, {"a@xn--bcher-kva.example", "a@B\u00fccher.example"}}}
        },
        {"from:a@b@example.org",       {{What::sender_domain, {"example.org"}}}                                 },
        {"from:postmaster",            {{What::sender_domain, {"postmaster"}}}                                  },
        {"from:*@*.org",               {}                                                                       },
        {"from:*example.org",          {}                                                                       },
        {"from:a@",                    {}                                                                       },
        {"from:<>",                    {}                                                                       },
        {"-from:a@example.org",        {}                                                                       },
        {"to:u@example.test",          {{What::recipient, {"u@example.test"}}}                                  },
        {"to:*@example.test",          {}                                                                       },
        {"rule:spf",                   {{What::rule, {"spf"}}}                                                  },
        {"rule:threshold:*",           {}                                                                       },
        {"rule:",                      {}                                                                       },
        {"ip:192.0.2.7",               {{What::network, {"192.0.2.0/24"}}}                                      },
        {"ip:192.0.2.0/24",            {{What::network, {"192.0.2.0/24"}}}                                      },
        {"ip:192.0.2.0/23",            {{What::network, {"192.0.2.0/24", "192.0.3.0/24"}}}                      },
        {"ip:192.0.0.0/16",            {}                                                                       },
        {"ip:192.0.2.*",               {}                                                                       },
        {"ip:unknown",                 {{What::network, {"0.0.0.0/24"}}}                                        },
        {"ip:2001:db8::1",             {{What::network, {"2001:db8::/64"}}}                                     },
        {"ip:2001:db8::/63",           {{What::network, {"2001:db8::/64", "2001:db8:0:1::/64"}}}                },
        {"ip:2001:db8::/32",           {}                                                                       },
        {"verdict:reject",             {}                                                                       },
        {"label:ham",                  {{What::label, {}}}                                                      },
        {"label:none",                 {}                                                                       },
        {"-label:ham",                 {}                                                                       },
        {"released:yes",               {{What::release, {}}}                                                    },
        {"released:no",                {}                                                                       },
    };
    for (const auto& [term, want] : cases) {
        SCOPED_TRACE(term);
        const auto query = RecordQuery::parse({term}, sample().time);
        ASSERT_TRUE(query) << query.error().message;
        std::vector<std::pair<What, std::vector<std::string>>> found;
        for (const QueryPin& pin : query->pins())
            found.emplace_back(pin.what, pin.values);
        EXPECT_EQ(found, want);
    }
    EXPECT_EQ(RecordQuery::parse({"rule:spf", "to:u@x.test"}, sample().time)->pins().size(), 2U);
}

TEST(RecordQuery, SaysWhichIdsMayMatch) {
    const WallTime now = sample().time;
    const auto ids = [&](std::vector<std::string> terms) { return RecordQuery::parse(terms, now)->ids(); };
    EXPECT_EQ(ids({}).first, RecordId());
    EXPECT_FALSE(ids({}).end);
    EXPECT_EQ(ids({"since:2h"}).first, RecordId::first_at(now - std::chrono::hours(2)));
    const WallTime before = now - std::chrono::hours(1);
    EXPECT_EQ(ids({"until:1h"}).end, RecordId::first_at(before + std::chrono::milliseconds(1)));
    EXPECT_FALSE(ids({"-until:1h"}).end);
    const std::string id = sample().id.to_string();
    for (std::size_t length = 1; length < RecordId::text_length; ++length) {
        const QueryIds some = ids({"id:" + id.substr(0, length)});
        ASSERT_TRUE(some.end);
        EXPECT_LE(some.first, sample().id);
        EXPECT_GT(*some.end, sample().id);
        EXPECT_TRUE(some.first.to_string().starts_with(id.substr(0, length)));
        EXPECT_FALSE(some.end->to_string().starts_with(id.substr(0, length)));
    }
    EXPECT_EQ(ids({"id:" + id}).first, RecordId());
    EXPECT_EQ(ids({"id:VVV"}).first.to_string(), "VVV00000000000000000");
    EXPECT_FALSE(ids({"id:VVV"}).end);
    EXPECT_EQ(ids({"id:0v9"}).end->to_string(), "0VA00000000000000000");
    EXPECT_EQ(ids({"id:x"}).first, RecordId());  // no digit of an id: nothing has it
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
        {"label:hem",           "did you mean \"ham\"?"         },
        {"lable:ham",           "did you mean \"label:\"?"      },
        {"released:",           "wants yes, no"                 },
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
