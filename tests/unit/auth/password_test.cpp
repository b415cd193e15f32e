#include "auth/password.hpp"

#include "auth/base64.hpp"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

#include <vector>

namespace wicket {
namespace {

std::string hmac_sha256(std::string_view key, std::string_view text) {
    std::string out(32, '\0');
    unsigned length = 0;
    HMAC(
        EVP_sha256(),
        key.data(),
        static_cast<int>(key.size()),
        reinterpret_cast<const unsigned char*>(text.data()),
        text.size(),
        reinterpret_cast<unsigned char*>(out.data()),
        &length
    );
    return out;
}

TEST(Password, VerifiesWhatItHashed) {
    const auto made = make_password_verifiers("correct horse");
    ASSERT_TRUE(made.has_value());
    EXPECT_TRUE(made->argon2id.starts_with("$argon2id$v=19$m=19456,t=2,p=1$")) << made->argon2id;
    EXPECT_TRUE(made->scram_sha256.starts_with("SCRAM-SHA-256$15000:")) << made->scram_sha256;
    EXPECT_TRUE(verify_password("correct horse", made->argon2id).value());
    EXPECT_FALSE(verify_password("correct horsf", made->argon2id).value());
    EXPECT_FALSE(verify_password("", made->argon2id).value());
    EXPECT_FALSE(verify_password("correct horse\n", made->argon2id).value());
}

TEST(Password, SaltsEachHashAnew) {
    const auto one = make_password_verifiers("same");
    const auto two = make_password_verifiers("same");
    ASSERT_TRUE(one.has_value() && two.has_value());
    EXPECT_NE(one->argon2id, two->argon2id);
    EXPECT_NE(one->scram_sha256, two->scram_sha256);
}

TEST(Password, SaysThatADamagedHashIsCorrupt) {
    for (const char* hash : {"", "secret", "$argon2id$", "$argon2i$v=19$m=19456,t=2,p=1$AAAA$AAAA"}) {
        SCOPED_TRACE(hash);
        const auto verified = verify_password("secret", hash);
        ASSERT_FALSE(verified.has_value());
        EXPECT_EQ(verified.error().code, ErrorCode::corrupt);
    }
}

TEST(Password, PreparesUtf8AsSaslprepMaps) {
    struct Case {
        std::string_view name, password;
        std::optional<std::string_view> want;
    };
    const std::vector<Case> cases = {
        {"ASCII stays",                     "pass Word~!",      "pass Word~!"     },
        {"letters above ASCII stay",        "p\xC3\xA4ss",      "p\xC3\xA4ss"     },
        {"a no-break space is a space",     "a\xC2\xA0z",       "a z"             },
        {"an ideographic space is a space", "a\xE3\x80\x80z",   "a z"             },
        {"a soft hyphen is nothing",        "I\xC2\xADX",       "IX"              },
        {"a zero width joiner is nothing",  "a\xE2\x80\x8Dz",   "az"              },
        {"nothing but a soft hyphen",       "\xC2\xAD",         std::nullopt      },
        {"empty",                           "",                 std::nullopt      },
        {"a tab",                           "a\tb",             std::nullopt      },
        {"DEL",                             "a\x7F",            std::nullopt      },
        {"NUL",                             {"a\0b", 3},        std::nullopt      },
        {"a C1 control",                    "a\xC2\x85",        std::nullopt      },
        {"not UTF-8",                       "p\xE4ss",          std::nullopt      },
        {"a cut character",                 "p\xC3",            std::nullopt      },
        {"a character of four octets",      "\xF0\x9F\x94\x91", "\xF0\x9F\x94\x91"},
    };
    for (const auto& [name, password, want] : cases) {
        SCOPED_TRACE(name);
        const auto prepared = prepare_password(password);
        ASSERT_EQ(prepared.has_value(), want.has_value());
        if (want) EXPECT_EQ(prepared->view(), *want);
    }
    EXPECT_TRUE(prepare_password(std::string(password_limit_octets, 'x')));
    EXPECT_FALSE(prepare_password(std::string(password_limit_octets + 1, 'x')));
    EXPECT_EQ(make_password_verifiers("a\nb").error().code, ErrorCode::invalid);
}

TEST(Password, DerivesTheVerifierOfRfc7677) {
    // RFC 7677 section 3: the exchange of "user" with the password "pencil".
    const std::string salt = decode_base64("W22ZaJ0SNY7soEsUEjb6gQ==").value();
    const std::string verifier = derive_scram_sha256("pencil", salt, 4096);
    const std::string_view head = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$";
    ASSERT_TRUE(verifier.starts_with(head)) << verifier;
    const std::string keys = verifier.substr(head.size());
    const std::string stored_key = decode_base64(keys.substr(0, keys.find(':'))).value();
    const std::string server_key = decode_base64(keys.substr(keys.find(':') + 1)).value();

    const std::string_view auth_message =
        "n=user,r=rOprNGfwEbeRWgbNEkqO,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
        "s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
    EXPECT_EQ(
        encode_base64(hmac_sha256(server_key, auth_message)), "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
    );
    std::string client_key = decode_base64("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=").value();
    const std::string signature = hmac_sha256(stored_key, auth_message);
    for (std::size_t at = 0; at < client_key.size(); ++at)
        client_key[at] = static_cast<char>(client_key[at] ^ signature[at]);
    std::string hashed(32, '\0');
    SHA256(
        reinterpret_cast<const unsigned char*>(client_key.data()),
        client_key.size(),
        reinterpret_cast<unsigned char*>(hashed.data())
    );
    EXPECT_EQ(hashed, stored_key);
}

TEST(Secret, WipesWhatItHeldAndWhatItWasMovedFrom) {
    std::string text = "a password that is long enough for the heap";
    const char* octets = text.data();
    const std::size_t size = text.size();
    wipe(text);
    EXPECT_TRUE(text.empty());
    EXPECT_EQ(std::string_view(octets, size), std::string(size, '\0'));

    Secret one(std::string_view("short"));
    const Secret two(std::move(one));
    EXPECT_EQ(two.view(), "short");
    EXPECT_TRUE(equal_in_constant_time("a", "a"));
    EXPECT_FALSE(equal_in_constant_time("a", "b"));
    EXPECT_FALSE(equal_in_constant_time("a", "ab"));
}

}  // namespace
}  // namespace wicket
