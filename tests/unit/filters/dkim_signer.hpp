// Signs messages for the DKIM tests with libopendkim's signing half, under keys made on the spot.
#pragma once

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

extern "C" {
#define _Bool bool
#include <opendkim/dkim.h>
#undef _Bool
}

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace wicket::testing {

inline std::string to_base64(std::string_view octets) {
    std::string text((octets.size() + 2) / 3 * 4 + 1, '\0');
    const int length = EVP_EncodeBlock(
        reinterpret_cast<unsigned char*>(text.data()),
        reinterpret_cast<const unsigned char*>(octets.data()),
        static_cast<int>(octets.size())
    );
    text.resize(static_cast<std::size_t>(length));
    return text;
}

/// An RSA key pair.
class SigningKey {
public:
    explicit SigningKey(unsigned bits) : key_(EVP_RSA_gen(bits), EVP_PKEY_free) {}

    std::string pem() const {
        const std::unique_ptr<BIO, int (*)(BIO*)> bio(BIO_new(BIO_s_mem()), BIO_free);
        PEM_write_bio_PrivateKey(bio.get(), key_.get(), nullptr, nullptr, 0, nullptr, nullptr);
        char* text = nullptr;
        const long length = BIO_get_mem_data(bio.get(), &text);
        return {text, static_cast<std::size_t>(length)};
    }
    /// p= as most publish it: SubjectPublicKeyInfo.
    std::string spki() const {
        unsigned char* der = nullptr;
        const int length = i2d_PUBKEY(key_.get(), &der);
        std::string text = to_base64({reinterpret_cast<char*>(der), static_cast<std::size_t>(length)});
        OPENSSL_free(der);
        return text;
    }
    /// p= as RFC 6376 itself has it: PKCS#1.
    std::string pkcs1() const {
        unsigned char* der = nullptr;
        const int length = i2d_PublicKey(key_.get(), &der);
        std::string text = to_base64({reinterpret_cast<char*>(der), static_cast<std::size_t>(length)});
        OPENSSL_free(der);
        return text;
    }

private:
    std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)> key_;
};

struct SignatureOptions {
    std::string domain = "sender.example";
    std::string selector = "s1";
    dkim_canon_t header_canon = DKIM_CANON_RELAXED;
    dkim_canon_t body_canon = DKIM_CANON_RELAXED;
    dkim_alg_t algorithm = DKIM_SIGN_RSASHA256;
    ssize_t length = -1;                 // l=
    std::uint64_t lifetime_seconds = 0;  // x=
};

/// The message with a DKIM-Signature before it. `header` is whole lines, without the empty one.
inline std::string sign(
    const SigningKey& key,
    const std::string& header,
    const std::string& body,
    const SignatureOptions& options = {}
) {
    const std::unique_ptr<DKIM_LIB, void (*)(DKIM_LIB*)> library(dkim_init(nullptr, nullptr), dkim_close);
    unsigned flags = options.length >= 0 ? DKIM_LIBFLAGS_SIGNLEN : 0;
    dkim_options(library.get(), DKIM_OP_SETOPT, DKIM_OPTS_FLAGS, &flags, sizeof flags);
    unsigned least_bits = 512;  // tests of weak keys need weak keys
    dkim_options(library.get(), DKIM_OP_SETOPT, DKIM_OPTS_MINKEYBITS, &least_bits, sizeof least_bits);
    std::uint64_t lifetime = options.lifetime_seconds;
    if (lifetime != 0)
        dkim_options(library.get(), DKIM_OP_SETOPT, DKIM_OPTS_SIGNATURETTL, &lifetime, sizeof lifetime);
    const auto octets = [](const std::string& text) {
        return reinterpret_cast<unsigned char*>(const_cast<char*>(text.c_str()));
    };
    std::string pem = key.pem();
    std::string id = "test";
    DKIM_STAT status = DKIM_STAT_OK;
    const std::unique_ptr<DKIM, DKIM_STAT (*)(DKIM*)> message(
        dkim_sign(
            library.get(),
            octets(id),
            nullptr,
            octets(pem),
            octets(options.selector),
            octets(options.domain),
            options.header_canon,
            options.body_canon,
            options.algorithm,
            options.length,
            &status
        ),
        dkim_free
    );
    std::size_t begin = 0;
    while (begin < header.size()) {
        std::size_t end = header.find("\r\n", begin);
        while (end + 2 < header.size() && (header[end + 2] == ' ' || header[end + 2] == '\t'))
            end = header.find("\r\n", end + 2);
        std::string field = header.substr(begin, end - begin);
        dkim_header(message.get(), octets(field), field.size());
        begin = end + 2;
    }
    dkim_eoh(message.get());
    std::string copy = body;
    if (!copy.empty()) dkim_body(message.get(), octets(copy), copy.size());
    dkim_eom(message.get(), nullptr);
    unsigned char* field = nullptr;
    std::size_t field_size = 0;
    if (dkim_getsighdr_d(message.get(), 16, &field, &field_size) != DKIM_STAT_OK) return {};
    return "DKIM-Signature: " + std::string(reinterpret_cast<char*>(field), field_size) + "\r\n" + header +
           "\r\n" + body;
}

}  // namespace wicket::testing
