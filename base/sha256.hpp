// SHA-256 (FIPS 180-4), by OpenSSL. Any thread; a stream on one at a time.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <string_view>

namespace wicket {

using Sha256 = std::array<unsigned char, 32>;

/// The hash of octets that come in parts. Throws std::runtime_error where OpenSSL fails, which takes a lack
/// of memory or a broken installation.
class Sha256Stream {
public:
    Sha256Stream();
    ~Sha256Stream();
    Sha256Stream(Sha256Stream&&) noexcept;
    Sha256Stream& operator=(Sha256Stream&&) noexcept;

    void add(std::string_view octets);
    /// Of what has been added; more may follow.
    Sha256 so_far() const;
    /// Once, as the last call.
    Sha256 finish();

private:
    struct State;
    std::unique_ptr<State> state_;
};

Sha256 sha256_of(std::string_view octets);
std::string to_hex(std::string_view octets);

}  // namespace wicket
