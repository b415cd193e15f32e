#include "auth/authenticator.hpp"

#include "auth/password.hpp"
#include "base/text.hpp"

#include <gtest/gtest.h>

#include <map>
#include <vector>

namespace wicket {
namespace {

using namespace std::chrono_literals;

class TableDirectory : public AccountDirectory {
public:
    Result<std::optional<PasswordRecord>> find(std::string_view local_part, std::string_view domain)
        override {
        if (is_down) return failure(ErrorCode::unavailable, "the store is closed");
        const std::string account = lower_case(local_part) + "@" + std::string(domain);
        const auto row = rows.find(account);
        if (row == rows.end()) return std::nullopt;
        return PasswordRecord{account, row->second};
    }
    std::map<std::string, std::string> rows;
    bool is_down = false;
};

class AuthenticatorTest : public testing::Test {
protected:
    static void SetUpTestSuite() { hash_ = make_password_verifiers("secret").value().argon2id; }

    AuthenticatorTest() {
        directory_.rows = {
            {"anna@example.test",     hash_},
            {"odd+junk@example.test", hash_}
        };
    }

    AuthOutcome verify(std::string_view login, std::string_view password) {
        return authenticator_.verify(login, password, IpAddress::parse("192.0.2.1").value());
    }

    static inline std::string hash_;
    ManualClock clock_{WallTime{}};
    TableDirectory directory_;
    Authenticator authenticator_{directory_, clock_};
};

TEST_F(AuthenticatorTest, OpensTheMailboxThatTheLoginNames) {
    struct Case {
        std::string_view login, want_account, want_mailbox;
    };
    const std::vector<Case> cases = {
        {"anna@example.test",          "anna@example.test",     "INBOX"},
        {"Anna@EXAMPLE.test",          "anna@example.test",     "INBOX"},
        {"anna+Junk@example.test",     "anna@example.test",     "Junk" },
        {"anna+junk@example.test",     "anna@example.test",     "Junk" },
        {"odd+junk@example.test",      "odd+junk@example.test", "INBOX"},
        {"odd+junk+Junk@example.test", "odd+junk@example.test", "Junk" },
        {"\"anna\"@example.test",      "anna@example.test",     "INBOX"},
    };
    for (const auto& [login, want_account, want_mailbox] : cases) {
        SCOPED_TRACE(login);
        const AuthOutcome outcome = verify(login, "secret");
        EXPECT_EQ(outcome.verdict, AuthVerdict::accepted);
        EXPECT_EQ(outcome.account, want_account);
        EXPECT_EQ(outcome.mailbox, want_mailbox);
    }
}

TEST_F(AuthenticatorTest, RefusesUnknownNameAndWrongPasswordWithOneHashEach) {
    struct Case {
        std::string_view login, password;
    };
    const std::vector<Case> cases = {
        {"anna@example.test",       "Secret"},
        {"anna@example.test",       ""      },
        {"nobody@example.test",     "secret"},
        {"anna+other@example.test", "secret"},
        {"anna",                    "secret"},
        {"",                        ""      },
        {"anna@example.test",       "\xFF"  },
        {"<anna@example.test>",     "secret"},
    };
    std::uint64_t hashes = authenticator_.hash_count();
    for (const auto& [login, password] : cases) {
        SCOPED_TRACE(login);
        clock_.advance(1h);
        const AuthOutcome outcome = verify(login, password);
        EXPECT_EQ(outcome.verdict, AuthVerdict::refused);
        EXPECT_EQ(outcome.account, "");
        EXPECT_EQ(outcome.mailbox, "");
        EXPECT_EQ(outcome.delay, 2s);
        EXPECT_EQ(authenticator_.hash_count(), ++hashes);
    }
}

TEST_F(AuthenticatorTest, CountsAllSpellingsOfANameTogether) {
    // What is not there is counted in the same way: nothing tells the two apart.
    const std::vector<std::vector<std::string_view>> names = {
        {"anna@example.test",
         R"("anna"@example.test)", R"("\anna"@example.test)",
         R"("a\nna"@EXAMPLE.test)", "ANNA@example.test",
         "anna+Junk@example.test", R"("anna+junk"@example.test)"},
        {"otto@example.test",
         R"("otto"@example.test)", R"("\otto"@example.test)",
         R"("o\tto"@EXAMPLE.test)", "OTTO@example.test",
         "otto+Junk@example.test", R"("otto+junk"@example.test)"},
    };
    int network = 0;
    for (const std::vector<std::string_view>& spellings : names) {
        SCOPED_TRACE(spellings.front());
        std::vector<std::chrono::milliseconds> delays;
        for (const std::string_view spelling : spellings) {
            // Each from a network of its own, so that only the name counts.
            const std::string client = "192.0." + std::to_string(++network) + ".1";
            delays.push_back(authenticator_.verify(spelling, "wrong", IpAddress::parse(client).value()).delay
            );
        }
        const std::vector<std::chrono::milliseconds> want = {2s, 4s, 8s, 15s, 15s, 15s, 15s};
        EXPECT_EQ(delays, want);
    }
}

TEST_F(AuthenticatorTest, SaysTemporaryWhenTheStoreCannotAnswerAndCountsNoFailure) {
    directory_.is_down = true;
    EXPECT_EQ(verify("anna@example.test", "wrong").verdict, AuthVerdict::temporary);
    directory_.is_down = false;
    directory_.rows["anna@example.test"] = "damaged";
    EXPECT_EQ(verify("anna@example.test", "wrong").verdict, AuthVerdict::temporary);
    directory_.rows["anna@example.test"] = hash_;
    EXPECT_EQ(verify("anna@example.test", "wrong").delay, 2s);
}

TEST_F(AuthenticatorTest, MakesANetworkOfGuessersWaitBeforehand) {
    for (int i = 0; i < 3; ++i)
        verify("anna@example.test", "wrong");
    EXPECT_EQ(authenticator_.delay_before(IpAddress::parse("192.0.2.9").value()), 2s);
    EXPECT_EQ(authenticator_.delay_before(IpAddress::parse("198.51.100.9").value()), 0s);
}

}  // namespace
}  // namespace wicket
