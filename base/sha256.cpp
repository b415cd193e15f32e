#include "base/sha256.hpp"

#include <openssl/evp.h>

#include <stdexcept>

namespace wicket {
namespace {

struct ContextDeleter {
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};

void require(int result) {
    if (result != 1) throw std::runtime_error("SHA-256 of OpenSSL failed");
}

/// Fetched once: EVP_sha256() would look the provider up at every use.
const EVP_MD* sha256_method() {
    static const EVP_MD* const method = EVP_MD_fetch(nullptr, "SHA256", nullptr);
    require(method != nullptr ? 1 : 0);
    return method;
}

}  // namespace

struct Sha256Stream::State {
    std::unique_ptr<EVP_MD_CTX, ContextDeleter> context{EVP_MD_CTX_new()};
};

Sha256Stream::Sha256Stream() : state_(std::make_unique<State>()) {
    require(EVP_DigestInit_ex2(state_->context.get(), sha256_method(), nullptr));
}

Sha256Stream::~Sha256Stream() = default;
Sha256Stream::Sha256Stream(Sha256Stream&&) noexcept = default;
Sha256Stream& Sha256Stream::operator=(Sha256Stream&&) noexcept = default;

void Sha256Stream::add(std::string_view octets) {
    require(EVP_DigestUpdate(state_->context.get(), octets.data(), octets.size()));
}

Sha256 Sha256Stream::so_far() const {
    Sha256Stream copy;
    require(EVP_MD_CTX_copy_ex(copy.state_->context.get(), state_->context.get()));
    return copy.finish();
}

Sha256 Sha256Stream::finish() {
    Sha256 sha256{};
    require(EVP_DigestFinal_ex(state_->context.get(), sha256.data(), nullptr));
    return sha256;
}

Sha256 sha256_of(std::string_view octets) {
    Sha256 sha256{};
    require(EVP_Digest(octets.data(), octets.size(), sha256.data(), nullptr, sha256_method(), nullptr));
    return sha256;
}

std::string to_hex(std::string_view octets) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string text;
    text.reserve(2 * octets.size());
    for (const char c : octets) {
        text += digits[static_cast<unsigned char>(c) >> 4U];
        text += digits[static_cast<unsigned char>(c) & 0xFU];
    }
    return text;
}

}  // namespace wicket
