#include "policy/exception.hpp"

#include "policy/exception_trial.hpp"
#include "policy/time_text.hpp"

#include <gtest/gtest.h>

namespace wicket {
namespace {

std::shared_ptr<const RuleSet> rules_from(const std::vector<RuleSource>& sources) {
    Diagnostics diagnostics;
    auto rules = recompile_rules(sources, diagnostics);
    for (const Diagnostic& one : diagnostics.sorted())
        if (one.severity == Severity::error) ADD_FAILURE() << render(one);
    return rules;
}

const std::vector<RuleSource>& refusing_rules() {
    static const std::vector<RuleSource> sources = {
        {"10.toml",
         "[[rule]]\nid = \"port\"\nwhen = 'client.port == 7'\nthen = \"reject\"\nat = \"connect\"\n" },
        {"20.toml",
         "[[rule]]\nid = \"spf\"\npoints = { 'spf.result == fail' = 20, 'message.size > 10' = 20 }\n"},
    };
    return sources;
}

/// What was refused at `stage`, with `facts` set by `fill`.
StoredRecord refused(const RuleSet& rules, Stage stage, const std::function<void(Facts&)>& fill) {
    StoredRecord stored;
    stored.dictionary = rules.dictionary();
    DecisionRecord& record = stored.record;
    record.time = *parse_time("2026-06-01T12:00:00Z");
    record.id = RecordId::make(record.time, 7, 7);
    record.from = "ann@example.org";
    record.has_from = true;
    Facts& facts = record.facts;
    facts.set(id_of(CoreFact::client_ip), *IpAddress::parse("192.0.2.7"));
    facts.set(id_of(CoreFact::mail_from), record.from);
    facts.set(id_of(CoreFact::mail_domain), std::string("example.org"));
    facts.set(id_of(CoreFact::rcpt_address), std::string("u@example.test"));
    facts.set(id_of(CoreFact::rcpt_domain), std::string("example.test"));
    fill(facts);
    record.verdict = decide(rules, facts, stage);
    record.recipients = {
        {"u@example.test", record.verdict, "", nullptr}
    };
    return stored;
}

std::vector<ExceptionCandidate> candidates_of(const StoredRecord& stored, const RuleSet& rules) {
    const auto subjects = subjects_of(stored, rules.dictionary());
    return exception_candidates(stored, subjects.front());
}

constexpr std::chrono::year_month_day expiry{
    std::chrono::year(2026), std::chrono::September, std::chrono::day(1)
};

TEST(Exception, CandidatesComeInTheOrderOfTheirProof) {
    const auto rules = rules_from(refusing_rules());
    const StoredRecord stored = refused(*rules, Stage::end, [](Facts& facts) {
        facts.set(id_of(CoreFact::message_size), std::int64_t{100});
        facts.set(id_of(CoreFact::spf_result), std::string("pass"));
        facts.set(id_of(CoreFact::from_domain), std::string("mail.example.org"));
        facts.set(
            id_of(CoreFact::dkim_pass),
            TextList{
                {"big-sender.example", "example.org"},
                ""
        }
        );
    });
    const auto found = candidates_of(stored, *rules);
    ASSERT_EQ(found.size(), 4U);
    EXPECT_EQ(found[0].condition, "dkim.pass has \"example.org\" and from.domain == \"mail.example.org\"");
    EXPECT_EQ(found[1].condition, "spf.result == pass and mail.domain == \"example.org\"");
    EXPECT_EQ(found[2].condition, "mail.from == \"ann@example.org\" and client.ip in \"192.0.2.0/24\"");
    EXPECT_EQ(found[3].condition, "client.ip in \"192.0.2.7\"");
}

TEST(Exception, ProvesNothingByWhatIsNoProof) {
    const auto rules = rules_from(refusing_rules());
    const auto kinds = [&](const std::function<void(Facts&)>& fill) {
        std::string text;
        for (const ExceptionCandidate& one : candidates_of(refused(*rules, Stage::end, fill), *rules))
            text += std::string(to_string(one.kind)) + ' ';
        return text;
    };
    EXPECT_EQ(kinds([](Facts&) {}), "address network ");
    EXPECT_EQ(
        kinds([](Facts& f) { f.set(id_of(CoreFact::spf_result), std::string("fail")); }), "address network "
    );
    EXPECT_EQ(
        kinds([](Facts& f) {
            f.set(id_of(CoreFact::spf_result), std::string("pass"));
            f.set(id_of(CoreFact::spf_permits_all), true);
        }),
        "address network "
    );
    // Without an author a signature speaks for nobody in particular.
    EXPECT_EQ(
        kinds([](Facts& f) { f.set(id_of(CoreFact::dkim_pass), TextList{{"d.example"}, ""}); }),
        "address network "
    );
    EXPECT_EQ(kinds([](Facts& f) { f.set(id_of(CoreFact::mail_from), std::string("")); }), "network ");
    EXPECT_EQ(
        kinds([](Facts& f) { f.set(id_of(CoreFact::mail_is_null), true); }), "address address network "
    );
    EXPECT_EQ(
        kinds([](Facts& f) { f.set(id_of(CoreFact::mail_from), std::string("\"a' or 'b\"@x.test")); }),
        "network "
    );
    EXPECT_EQ(
        kinds([](Facts& f) {
            f.set(id_of(CoreFact::from_domain), std::string("x\" or true or \"a.b"));
            f.set(id_of(CoreFact::dkim_pass), TextList{{"evil\"\n.test"}, ""});
        }),
        "address network "
    );
}

void expect_to_let_in(const std::string& sender) {
    const auto rules = rules_from(refusing_rules());
    const StoredRecord stored = refused(*rules, Stage::end, [&](Facts& facts) {
        facts.set(id_of(CoreFact::message_size), std::int64_t{100});
        facts.set(id_of(CoreFact::spf_result), std::string("pass"));
        facts.set(id_of(CoreFact::helo_name), std::string("unrelated"));
        facts.set(id_of(CoreFact::mail_from), sender);
        facts.set(id_of(CoreFact::mail_is_null), sender.empty());
    });
    const auto subjects = subjects_of(stored, rules->dictionary());
    ASSERT_EQ(subjects.front().verdict->action, Action::reject);
    for (const ExceptionCandidate& candidate : exception_candidates(stored, subjects.front())) {
        SCOPED_TRACE(candidate.condition);
        const auto text = exception_to_toml(candidate, stored, subjects.front(), *rules, expiry);
        EXPECT_NE(text.rule.find("expires = 2026-09-01"), std::string::npos) << text.rule;
        EXPECT_NE(text.rule.find("domains = [\"example.test\"]"), std::string::npos) << text.rule;
        EXPECT_NE(text.rule.find("# " + stored.record.id.to_string()), std::string::npos) << text.rule;
        EXPECT_EQ(text.test.find("unrelated"), std::string::npos) << text.test;
        const auto made =
            rules_from(with_file(rules->sources(), TrialPlace::last, text.rule + "\n" + text.test));
        ASSERT_NE(made, nullptr) << text.rule << text.test;
        EXPECT_TRUE(is_let_in(*made, *rules, subjects.front()));
        const auto results = run_rule_tests(*made);
        ASSERT_EQ(results.size(), 1U);
        EXPECT_TRUE(results[0].passed) << results[0].difference << text.test;
        // Without the rule its test fails.
        const auto alone = rules_from(with_file(
            {refusing_rules().front()},
            TrialPlace::last,
            text.test + "\n[[rule]]\nid = \"" + candidate.rule_id +
                "\"\nwhen = 'client.port == 1'\nthen = \"accept\"\n"
        ));
        EXPECT_FALSE(run_rule_tests(*alone)[0].passed);
    }
}

TEST(Exception, LetsInWhatItWasMadeForAndItsTestPasses) {
    expect_to_let_in("ann@example.org");
    expect_to_let_in("o'brien@example.org");
    expect_to_let_in("");
}

TEST(Exception, TurnsARuleOffThatDecidesBeforeAnyExceptionCould) {
    const auto rules = rules_from(refusing_rules());
    const StoredRecord stored = refused(*rules, Stage::rcpt, [](Facts& facts) {
        facts.set(id_of(CoreFact::client_port), std::int64_t{7});
        facts.set(id_of(CoreFact::spf_result), std::string("pass"));
    });
    const auto subjects = subjects_of(stored, rules->dictionary());
    ASSERT_EQ(subjects.front().verdict->rule, "port");
    const auto found = exception_candidates(stored, subjects.front());
    ASSERT_EQ(found.size(), 4U);
    const auto lets_in = [&](const ExceptionCandidate& candidate, TrialPlace place) {
        const auto text = exception_to_toml(candidate, stored, subjects.front(), *rules, expiry);
        const auto made = rules_from(with_file(rules->sources(), place, text.rule));
        return is_let_in(*made, *rules, subjects.front());
    };
    // A scope of domains is known at RCPT, and the rule decides before.
    for (const std::size_t at : {0U, 1U, 2U})
        EXPECT_FALSE(lets_in(found[at], TrialPlace::first)) << found[at].condition;
    EXPECT_EQ(found[3].kind, ExceptionKind::client);
    EXPECT_EQ(found[3].rule_off, "port");
    EXPECT_EQ(found[3].about, "what port refuses of 192.0.2.7");
    EXPECT_TRUE(lets_in(found[3], TrialPlace::last));
    const auto text = exception_to_toml(found[3], stored, subjects.front(), *rules, expiry);
    EXPECT_NE(
        text.rule.find("[[override]]\ndomains = [\"example.test\"]\nclients = [\"192.0.2.7\"]\n"
                       "modes   = { \"port\" = \"shadow\" }\nexpires = 2026-09-01\n"),
        std::string::npos
    ) << text.rule;
    const auto made = rules_from(with_file(rules->sources(), TrialPlace::last, text.rule + text.test));
    const auto results = run_rule_tests(*made);
    ASSERT_EQ(results.size(), 1U);
    EXPECT_TRUE(results[0].passed) << results[0].difference;
    // For this client and domain only, and until it expires.
    RecordSubject other = subjects.front();
    other.facts.set(id_of(CoreFact::client_ip), *IpAddress::parse("192.0.2.8"));
    EXPECT_EQ(judge(*made, other).action, Action::reject);
    other = subjects.front();
    other.facts.set(id_of(CoreFact::time_now), *parse_time("2026-08-31T23:59:59Z"));
    EXPECT_EQ(judge(*made, other).action, Action::none);
    other.facts.set(id_of(CoreFact::time_now), *parse_time("2026-09-01"));
    EXPECT_EQ(judge(*made, other).action, Action::reject);
}

TEST(Exception, KnowsNobodyByTheHashOfALocalPart) {
    const auto rules = rules_from(refusing_rules());
    StoredRecord stored = refused(*rules, Stage::end, [](Facts& facts) {
        facts.set(id_of(CoreFact::message_size), std::int64_t{100});
        facts.set(id_of(CoreFact::mail_from), std::string("~0123456789abcdef@example.org"));
    });
    stored.record.is_redacted = true;
    const auto found = candidates_of(stored, *rules);
    ASSERT_EQ(found.size(), 3U);
    EXPECT_EQ(found[0].kind, ExceptionKind::address);
    EXPECT_EQ(found[0].in_vain, "the record has only a hash of the local part");
    EXPECT_EQ(found[1].kind, ExceptionKind::domain);
    EXPECT_EQ(found[1].condition, "mail.domain == \"example.org\" and client.ip in \"192.0.2.0/24\"");
    EXPECT_EQ(found[1].in_vain + found[2].in_vain, "");
    EXPECT_EQ(found[2].kind, ExceptionKind::network);
}

TEST(Exception, TheTestOfWhatAnUnknownFactDeferredFailsWithoutIt) {
    for (const FactValue& unknown : {FactValue(Unknown{"time-out"}), FactValue(TextList{{}, "time-out"})}) {
        SCOPED_TRACE(fact_to_text(unknown));
        const auto rules = rules_from({
            {"10.toml",
             "[dnsbl.hard]\nzone = \"hard.example\"\nprivate = true\nprobe = false\non_error = \"defer\"\n"
             "listed = { bad = \"127.0.0.4\" }\n"
             "[[rule]]\nid = \"hard\"\nwhen = 'dnsbl.hard has bad'\nthen = \"reject\"\nalone = true\n"}
        });
        const StoredRecord stored = refused(*rules, Stage::rcpt, [&](Facts& facts) {
            facts.set(*rules->dictionary().find("dnsbl.hard"), unknown);
            facts.set(id_of(CoreFact::deferred_envelope), std::int64_t{1});
        });
        const auto subjects = subjects_of(stored, rules->dictionary());
        ASSERT_EQ(subjects.front().verdict->action, Action::defer);
        const auto found = exception_candidates(stored, subjects.front());
        ASSERT_EQ(found.back().kind, ExceptionKind::client);
        const auto text = exception_to_toml(found.back(), stored, subjects.front(), *rules, expiry);
        EXPECT_NE(text.test.find("\"deferred.envelope\" = 1"), std::string::npos) << text.test;
        const auto passes = [&](const std::string& added) {
            const auto results =
                run_rule_tests(*rules_from(with_file(rules->sources(), TrialPlace::last, added)));
            return results.size() == 1 && results[0].passed;
        };
        EXPECT_TRUE(passes(text.rule + text.test)) << text.test;
        EXPECT_FALSE(passes(text.test)) << text.test;
    }
}

TEST(ExceptionTrial, PutsAFileWhereItWouldBeRead) {
    const std::vector<RuleSource> sources = {
        {"10.toml",     "a"},
        {"20.toml",     "b"},
        {"2/10.toml",   "c"},
        {"lists/x.txt", "d"}
    };
    const auto names = [](const std::vector<RuleSource>& made) {
        std::string text;
        for (const RuleSource& one : made)
            text += one.name + '=' + one.content + ' ';
        return text;
    };
    EXPECT_EQ(source_name(0, "15.toml"), "15.toml");
    EXPECT_EQ(source_name(1, "05.toml"), "2/05.toml");
    EXPECT_EQ(
        names(with_text(sources, "15.toml", "x")), "10.toml=a 15.toml=x 20.toml=b 2/10.toml=c lists/x.txt=d "
    );
    EXPECT_EQ(
        names(with_text(sources, "2/05.toml", "x")),
        "10.toml=a 20.toml=b 2/05.toml=x 2/10.toml=c lists/x.txt=d "
    );
    EXPECT_EQ(
        names(with_text(sources, "2/90.toml", "x")),
        "10.toml=a 20.toml=b 2/10.toml=c 2/90.toml=x lists/x.txt=d "
    );
    EXPECT_EQ(names(with_text(sources, "20.toml", "x")), "10.toml=a 20.toml=bx 2/10.toml=c lists/x.txt=d ");
    EXPECT_EQ(
        names(with_file(sources, TrialPlace::last, "x")),
        "10.toml=a 20.toml=b 2/10.toml=c proposed.toml=x lists/x.txt=d "
    );
}

}  // namespace
}  // namespace wicket
