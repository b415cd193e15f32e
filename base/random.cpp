#include "base/random.hpp"

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <sys/random.h>
#include <utility>

namespace wicket {

void fill_random(std::span<unsigned char> out) {
    while (!out.empty()) {
        const auto length = ::getrandom(out.data(), out.size(), 0);
        if (length > 0) {
            out = out.subspan(static_cast<std::size_t>(length));
        } else if (errno != EINTR) {
            std::fputs("mailwicket: the kernel gives no random octets (getrandom)\n", stderr);
            std::abort();
        }
    }
}

std::uint64_t random_u64() {
    // A kernel call for every number would cost more than all else that makes an id.
    constexpr std::size_t buffered = 64;
    thread_local std::array<std::uint64_t, buffered> numbers{};
    thread_local std::size_t used = buffered;
    if (used == buffered) {
        fill_random({reinterpret_cast<unsigned char*>(numbers.data()), sizeof(numbers)});
        used = 0;
    }
    // Taken numbers do not stay behind: one may have become a secret.
    return std::exchange(numbers[used++], 0);
}

}  // namespace wicket
