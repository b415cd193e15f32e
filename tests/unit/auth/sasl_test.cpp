#include "auth/sasl.hpp"

#include "auth/base64.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace wicket {
namespace {

using namespace std::string_literals;

TEST(SaslPlain, ReadsLoginAndPassword) {
    struct Case {
        std::string_view name;
        std::string message, want_login, want_password;
    };
    const std::vector<Case> cases = {
        {"no authorization identity", "\0tim@x.test\0tanstaaf"s, "tim@x.test", "tanstaaf"},
        {"the same identity twice", "tim@x.test\0tim@x.test\0pw"s, "tim@x.test", "pw"},
        {"the same identity in other case", "TIM@x.test\0tim@x.test\0pw"s, "tim@x.test", "pw"},
        {"a password with spaces", "\0a@b\0 p w "s, "a@b", " p w "},
        {"UTF-8", "\0j\xC3\xB6rg@b\0p\xC3\xA4ss"s, "j\xC3\xB6rg@b", "p\xC3\xA4ss"},
        {"the longest fields",
         "\0"s + std::string(255, 'a') + "\0"s + std::string(255, 'p'),
         std::string(255, 'a'),
         std::string(255, 'p')},
    };
    for (const auto& [name, message, want_login, want_password] : cases) {
        SCOPED_TRACE(name);
        const auto read = parse_sasl_plain(encode_base64(message));
        ASSERT_TRUE(read.has_value());
        EXPECT_EQ(read->login, want_login);
        EXPECT_EQ(read->password.view(), want_password);
    }
}

TEST(SaslPlain, ReadsEveryPasswordThatAnAccountMayHave) {
    const std::string name(sasl_field_limit_octets, 'a');
    const std::string password(password_limit_octets, 'p');
    const std::string response = encode_base64(name + '\0' + name + '\0' + password);
    EXPECT_EQ(response.size(), sasl_plain_limit_octets);
    const auto read = parse_sasl_plain(response);
    ASSERT_TRUE(read.has_value());
    EXPECT_EQ(read->password.view(), password);
}

TEST(SaslPlain, RefusesEverythingElse) {
    struct Case {
        std::string_view name;
        std::string response;
        SaslFault want;
    };
    const auto coded = [](const std::string& message) { return encode_base64(message); };
    const std::vector<Case> cases = {
        {"nothing", "", SaslFault::bad_message},
        {"not base64", "!!!!", SaslFault::bad_base64},
        {"no NUL", coded("tim"), SaslFault::bad_message},
        {"one NUL", coded("tim\0pw"s), SaslFault::bad_message},
        {"three NULs", coded("\0tim\0pw\0"s), SaslFault::bad_message},
        {"no login", coded("\0\0pw"s), SaslFault::bad_message},
        {"no password", coded("\0tim\0"s), SaslFault::bad_message},
        {"another identity", coded("root\0tim\0pw"s), SaslFault::other_identity},
        {"a login of 256 octets", coded("\0"s + std::string(256, 'a') + "\0p"s), SaslFault::too_long},
        {"a password over the limit",
         coded("\0a\0"s + std::string(password_limit_octets + 1, 'p')),
         SaslFault::too_long},
        {"longer than any message", std::string(sasl_plain_limit_octets + 4, 'A'), SaslFault::too_long},
        {"a login that is not UTF-8", coded("\0\xE4\0pw"s), SaslFault::bad_message},
    };
    for (const auto& [name, response, want] : cases) {
        SCOPED_TRACE(name);
        const auto read = parse_sasl_plain(response);
        ASSERT_FALSE(read.has_value());
        EXPECT_EQ(read.error(), want);
    }
}

}  // namespace
}  // namespace wicket
