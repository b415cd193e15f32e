#include "filters/scan_pool_senders.hpp"

#include <gtest/gtest.h>

#include <fmt/format.h>

namespace wicket {
namespace {

DnsQuestion question(std::size_t number) {
    return {fmt::format("r{}.victim.example", number), DnsType::a};
}

DnsAnswer answer(DnsStatus status) {
    DnsAnswer made;
    made.status = status;
    return made;
}

TEST(SenderQuestions, BoundsTheNewQuestionsOfASenderInAMinute) {
    SenderQuestions senders(sender_question_limit);
    ManualClock clock(WallTime{});
    for (std::size_t count = 0; count < sender_question_limit; ++count)
        EXPECT_TRUE(senders.may_ask("evil.example", question(count), clock.steady()));
    EXPECT_FALSE(senders.may_ask("evil.example", question(9999), clock.steady()));
    EXPECT_TRUE(senders.may_ask("good.example", question(9999), clock.steady()));
    clock.advance(sender_question_window - std::chrono::seconds(1));
    EXPECT_FALSE(senders.may_ask("evil.example", question(9999), clock.steady()));
    clock.advance(std::chrono::seconds(1));
    EXPECT_TRUE(senders.may_ask("evil.example", question(9999), clock.steady()));
}

TEST(SenderQuestions, AsksAgainForWhatWasThere) {
    struct Case {
        DnsStatus status;
        bool is_free;
    };
    for (const auto& [status, is_free] : {
             Case{DnsStatus::found,        true },
             Case{DnsStatus::no_data,      true },
             Case{DnsStatus::no_such_name, false},
             Case{DnsStatus::try_again,    false}
    }) {
        SCOPED_TRACE(to_string(status));
        SenderQuestions senders(1);
        ManualClock clock(WallTime{});
        EXPECT_TRUE(senders.may_ask("bank.example", question(0), clock.steady()));
        senders.answered(question(0), answer(status));
        EXPECT_EQ(senders.may_ask("bank.example", question(0), clock.steady()), is_free);
        EXPECT_FALSE(senders.may_ask("bank.example", question(1), clock.steady()));
    }
}

TEST(SenderQuestions, ForgetsWhatWasNotAskedForLong) {
    SenderQuestions senders(0);
    ManualClock clock(WallTime{});
    for (std::size_t number = 0; number < 3 * SenderQuestions::known_limit; ++number) {
        senders.answered(question(number), answer(DnsStatus::found));
        ASSERT_TRUE(senders.may_ask("bank.example", question(0), clock.steady())) << number;
    }
    EXPECT_FALSE(senders.may_ask("bank.example", question(1), clock.steady()));
}

TEST(SenderQuestions, MeasuresNoFloodOfSenders) {
    SenderQuestions senders(1);
    ManualClock clock(WallTime{});
    for (std::size_t number = 0; number < SenderQuestions::senders_limit; ++number)
        EXPECT_TRUE(senders.may_ask(fmt::format("s{}.example", number), question(number), clock.steady()));
    EXPECT_FALSE(senders.may_ask("s0.example", question(0), clock.steady()));
    for (int count = 0; count < 2; ++count)
        EXPECT_TRUE(senders.may_ask("newcomer.example", question(0), clock.steady()));
}

}  // namespace
}  // namespace wicket
