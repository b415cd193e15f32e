#include "filters/scan/frames.hpp"

#include <gtest/gtest.h>

namespace wicket {
namespace {

JobFrame full_job() {
    JobFrame job;
    job.checks = {"spf", "dkim"};
    job.input.client_ip = IpAddress::parse("2001:db8::1").value();
    job.input.client_name = "host.example";
    job.input.helo = "mail.sender.example";
    job.input.mail_from = "j\xc3\xb6rg@sender.example";
    job.input.our_hostname = "mx.example.test";
    job.input.time = WallTime(std::chrono::microseconds(1'700'000'000'123'456));
    job.input.message = "From: a\r\n\r\nbody\0octets";
    DnsAnswer found;
    found.status = DnsStatus::found;
    found.records = {"v=spf1 -all", std::string("\x80\0", 2)};
    job.answers[{"sender.example", DnsType::txt}] = found;
    DnsAnswer none;
    none.status = DnsStatus::no_such_name;
    job.answers[{"mail.sender.example", DnsType::txt}] = none;
    return job;
}

TEST(ScanFrames, CarryAJob) {
    const JobFrame job = full_job();
    const auto received = decode_job(encode_job(job).value());
    ASSERT_TRUE(received.has_value());
    EXPECT_EQ(job.checks, received->frame.checks);
    EXPECT_EQ(job.input.client_ip, received->frame.input.client_ip);
    EXPECT_EQ(job.input.mail_from, received->frame.input.mail_from);
    EXPECT_EQ(job.input.time, received->frame.input.time);
    EXPECT_EQ(job.input.message, received->octets);
    EXPECT_FALSE(received->frame.file_size.has_value());
    ASSERT_EQ(2U, received->frame.answers.size());
    EXPECT_EQ(job.answers.begin()->second.status, received->frame.answers.begin()->second.status);
    EXPECT_EQ(job.answers.rbegin()->second.records, received->frame.answers.rbegin()->second.records);
}

TEST(ScanFrames, CarryTheLargestInlineBody) {
    JobFrame job = full_job();
    const std::string body(message_inline_limit_octets, 'x');
    job.input.message = body;
    const auto octets = encode_job(job);
    ASSERT_TRUE(octets.has_value());
    EXPECT_LE(octets->size(), job_frame_limit_octets);
    EXPECT_TRUE(decode_job(*octets).has_value());
}

TEST(ScanFrames, TurnAnswersThatAreTooLargeIntoTemporaryFailures) {
    JobFrame job = full_job();
    DnsAnswer large;
    large.status = DnsStatus::found;
    large.records = {std::string(frame_answer_limit_octets + 1, 'x')};
    job.answers[{"large.example", DnsType::txt}] = large;
    large.records = {std::string(frame_answer_limit_octets - 100, 'x')};
    for (int count = 0; count < 20; ++count)
        job.answers[{"n" + std::to_string(count) + ".example", DnsType::txt}] = large;
    const auto received = decode_job(encode_job(job).value());
    ASSERT_TRUE(received.has_value());
    EXPECT_EQ(DnsStatus::try_again, received->frame.answers.at({"large.example", DnsType::txt}).status);
    std::size_t size = 0;
    for (const auto& [question, answer] : received->frame.answers) {
        for (const std::string& record : answer.records)
            size += record.size();
    }
    EXPECT_LE(size, frame_answers_limit_octets);
}

TEST(ScanFrames, RefuseEveryTruncatedJob) {
    const std::string octets = encode_job(full_job()).value();
    for (std::size_t length = 0; length < octets.size(); ++length) {
        const auto received = decode_job(std::string_view(octets).substr(0, length));
        if (received) EXPECT_LE(received->octets.size(), message_inline_limit_octets);
    }
    EXPECT_FALSE(decode_job("").has_value());
    EXPECT_FALSE(decode_job(std::string(job_frame_limit_octets + 1, '\0')).has_value());
}

using Facts = std::vector<std::pair<FactId, FactValue>>;

TEST(ScanFrames, CarryFactsOfEveryTypeThatChecksMake) {
    const FactDictionary dictionary;
    TextList pass{
        {"a.example", "b.example"},
        "one is missing"
    };
    ResultList results{{{{"domain", "a.example"}, {"result", "pass"}}}, ""};
    const Facts dkim = {
        {id_of(CoreFact::dkim_pass),       pass            },
        {id_of(CoreFact::dkim_results),    results         },
        {id_of(CoreFact::dkim_signatures), std::int64_t{-3}},
        {id_of(CoreFact::dkim_weak),       Unknown{"why"}  },
    };
    const Facts spf = {
        {id_of(CoreFact::spf_result),      std::string("pass")     },
        {id_of(CoreFact::spf_explanation), Absent{}                },
        {id_of(CoreFact::spf_helo_result), std::string("temperror")},
    };
    const std::vector<CheckResult> sent = {
        {"dkim", dkim},
        {"spf",  spf }
    };
    const auto received = decode_result(encode_result(sent), {"dkim", "spf"}, dictionary);
    ASSERT_TRUE(received.has_value());
    EXPECT_EQ(dkim, std::get<Facts>((*received)[0].outcome));
    EXPECT_EQ(spf, std::get<Facts>((*received)[1].outcome));
    const DnsQuestions questions = {
        {"s1._domainkey.a.example", DnsType::txt}
    };
    const auto open = decode_result(
        encode_result({
            {"dkim", questions}
    }),
        {"dkim"},
        dictionary
    );
    ASSERT_TRUE(open.has_value());
    EXPECT_EQ(questions, std::get<DnsQuestions>((*open)[0].outcome));
}

TEST(ScanFrames, BelieveOnlyFactsOfTheCheckThatWasAsked) {
    const FactDictionary dictionary;
    struct Case {
        std::string name;
        CheckResult result;
    };
    const std::vector<Case> cases = {
        {"another check",              {"dkim", Facts{}}                                                           },
        {"a fact of another check",    {"spf", Facts{{id_of(CoreFact::dkim_signatures), std::int64_t{1}}}}         },
        {"a fact of the session",      {"spf", Facts{{id_of(CoreFact::client_ip), Absent{}}}}                      },
        {"a fact that does not exist", {"spf", Facts{{FactId{60000}, Absent{}}}}                                   },
        {"another type",               {"spf", Facts{{id_of(CoreFact::spf_result), std::int64_t{1}}}}              },
        {"a word that is none",        {"spf", Facts{{id_of(CoreFact::spf_result), std::string("excellent")}}}     },
        {"a fact twice",
         {"spf", Facts{{id_of(CoreFact::spf_result), Absent{}}, {id_of(CoreFact::spf_result), Absent{}}}}          },
        {"a question of another type", {"spf", DnsQuestions{{"a.example", DnsType::spf}}}                          },
        {"a question that is no name", {"spf", DnsQuestions{{"a..example", DnsType::txt}}}                         },
        {"a question in capitals",     {"spf", DnsQuestions{{"A.example", DnsType::txt}}}                          },
        {"too many questions",         {"spf", DnsQuestions(frame_question_limit + 1, {"a.example", DnsType::txt})}},
    };
    for (const auto& [name, result] : cases) {
        SCOPED_TRACE(name);
        EXPECT_FALSE(decode_result(encode_result({result}), {"spf"}, dictionary).has_value());
    }
    EXPECT_FALSE(decode_result(encode_result({}), {"spf"}, dictionary).has_value());
    EXPECT_FALSE(decode_result("\xff\xff", {"spf"}, dictionary).has_value());
    const ResultList odd{{{{"domain", "a"}, {"password", "b"}}}, ""};
    EXPECT_FALSE(decode_result(
                     encode_result({
                         {"dkim", Facts{{id_of(CoreFact::dkim_results), odd}}}
    }),
                     {"dkim"},
                     dictionary
    )
                     .has_value());
}

PatternsFrame full_patterns() {
    PatternsFrame frame;
    frame.patterns = make_pattern_set({
        {.fact = 60, .part = PatternPart::headers, .field = "subject", .regexes = {"a", "(?i)b"}},
        {.fact = 61, .part = PatternPart::urls, .regexes = {"\xC3\xBC"}},
    });
    return frame;
}

TEST(ScanFrames, CarryPatterns) {
    PatternsFrame sent = full_patterns();
    const auto received = decode_patterns(encode_patterns(sent).value());
    ASSERT_TRUE(received.has_value());
    EXPECT_EQ(sent.patterns.hash, received->patterns.hash);
    EXPECT_EQ(received->patterns.patterns.at(0).field, "subject");
    EXPECT_FALSE(received->drop.has_value());
    sent.drop = sha256_of("x");
    EXPECT_EQ(sent.drop, decode_patterns(encode_patterns(sent).value())->drop);
    JobFrame job = full_job();
    EXPECT_FALSE(decode_job(encode_job(job).value())->frame.patterns.has_value());
    job.patterns = sent.patterns.hash;
    EXPECT_EQ(job.patterns, decode_job(encode_job(job).value())->frame.patterns);
}

TEST(ScanFrames, CarryTheMostPatternsThatThereMayBe) {
    std::vector<Pattern> patterns(pattern_count_limit);
    for (Pattern& pattern : patterns)
        pattern = {
            .fact = 60'000, .part = PatternPart::headers, .field = "f", .regexes = {"a", "b"}
        };
    patterns[0].regexes[0] = std::string(pattern_octets_limit, 'x');
    const PatternsFrame frame{make_pattern_set(patterns)};
    const auto octets = encode_patterns(frame);
    ASSERT_TRUE(octets.has_value());
    const auto received = decode_patterns(*octets);
    ASSERT_TRUE(received.has_value());
    EXPECT_EQ(frame.patterns.hash, received->patterns.hash);
}

TEST(ScanFrames, TakeNoPatternsThatAreOutOfBounds) {
    const auto is_taken = [](const std::vector<Pattern>& patterns) {
        const auto octets = encode_patterns({make_pattern_set(patterns)});
        return octets && decode_patterns(*octets).has_value();
    };
    const Pattern good{.fact = 60, .part = PatternPart::body, .regexes = {"a"}};
    EXPECT_TRUE(is_taken({good}));
    EXPECT_FALSE(is_taken(std::vector<Pattern>(pattern_count_limit + 1, good)));
    EXPECT_FALSE(is_taken({{.regexes = std::vector<std::string>(pattern_regex_count_limit + 1, "a")}}));
    EXPECT_FALSE(is_taken({
        {.part = PatternPart::body, .field = "subject", .regexes = {"a"}}
    }));
    EXPECT_FALSE(is_taken({{.regexes = {std::string(job_frame_limit_octets, 'a')}}}));
    const std::string octets = encode_patterns(full_patterns()).value();
    for (std::size_t length = 1; length < octets.size(); ++length) {
        const auto received = decode_patterns(std::string_view(octets).substr(0, length));
        EXPECT_TRUE(!received || received->patterns.hash != full_patterns().patterns.hash) << length;
    }
    EXPECT_FALSE(decode_patterns(std::string(job_frame_limit_octets + 1, '\0')).has_value());
    // A hash of another length: field 1 of three octets; field 11 of a job likewise.
    EXPECT_FALSE(decode_patterns("\x0A\x03"
                                 "abc")
                     .has_value());
    EXPECT_FALSE(decode_job(
                     encode_job(full_job()).value() + "\x5A\x03"
                                                      "abc"
    )
                     .has_value());
    // A fact, and a part, that there cannot be.
    EXPECT_FALSE(decode_patterns("\x12\x04\x08\x80\x80\x04").has_value());
    EXPECT_FALSE(decode_patterns("\x12\x02\x10\x04").has_value());
}

TEST(ScanFrames, TellTheReasonOfManyFactsOnce) {
    FactDictionary dictionary;
    Facts facts;
    for (int at = 0; at < 1000; ++at) {
        const auto id = dictionary.declare(
            {"pattern.p" + std::to_string(at), FactType::boolean, Stage::end, "pattern", ""}
        );
        facts.emplace_back(*id, Unknown{at % 2 == 0 ? "one of two long reasons" : "another long reason"});
    }
    const std::string octets = encode_result({
        {"pattern", facts}
    });
    EXPECT_LT(octets.size(), 4096U);
    auto received = decode_result(octets, {"pattern"}, dictionary);
    ASSERT_TRUE(received.has_value());
    auto got = std::get<Facts>((*received)[0].outcome);
    std::ranges::sort(got, {}, &std::pair<FactId, FactValue>::first);
    EXPECT_EQ(facts, got);
    // The same fact both known and unknown, a fact of another check, no fact at all.
    EXPECT_FALSE(decode_result(
        encode_result({
            {"pattern", Facts{{facts[0].first, true}, {facts[0].first, Unknown{"x"}}}}
    }),
        {"pattern"},
        dictionary
    ));
    EXPECT_FALSE(decode_result(
        encode_result({
            {"pattern", Facts{{id_of(CoreFact::spf_result), Unknown{"x"}}}}
    }),
        {"pattern"},
        dictionary
    ));
    // CheckResult.unknown (22) within Result.checks (0A) behind check (0A) "pattern".
    EXPECT_FALSE(decode_result("\x0A\x0E\x0A\x07pattern\x22\x03\x0A\x01x", {"pattern"}, dictionary));
}

}  // namespace
}  // namespace wicket
