#include "store/crc32c.hpp"

#include <cstddef>
#include <cstring>

#ifdef __x86_64__
#include <nmmintrin.h>
#endif

// The names are those that ld --wrap makes of rocksdb::crc32c::Extend(uint32_t, const char*, size_t).
// NOLINTBEGIN(bugprone-reserved-identifier,readability-identifier-naming)
extern "C" std::uint32_t __real__ZN7rocksdb6crc32c6ExtendEjPKcm(std::uint32_t, const char*, std::size_t);
extern "C" std::uint32_t __wrap__ZN7rocksdb6crc32c6ExtendEjPKcm(
    std::uint32_t crc, const char* data, std::size_t size
) {
    return wicket::extend_crc32c(crc, {data, size});
}

namespace wicket {
namespace {

#ifdef __x86_64__

__attribute__((target("sse4.2"))) std::uint32_t extend_by_instruction(
    std::uint32_t crc, std::string_view octets
) {
    std::uint64_t state = crc ^ 0xffffffffU;
    while (octets.size() >= sizeof state) {
        std::uint64_t eight = 0;
        std::memcpy(&eight, octets.data(), sizeof eight);
        state = _mm_crc32_u64(state, eight);
        octets.remove_prefix(sizeof eight);
    }
    auto low = static_cast<std::uint32_t>(state);
    for (const char c : octets)
        low = _mm_crc32_u8(low, static_cast<unsigned char>(c));
    return low ^ 0xffffffffU;
}

#endif

}  // namespace

std::uint32_t extend_crc32c(std::uint32_t crc, std::string_view octets) {
#ifdef __x86_64__
    static const bool has_instruction = __builtin_cpu_supports("sse4.2") != 0;
    if (has_instruction) return extend_by_instruction(crc, octets);
#endif
    return __real__ZN7rocksdb6crc32c6ExtendEjPKcm(crc, octets.data(), octets.size());
}

}  // namespace wicket
// NOLINTEND(bugprone-reserved-identifier,readability-identifier-naming)
