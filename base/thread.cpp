#include "base/thread.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace wicket {

namespace {

// The longest that the kernel takes. Between threads of the same length one who wakes waits until the turn of
// the busy one is over, which may take until the next tick: 4 ms of a message's way to its 250.
constexpr std::uint64_t long_turn_nanoseconds = 100'000'000;

// As the kernel wants it: the C library of Debian 12 has neither the call nor the structure.
struct SchedulingAttributes {
    std::uint32_t size;
    std::uint32_t policy;
    std::uint64_t flags;
    std::int32_t nice;
    std::uint32_t priority;
    std::uint64_t runtime;  // nanoseconds; of a thread of the ordinary policy its turn
    std::uint64_t deadline;
    std::uint64_t period;
};

}  // namespace

void name_thread(std::string_view name) {
    constexpr std::size_t kept_octets = 16;  // with the zero at its end
    std::array<char, kept_octets> kept{};
    std::ranges::copy(name.substr(0, kept_octets - 1), kept.begin());
    // Not from another thread by pthread_setname_np(): that writes to /proc, which a confined process may
    // not.
    ::prctl(PR_SET_NAME, kept.data());
}

void work_in_background(int nice) {
    SchedulingAttributes attributes{};
    if (::syscall(SYS_sched_getattr, 0, &attributes, sizeof(attributes), 0) != 0) return;
    attributes.nice = nice;
    attributes.runtime = long_turn_nanoseconds;
    static_cast<void>(::syscall(SYS_sched_setattr, 0, &attributes, 0));
}

}  // namespace wicket
