#include "base/thread.hpp"

#include "base/file.hpp"

#include <gtest/gtest.h>

#include <sched.h>
#include <string>
#include <sys/resource.h>
#include <thread>
#include <unistd.h>

namespace wicket {
namespace {

TEST(NameThread, IsWhatTheSystemShowsAndCutAt15Octets) {
    const auto shown_as = [](std::string_view name) {
        std::string shown;
        std::thread([&] {
            name_thread(name);
            shown = read_file("/proc/thread-self/comm").value();
        }).join();
        return shown;
    };
    EXPECT_EQ(shown_as("hub"), "hub\n");
    EXPECT_EQ(shown_as("123456789012345"), "123456789012345\n");
    EXPECT_EQ(shown_as("1234567890123456"), "123456789012345\n");
}

TEST(WorkInBackground, IsNiceAndTakesLongTurns) {
    constexpr int some_nice = 7;
    int policy = -1;
    int nice = 0;
    std::string shown;
    std::thread([&] {
        work_in_background(some_nice);
        std::thread([&] {
            policy = ::sched_getscheduler(0);
            nice = ::getpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()));
            shown = read_file("/proc/thread-self/sched").value_or("");
        }).join();
    }).join();
    EXPECT_EQ(policy, SCHED_OTHER);
    EXPECT_EQ(nice, some_nice);
    const auto at = shown.find("se.slice");
    // A Linux before 6.12 does not show it.
    if (at != std::string::npos)
        EXPECT_NE(shown.find(" 100000000\n", at), std::string::npos) << shown.substr(at, 80);
}

}  // namespace
}  // namespace wicket
