#include "base/record_id.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace wicket {
namespace {

using namespace std::chrono_literals;

WallTime at(std::int64_t millis) {
    return WallTime(std::chrono::milliseconds(millis));
}

TEST(RecordId, SurvivesBeingPrintedAndStored) {
    for (const auto& id :
         {RecordId(),
          RecordId::make(at(1), 0, 0),
          RecordId::make(at(1'769'860'800'123), 0xABCD, 0xDEADBEEF),
          RecordId::make(at((std::int64_t{1} << 48) - 1), 0xFFFF, 0xFFFFFFFF)}) {
        const std::string text = id.to_string();
        SCOPED_TRACE(text);
        EXPECT_EQ(text.size(), RecordId::text_length);
        EXPECT_EQ(RecordId::parse(text), id);
        const auto& octets = id.octets();
        EXPECT_EQ(RecordId::from_octets({reinterpret_cast<const char*>(octets.data()), octets.size()}), id);
    }
}

TEST(RecordId, PrintsTheBitsOfItsPartsInOrder) {
    EXPECT_EQ(RecordId().to_string(), "00000000000000000000");
    EXPECT_EQ(RecordId::make(at((std::int64_t{1} << 48) - 1), 0, 0).to_string(), "VVVVVVVVVS0000000000");
    EXPECT_EQ(RecordId::make(at(0), 0xFFFF, 0).to_string(), "0000000003VVU0000000");
    EXPECT_EQ(RecordId::make(at(0), 0, 0xFFFFFFFF).to_string(), "0000000000001VVVVVVG");
}

TEST(RecordId, SortsByTimeAsTextAndAsOctets) {
    const RecordId early = RecordId::make(at(1'000'000), 0xFFFF, 0xFFFFFFFF);
    const RecordId late = RecordId::make(at(1'000'001), 0, 0);
    EXPECT_LT(early, late);
    EXPECT_LT(early.to_string(), late.to_string());
    EXPECT_LT(early.octets(), late.octets());
    EXPECT_EQ(RecordId::first_at(at(1'000'001)), late);
}

TEST(RecordId, KeepsItsTimeToTheMillisecond) {
    const WallTime time = at(1'769'860'800'123);
    EXPECT_EQ(RecordId::make(time + 456us, 1, 2).time(), time);
    EXPECT_EQ(RecordId::make(WallTime(-5s), 1, 2).time(), at(0));
    EXPECT_EQ(RecordId::make(WallTime::max(), 1, 2).time(), at((std::int64_t{1} << 48) - 1));
}

TEST(RecordId, ReadsLowerCaseAndRefusesAnythingElse) {
    const RecordId id = RecordId::make(at(1'769'860'800'123), 0xABCD, 0xDEADBEEF);
    std::string lower = id.to_string();
    for (char& c : lower)
        c = static_cast<char>(std::tolower(c));
    EXPECT_EQ(RecordId::parse(lower), id);
    for (const auto* const text :
         {"",
          "0000000000000000000",
          "000000000000000000000",
          "0000000000000000000W",
          "0000000000000000000-",
          "00000000000000000001",
          "0000000000000000000H"}) {
        SCOPED_TRACE(text);
        EXPECT_FALSE(RecordId::parse(text));
    }
    EXPECT_FALSE(RecordId::from_octets("too short"));
    EXPECT_FALSE(RecordId::from_octets("0123456789abc"));
}

}  // namespace
}  // namespace wicket
