#include "base/message_bytes.hpp"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <filesystem>
#include <sys/mman.h>
#include <unistd.h>

namespace wicket {
namespace {

std::string pattern(std::size_t size) {
    std::string octets(size, '\0');
    for (std::size_t at = 0; at < size; ++at)
        octets[at] = static_cast<char>(at * 7 + at / 251);
    return octets;
}

SharedMessage written(
    std::string_view octets, std::size_t step, const std::string& folder = testing::TempDir()
) {
    MessageWriter writer(folder);
    for (std::size_t at = 0; at < octets.size(); at += step)
        EXPECT_TRUE(writer.append(octets.substr(at, step)));
    EXPECT_EQ(writer.size(), octets.size());
    return writer.finish().value();
}

TEST(MessageBytes, AreTheSameWhereverTheyStand) {
    for (const std::size_t size :
         {std::size_t{0},
          std::size_t{1},
          message_inline_limit_octets,
          message_inline_limit_octets + 1,
          message_memory_limit_octets,
          message_memory_limit_octets + 1,
          3 * message_memory_limit_octets}) {
        for (const std::size_t step : {std::size_t{997}, std::size_t{1} << 20U, std::size_t{1} << 24U}) {
            SCOPED_TRACE(testing::Message() << size << " octets by " << step);
            const std::string octets = pattern(size);
            const SharedMessage message = written(octets, step);
            EXPECT_EQ(message->size(), size);
            EXPECT_EQ(message->sha256(), sha256_of(octets));
            EXPECT_EQ(message->is_in_memory(), size <= message_inline_limit_octets);
            EXPECT_EQ(message->is_in_memory(), message->fd() == -1);
            EXPECT_EQ(message->read(0, size + 5).value(), octets);
            EXPECT_EQ(message->read(size / 2, 100).value(), octets.substr(size / 2, 100));
            EXPECT_EQ(message->read(size, 10).value(), "");
            EXPECT_EQ(message->read(size + 10, 10).value(), "");
        }
    }
}

TEST(MessageBytes, CannotBeWrittenOnceTheyAreComplete) {
    const SharedMessage middling = written(pattern(message_inline_limit_octets + 1), 4096);
    const int seals = ::fcntl(middling->fd(), F_GET_SEALS);
    EXPECT_EQ(
        seals & (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW), F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW
    );
    const SharedMessage large = written(pattern(message_memory_limit_octets + 1), 4096);
    EXPECT_EQ(::fcntl(large->fd(), F_GETFL) & O_ACCMODE, O_RDONLY);
    EXPECT_EQ(::pwrite(middling->fd(), "x", 1, 0), -1);
    EXPECT_EQ(::pwrite(large->fd(), "x", 1, 0), -1);
}

TEST(MessageBytes, LeaveNoNameInTheSpool) {
    std::string folder = testing::TempDir() + "wicket-spool-XXXXXX";
    ASSERT_NE(::mkdtemp(folder.data()), nullptr);
    const SharedMessage large = written(pattern(message_memory_limit_octets + 1), 65536, folder);
    EXPECT_TRUE(std::filesystem::is_empty(folder));
    std::filesystem::remove(folder);
}

TEST(MessageWriter, ReportsASpoolThatIsNotThere) {
    MessageWriter writer("/nonexistent/spool");
    ASSERT_TRUE(writer.append(pattern(message_memory_limit_octets)));
    const auto refused = writer.append("x");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::not_found);
}

}  // namespace
}  // namespace wicket
