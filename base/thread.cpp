#include "base/thread.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <sys/prctl.h>

namespace wicket {

void name_thread(std::string_view name) {
    constexpr std::size_t kept_octets = 16;  // with the zero at its end
    std::array<char, kept_octets> kept{};
    std::ranges::copy(name.substr(0, kept_octets - 1), kept.begin());
    // Not from another thread by pthread_setname_np(): that writes to /proc, which a confined process may
    // not.
    ::prctl(PR_SET_NAME, kept.data());
}

}  // namespace wicket
