#include "access/surrogate_sizes.hpp"

#include "tests/unit/access/fake_mail_store.hpp"

#include <gtest/gtest.h>

namespace wicket {
namespace {

SurrogateSurvey survey_of(FakeMailStore& store) {
    return {
        {"a", "INBOX", store.uid_validity},
        store.list("a", "INBOX")->rows
    };
}

TEST(SurrogateSizes, MeasuresEachMessageOnce) {
    FakeMailStore store;
    store.add("A: b\r\n\r\n");
    store.add("Subject: \xC3\xA4\r\n\r\n");
    SurrogateSizes::Known known;
    EXPECT_EQ(measure_surrogates(store, survey_of(store), 100, known).value(), false);
    EXPECT_EQ(store.opened, 2);
    EXPECT_EQ(known.size_of(survey_of(store).rows[0]), 8U);
    EXPECT_EQ(known.size_of(survey_of(store).rows[1]), 29U);

    SurrogateSizes sizes;
    sizes.remember("a", "INBOX", 42, known);
    store.add("C: d\r\n\r\n");
    SurrogateSizes::Known again = sizes.recall("a", "INBOX", 42);
    EXPECT_EQ(measure_surrogates(store, survey_of(store), 100, again).value(), false);
    EXPECT_EQ(store.opened, 3);
    EXPECT_EQ(sizes.recall("a", "INBOX", 43).highest, 0U) << "another UIDVALIDITY";
    EXPECT_EQ(sizes.recall("a", "Junk", 42).highest, 0U) << "another mailbox";
}

TEST(SurrogateSizes, MeasuresInPortionsAndSkipsTheDamaged) {
    FakeMailStore store;
    for (int i = 0; i < 5; ++i)
        store.add("Subject: \xC3\xA4\r\n\r\n");
    store.corrupt = {3};
    SurrogateSizes::Known known;
    EXPECT_EQ(measure_surrogates(store, survey_of(store), 2, known).value(), true);
    EXPECT_EQ(known.highest, 2U);
    EXPECT_EQ(measure_surrogates(store, survey_of(store), 2, known).value(), true);
    EXPECT_EQ(measure_surrogates(store, survey_of(store), 2, known).value(), false);
    EXPECT_EQ(known.differences.count(3), 0U);
    EXPECT_EQ(known.differences.size(), 4U);

    store.add("A: b\r\n\r\n");
    store.open_fails = ErrorCode::io;
    EXPECT_FALSE(measure_surrogates(store, survey_of(store), 2, known).has_value());
    EXPECT_EQ(known.highest, 5U);
}

TEST(SurrogateSizes, HoldsNoMoreMaildropsThanItsLimit) {
    SurrogateSizes sizes(3);
    SurrogateSizes::Known known;
    known.highest = 7;
    int remembered = 0;
    for (const char* account : {"e", "b", "d", "a", "c"}) {
        sizes.remember(account, "INBOX", 1, known);
        EXPECT_EQ(sizes.recall(account, "INBOX", 1).highest, 7U);
    }
    for (const char* account : {"a", "b", "c", "d", "e"})
        remembered += sizes.recall(account, "INBOX", 1).highest == 7 ? 1 : 0;
    EXPECT_EQ(remembered, 3);
}

}  // namespace
}  // namespace wicket
