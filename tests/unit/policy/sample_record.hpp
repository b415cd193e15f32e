// A record with everything in it that one can have, for the tests of what reads records. One thread.
#pragma once

#include "policy/record.hpp"
#include "policy/time_text.hpp"

#include <memory>
#include <string>
#include <string_view>

namespace wicket {

inline const FactDictionary& dictionary() {
    static const FactDictionary made = [] {
        FactDictionary facts;
        facts.declare({
            "dnsbl.zen", FactType::texts, Stage::connect, "dnsbl", "", {"sbl", "xbl"}
        });
        facts.declare({"dnsbl.slow", FactType::texts, Stage::connect, "dnsbl", "", {"x"}});
        facts.declare({"test.real", FactType::real, Stage::connect, "test", ""});
        facts.declare({
            "later.result", FactType::word, Stage::end, "later", "", {"pass", "temperror"},
                 "temperror"
        });
        return facts;
    }();
    return made;
}

inline FactId fact(std::string_view name) {
    return dictionary().find(name).value();
}

/// A refusal at the end of data with everything in it that a record can have.
inline DecisionRecord sample() {
    DecisionRecord record;
    record.time = *parse_time("2026-06-01T12:00:00.123456Z");
    record.id = RecordId::make(record.time, 7, 0x12345678);
    record.client_ip = *IpAddress::parse("192.0.2.7");
    record.client_port = 40123;
    record.client_name = "mail.example.org";
    record.helo = "mail.example.org";
    record.tls_version = "TLSv1.3";
    record.tls_cipher = "TLS_AES_256_GCM_SHA384";
    record.listener = "smtp 127.0.0.1:2525";
    record.from = "a@example.org";
    record.has_from = true;
    record.size = 10240;
    record.message_sha256 = std::string(32, '\x5A');
    Verdict& verdict = record.verdict;
    verdict = {
        Action::reject,
        Stage::end,
        "threshold:reject",
        {550, "5.7.1", "This message has 12.5 points"},
        12.5,
        {},
        {},
        false
    };
    verdict.hits = {
        {"spamhaus-zen", 5,   RuleMode::enforce, Action::none  },
        {"spf",          7.5, RuleMode::enforce, Action::none  },
        {"strict",       0,   RuleMode::shadow,  Action::reject}
    };
    verdict.unknown_rules = {"slow-list"};
    verdict.added_headers = {
        {"X-A", "b"}
    };
    record.reply = {550, "5.7.1", "This message has 12.5 points id=" + record.id.to_string()};
    auto facts = std::make_shared<Facts>();
    facts->set(id_of(CoreFact::rcpt_address), std::string("u@example.test"));
    RecordRecipient first{"u@example.test", verdict, "", facts};
    RecordRecipient second{"postmaster@example.test", {}, "Junk", nullptr};
    second.verdict = {
        Action::junk,
        Stage::end,
        "threshold:reject",
        {250, "2.0.0", "Message accepted"},
        12.5,
        verdict.hits,
        {},
        true
    };
    record.recipients = {first, second};
    Facts& all = record.facts;
    all.set(id_of(CoreFact::time_now), record.time);
    all.set(id_of(CoreFact::client_ip), record.client_ip);
    all.set(id_of(CoreFact::client_port), std::int64_t{40123});
    all.set(id_of(CoreFact::client_name), std::string("mail.example.org"));
    all.set(id_of(CoreFact::iprev_result), std::string("temperror"));
    all.set(id_of(CoreFact::spf_result), std::string("fail"));
    all.set(id_of(CoreFact::mail_is_null), false);
    all.set(id_of(CoreFact::mail_from), std::string(""));
    all.set(id_of(CoreFact::helo_resolves), Unknown{"time-out"});
    all.set(id_of(CoreFact::header_missing), TextList{});
    all.set(
        id_of(CoreFact::dkim_pass),
        TextList{
            {"example.org", "list.example"},
            ""
    }
    );
    all.set(
        id_of(CoreFact::dkim_results),
        ResultList{
            {{{"domain", "example.org"}, {"result", "pass"}}, {{"domain", "x.example"}, {"result", "fail"}}},
            "key: time-out"
    }
    );
    all.set(fact("dnsbl.zen"), TextList{{"xbl"}, ""});
    all.set(fact("dnsbl.slow"), TextList{{}, "time-out"});
    all.set(fact("test.real"), -1.25);
    all.set(fact("later.result"), std::string("temperror"));
    record.lookups = {
        {{"7.2.0.192.zen.example", DnsType::a},
         {DnsStatus::found, {std::string("\x7F\0\0\4", 4)}, 300, false, 1500, ""}                           },
        {{"7.2.0.192.slow.example", DnsType::a}, {DnsStatus::try_again, {}, 0, false, 3'000'000, "time-out"}},
        {{"example.org", DnsType::txt},          {DnsStatus::found, {"v=spf1 -all"}, 60, true, 0, ""}       },
    };
    record.events = {
        {1500,   Stage::connect, "dnsbl.zen: xbl"},
        {90'000, Stage::end,     "dkim: pass"    }
    };
    record.rules_hash = std::string(64, 'a');
    record.scan_passes = 1;
    return record;
}

inline StoredRecord stored_sample() {
    return decode_record(encode_record(sample(), dictionary())).value();
}

}  // namespace wicket
