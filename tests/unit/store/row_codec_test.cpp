#include "store/row_codec.hpp"

#include "tests/support/store/store_fixture.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <fmt/format.h>
#include <fstream>
#include <iterator>
#include <string>

namespace wicket::rows {
namespace {

/// store/format.md with its lines joined.
std::string format_document() {
    std::ifstream file(WICKET_SOURCE_DIR "/store/format.md");
    std::string text{std::istreambuf_iterator<char>(file), {}};
    std::ranges::replace(text, '\n', ' ');
    return text;
}

TEST(RowCodec, WritesTheNumbersThatTheDocumentTells) {
    const std::string document = format_document();
    const auto says = [&](const std::string& text) { return document.contains(text); };
    EXPECT_TRUE(says(fmt::format("# The store on disk, format {} ", format_number)));
    EXPECT_TRUE(says(fmt::format("| `format` | v, format `u32` = {} |", format_number)));
    EXPECT_TRUE(
        says(fmt::format("the version of that row: {}, of decisions {}.", row_version, decision_version))
    );
    EXPECT_TRUE(says(fmt::format("| id | v = {}, decision |", decision_version)));
}

TEST(RowCodec, ReadsBackWhatItWrote) {
    const Counters counters{7, 9};
    EXPECT_EQ(decode_counters(encode(counters)), counters);
    const MailboxName name{1ULL << 40U, 0xFFFFFFFF, 3};
    EXPECT_EQ(decode_mailbox_name(encode(name)), name);
    const MailboxEntry entry{test::new_id(), 12345, WallTime(std::chrono::microseconds(-5))};
    EXPECT_EQ(decode_mailbox_entry(encode(entry)), entry);
    const View view{
        "A: b\r\n", {{1, 2}, {5, 6}}
    };
    EXPECT_EQ(decode_view(encode_view(view.prefix, view.cuts)), view);
    Message message{2, BodyPlace::file, 99, {}};
    message.sha256[0] = 0xAB;
    EXPECT_EQ(decode_message(encode(message)), message);
    EXPECT_EQ(decode_format(encode_format(3)), 3U);
    const Kept kept{
        7, {"a@b", ""}
    };
    EXPECT_EQ(decode_kept(encode(kept)), kept);
    const std::vector<LedgerMark> marks = {
        {LedgerMark::Kind::released, WallTime(std::chrono::microseconds(5)), "ann", {"a@b", "c@d"}},
        {LedgerMark::Kind::undone,   WallTime(std::chrono::microseconds(6)), "",    {}            }
    };
    EXPECT_EQ(decode_marks(encode_marks(marks)), marks);
    const RecordId id = test::new_id();
    EXPECT_EQ(parse_ledger_key(ledger_key(LedgerRow::labels, id)), std::pair(LedgerRow::labels, id));
    EXPECT_FALSE(parse_ledger_key("counters"));
    EXPECT_FALSE(decode_marks(std::string("\x01\0\x01\x05", 4) + std::string(12, '\0'))) << "no such kind";
}

TEST(RowCodec, KeepsTheOctetsOfTheFormat) {
    EXPECT_EQ(encode(MailboxName{1, 2, 3}), std::string("\x01\0\0\0\0\0\0\0\x01\0\0\0\x02\0\0\0\x03", 17));
    EXPECT_EQ(
        mailbox_name_key("a@b", "INBOX"),
        std::string(
            "n\0\x03"
            "a@bINBOX",
            11
        )
    );
    EXPECT_EQ(mailbox_entry_key(1, 0x102), std::string("r\0\0\0\0\0\0\0\x01\0\0\x01\x02", 13));
    EXPECT_EQ(
        encode_view(
            "P",
            {
                {1, 2}
    }
        ),
        std::string("\x01\0\0\0\x01P\0\0\0\x01\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x02", 26)
    );
}

TEST(RowCodec, ReadsBackADecisionOfBothVersions) {
    EXPECT_EQ(decode_decision(encode_decision("the record")), "the record");
    EXPECT_EQ(encode_decision("r"), std::string("\x02r"));
    // Version 1: the length of the keys, the keys, the record.
    EXPECT_EQ(
        decode_decision(std::string(
            "\x01\0\0\0\x02"
            "kkthe record",
            17
        )),
        "the record"
    );
    EXPECT_FALSE(decode_decision(std::string("\x01\0\0\0\x09kk", 7)));
    EXPECT_FALSE(decode_decision("\x03r"));
    EXPECT_FALSE(decode_decision(""));
}

TEST(RowCodec, RefusesAnotherVersionAndEveryShorterOrLongerRow) {
    const std::vector<std::pair<std::string, std::function<bool(std::string_view)>>> rows = {
        {encode(Counters{1, 2}), [](std::string_view v) { return decode_counters(v).has_value(); }},
        {encode(MailboxName{1, 2, 3}), [](std::string_view v) { return decode_mailbox_name(v).has_value(); }},
        {encode(MailboxEntry{}), [](std::string_view v) { return decode_mailbox_entry(v).has_value(); }},
        {encode_view("abc", {{1, 2}}), [](std::string_view v) { return decode_view(v).has_value(); }},
        {encode(Message{}), [](std::string_view v) { return decode_message(v).has_value(); }},
        {encode(Account{"", "h", "s", 1}),
         [](std::string_view v) { return decode_account("a", v).has_value(); }},
        {encode(DecisionLog::Folded{1, {}}), [](std::string_view v) { return decode_folded(v).has_value(); }},
        {encode(Kept{1, {"a", "b"}}), [](std::string_view v) { return decode_kept(v).has_value(); }},
        {encode_marks({{LedgerMark::Kind::ham, {}, "a", {"b"}}}),
         [](std::string_view v) { return decode_marks(v).has_value(); }},
        {encode_redaction_key(std::string(redaction_key_octets, 'k')),
         [](std::string_view v) { return decode_redaction_key(v).has_value(); }},
    };
    for (const auto& [row, is_read] : rows) {
        EXPECT_TRUE(is_read(row));
        EXPECT_FALSE(is_read(row + "x"));
        EXPECT_FALSE(is_read("\x02" + row.substr(1)));
        for (std::size_t length = 0; length < row.size(); ++length)
            EXPECT_FALSE(is_read(row.substr(0, length))) << length << " of " << row.size();
    }
}

TEST(RowCodec, RefusesCutsThatDoNotFit) {
    EXPECT_EQ(
        served_size(
            100,
            10,
            {
                {0,  10},
                {90, 10}
    }
        ),
        90U
    );
    EXPECT_EQ(served_size(100, 10, {}), 110U);
    EXPECT_FALSE(served_size(
        100,
        0,
        {
            {0, 101}
    }
    ));
    EXPECT_FALSE(served_size(
        100,
        0,
        {
            {101, 0}
    }
    ));
    EXPECT_FALSE(served_size(
        100,
        0,
        {
            {10, 10},
            {19, 1 }
    }
    ));
    EXPECT_FALSE(served_size(
        100,
        0,
        {
            {50, ~0ULL}
    }
    ));
}

}  // namespace
}  // namespace wicket::rows
