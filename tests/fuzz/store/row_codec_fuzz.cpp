// Rows come from a disk that may have been damaged, or written by another program: decoders must survive
// anything, and what they accept must be what they would write.
#include "store/row_codec.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

using namespace wicket;

namespace {

void require(bool condition) {
    if (!condition) std::abort();
}

void check_view(const rows::View& view, std::string_view value) {
    require(rows::encode_view(view.prefix, view.cuts) == value);
    // What is left of a body, octet by octet.
    constexpr std::uint64_t body_octets = 100;
    const auto size = rows::served_size(body_octets, view.prefix.size(), view.cuts);
    if (!size) return;
    std::uint64_t left = view.prefix.size();
    for (std::uint64_t at = 0; at < body_octets; ++at) {
        left += std::ranges::none_of(view.cuts, [at](const CutRange& cut) {
            return cut.offset <= at && at < cut.offset + cut.length;
        });
    }
    require(*size == left);
}

/// All that belongs to a day can be found, and removed, by what its keys begin with.
void check_days(const RecordId& id) {
    const std::string day = rows::day_key(rows::day_of(id));
    require(rows::answer_key(rows::day_of(id), "name").starts_with(day));
    require(rows::index_prefix(rows::day_of(id), RecordIndex::rule, "Name").starts_with(day));
    require(
        rows::index_prefix(rows::day_of(id), RecordIndex::rule, "Name") ==
        rows::index_prefix(rows::day_of(id), RecordIndex::rule, "name")
    );
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    const std::string_view value(reinterpret_cast<const char*>(data), size);
    if (const auto row = rows::decode_counters(value)) require(rows::encode(*row) == value);
    if (const auto row = rows::decode_mailbox_name(value)) require(rows::encode(*row) == value);
    if (const auto row = rows::decode_mailbox_entry(value)) require(rows::encode(*row) == value);
    if (const auto row = rows::decode_view(value)) check_view(*row, value);
    if (const auto row = rows::decode_message(value)) require(rows::encode(*row) == value);
    if (const auto row = rows::decode_folded(value)) require(rows::encode(*row) == value);
    if (const auto row = rows::decode_kept(value)) require(rows::encode(*row) == value);
    if (const auto row = rows::decode_marks(value)) require(rows::encode_marks(*row) == value);
    if (const auto row = rows::decode_redaction_key(value))
        require(rows::encode_redaction_key(*row) == value);
    if (const auto key = rows::parse_ledger_key(value)) {
        require(rows::ledger_key(key->first, key->second) == value);
        check_days(key->second);
    }
    if (const auto row = rows::decode_account("a@b", value)) require(rows::encode(*row) == value);
    if (const auto row = rows::decode_remembered(value))
        require(rows::encode_remembered(row->until, row->value) == value);
    if (const auto octets = rows::decode_decision(value)) {
        require(value.ends_with(*octets));
        require(rows::decode_decision(rows::encode_decision(*octets)) == *octets);
    }
    if (const auto number = rows::decode_format(value)) require(rows::encode_format(*number) == value);
    if (const auto body = rows::decode_body(value)) require(value.ends_with(*body));
    if (const auto key = rows::parse_mailbox_name_key(value))
        require(rows::mailbox_name_key(key->first, key->second) == value);
    if (const auto key = rows::parse_mailbox_entry_key(value)) {
        require(rows::mailbox_entry_key(key->first, key->second) == value);
        require(value.ends_with(rows::view_key(key->first, key->second)));
    }
    return 0;
}
