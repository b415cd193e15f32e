#include "base/thread.hpp"

#include "base/file.hpp"

#include <gtest/gtest.h>

#include <string>
#include <thread>

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

}  // namespace
}  // namespace wicket
