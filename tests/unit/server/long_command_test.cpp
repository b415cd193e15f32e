#include "server/long_command.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

namespace wicket {
namespace {

using std::chrono::milliseconds;

class ProgressTest : public testing::Test {
protected:
    ProgressTest() : terminal_(::open_memstream(&text_, &length_)) {}
    ~ProgressTest() override {
        std::fclose(terminal_);
        std::free(text_);
    }
    std::string written() {
        std::fflush(terminal_);
        return {text_, length_};
    }

    ManualClock clock_{WallTime{}};
    char* text_ = nullptr;
    std::size_t length_ = 0;
    std::FILE* terminal_;
};

TEST_F(ProgressTest, SaysNothingWithinTheFirstSecond) {
    Progress progress(terminal_, clock_, Progress::Erasing::control);
    for (int i = 0; i < 9; ++i) {
        clock_.advance(milliseconds(100));
        progress.count();
    }
    progress.hide();
    EXPECT_EQ(written(), "");
}

TEST_F(ProgressTest, CountsAFewTimesASecondAndTakesItsLineBack) {
    {
        Progress progress(terminal_, clock_, Progress::Erasing::control);
        clock_.advance(milliseconds(1000));
        progress.count();
        progress.count();
        clock_.advance(milliseconds(200));
        progress.count();
    }
    EXPECT_EQ(written(), "\r1 records so far\r3 records so far\r\x1b[K");
}

TEST_F(ProgressTest, TakesItsLineBackWithBlanksWhereControlSequencesAreNotWanted) {
    Progress progress(terminal_, clock_, Progress::Erasing::blanks);
    clock_.advance(milliseconds(1000));
    progress.count();
    progress.hide();
    progress.hide();
    EXPECT_EQ(written(), "\r1 records so far\r" + std::string(16, ' ') + "\r");
}

TEST_F(ProgressTest, IsSilentAfterItsEndAndWithoutATerminal) {
    Progress ended(terminal_, clock_, Progress::Erasing::control);
    Progress nowhere(nullptr, clock_, Progress::Erasing::control);
    ended.end();
    clock_.advance(milliseconds(5000));
    ended.count();
    nowhere.count();
    nowhere.hide();
    EXPECT_EQ(written(), "");
}

}  // namespace
}  // namespace wicket
