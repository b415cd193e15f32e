#include "store/row_codec.hpp"

#include "base/text.hpp"

#include <algorithm>
#include <concepts>
#include <limits>

namespace wicket::rows {
namespace {

class Writer {
public:
    Writer() { u8(row_version); }
    struct Key {};
    explicit Writer(Key /*no version*/) {}

    void u8(std::uint8_t value) { out_.push_back(static_cast<char>(value)); }
    void u16(std::uint16_t value) { integer(value); }
    void u32(std::uint32_t value) { integer(value); }
    void u64(std::uint64_t value) { integer(value); }
    void time(WallTime value) { u64(static_cast<std::uint64_t>(value.time_since_epoch().count())); }
    void octets(std::string_view value) { out_.append(value); }
    void text16(std::string_view value) {
        value = value.substr(0, std::numeric_limits<std::uint16_t>::max());
        u16(static_cast<std::uint16_t>(value.size()));
        octets(value);
    }
    void text32(std::string_view value) {
        u32(static_cast<std::uint32_t>(value.size()));
        octets(value);
    }
    void texts(const std::vector<std::string>& values) {
        const std::size_t count =
            std::min<std::size_t>(values.size(), std::numeric_limits<std::uint16_t>::max());
        u16(static_cast<std::uint16_t>(count));
        for (std::size_t at = 0; at < count; ++at)
            text16(values[at]);
    }
    std::string take() { return std::move(out_); }

private:
    template <std::unsigned_integral Integer>
    void integer(Integer value) {
        for (int shift = static_cast<int>(sizeof(Integer)) * 8 - 8; shift >= 0; shift -= 8)
            out_.push_back(static_cast<char>(static_cast<std::uint8_t>(value >> shift)));
    }

    std::string out_;
};

/// Reads on after a fault gives zeros; is_done() tells in the end.
class Reader {
public:
    explicit Reader(std::string_view value) : rest_(value) { is_good_ = u8() == row_version && is_good_; }
    Reader(std::string_view value, Writer::Key /*no version*/) : rest_(value) {}

    std::uint8_t u8() { return integer<std::uint8_t>(); }
    std::uint16_t u16() { return integer<std::uint16_t>(); }
    std::uint32_t u32() { return integer<std::uint32_t>(); }
    std::uint64_t u64() { return integer<std::uint64_t>(); }
    WallTime time() { return WallTime(std::chrono::microseconds(static_cast<std::int64_t>(u64()))); }
    std::string_view octets(std::size_t count) {
        if (count > rest_.size()) {
            is_good_ = false;
            rest_ = {};
            return {};
        }
        const auto taken = rest_.substr(0, count);
        rest_.remove_prefix(count);
        return taken;
    }
    std::string_view text16() { return octets(u16()); }
    std::string_view text32() { return octets(u32()); }
    std::vector<std::string> texts() {
        std::vector<std::string> values;
        for (std::uint16_t left = u16(); left != 0 && is_good_; --left)
            values.emplace_back(text16());
        return values;
    }
    std::string_view rest() { return octets(rest_.size()); }
    RecordId id() {
        const auto id = RecordId::from_octets(octets(13));
        is_good_ = is_good_ && id.has_value();
        return id.value_or(RecordId());
    }
    void require(bool condition) { is_good_ = is_good_ && condition; }

    bool is_good() const { return is_good_; }
    /// Nothing was wrong, and nothing is left.
    bool is_done() const { return is_good_ && rest_.empty(); }

private:
    template <std::unsigned_integral Integer>
    Integer integer() {
        Integer value = 0;
        for (const char c : octets(sizeof(Integer)))
            value = static_cast<Integer>(
                (static_cast<std::uint64_t>(value) << 8U) | static_cast<std::uint8_t>(c)
            );
        return value;
    }

    std::string_view rest_;
    bool is_good_ = true;
};

template <class Row>
std::optional<Row> finished(const Reader& in, Row row) {
    if (!in.is_done()) return std::nullopt;
    return row;
}

}  // namespace

std::string_view id_key(const RecordId& id) {
    return {reinterpret_cast<const char*>(id.octets().data()), id.octets().size()};
}

std::string mailbox_name_prefix(std::string_view account) {
    Writer out{Writer::Key()};
    out.octets("n");
    out.text16(account);
    return out.take();
}

std::string mailbox_name_key(std::string_view account, std::string_view mailbox) {
    return mailbox_name_prefix(account).append(mailbox);
}

std::optional<std::pair<std::string, std::string>> parse_mailbox_name_key(std::string_view key) {
    Reader in(key, Writer::Key());
    in.require(in.octets(1) == "n");
    std::string account(in.text16());
    std::string mailbox(in.rest());
    return finished(in, std::pair(std::move(account), std::move(mailbox)));
}

std::string mailbox_entry_key(std::uint64_t mailbox, Uid uid) {
    Writer out{Writer::Key()};
    out.octets(entry_key_prefix);
    out.u64(mailbox);
    out.u32(uid);
    return out.take();
}

std::optional<std::pair<std::uint64_t, Uid>> parse_mailbox_entry_key(std::string_view key) {
    Reader in(key, Writer::Key());
    in.require(in.octets(1) == entry_key_prefix);
    const auto mailbox = in.u64();
    const auto uid = in.u32();
    return finished(in, std::pair(mailbox, uid));
}

std::string view_key(std::uint64_t mailbox, Uid uid) {
    Writer out{Writer::Key()};
    out.u64(mailbox);
    out.u32(uid);
    return out.take();
}

std::string encode_format(std::uint32_t number) {
    Writer out;
    out.u32(number);
    return out.take();
}

std::optional<std::uint32_t> decode_format(std::string_view value) {
    Reader in(value);
    const auto number = in.u32();
    return finished(in, number);
}

std::string encode_probe(WallTime time) {
    Writer out;
    out.time(time);
    return out.take();
}

std::string encode(const Counters& counters) {
    Writer out;
    out.u64(counters.next_mailbox);
    out.u32(counters.last_uid_validity);
    return out.take();
}

std::optional<Counters> decode_counters(std::string_view value) {
    Reader in(value);
    Counters counters;
    counters.next_mailbox = in.u64();
    counters.last_uid_validity = in.u32();
    return finished(in, counters);
}

std::string encode(const MailboxName& name) {
    Writer out;
    out.u64(name.number);
    out.u32(name.uid_validity);
    out.u32(name.next_uid);
    return out.take();
}

std::optional<MailboxName> decode_mailbox_name(std::string_view value) {
    Reader in(value);
    MailboxName name;
    name.number = in.u64();
    name.uid_validity = in.u32();
    name.next_uid = in.u32();
    return finished(in, name);
}

std::string encode(const MailboxEntry& entry) {
    Writer out;
    out.octets(id_key(entry.id));
    out.u64(entry.size_octets);
    out.time(entry.received);
    return out.take();
}

std::optional<MailboxEntry> decode_mailbox_entry(std::string_view value) {
    Reader in(value);
    MailboxEntry entry;
    entry.id = in.id();
    entry.size_octets = in.u64();
    entry.received = in.time();
    return finished(in, entry);
}

std::string encode_view(std::string_view prefix, const std::vector<CutRange>& cuts) {
    Writer out;
    out.text32(prefix);
    out.u32(static_cast<std::uint32_t>(cuts.size()));
    for (const CutRange& cut : cuts) {
        out.u64(cut.offset);
        out.u64(cut.length);
    }
    return out.take();
}

std::optional<View> decode_view(std::string_view value) {
    Reader in(value);
    View view;
    view.prefix = in.text32();
    const auto count = in.u32();
    for (std::uint32_t i = 0; i < count && in.is_good(); ++i) {
        const auto offset = in.u64();
        view.cuts.push_back({offset, in.u64()});
    }
    return finished(in, std::move(view));
}

std::string encode(const Message& message) {
    Writer out;
    out.u32(message.references);
    out.u8(static_cast<std::uint8_t>(message.place));
    out.u64(message.size_octets);
    out.octets({reinterpret_cast<const char*>(message.sha256.data()), message.sha256.size()});
    return out.take();
}

std::optional<Message> decode_message(std::string_view value) {
    Reader in(value);
    Message message;
    message.references = in.u32();
    const auto place = in.u8();
    in.require(place == 1 || place == 2);
    message.place = place == 2 ? BodyPlace::file : BodyPlace::row;
    message.size_octets = in.u64();
    const auto digest = in.octets(message.sha256.size());
    std::ranges::transform(digest, message.sha256.begin(), [](char c) {
        return static_cast<unsigned char>(c);
    });
    return finished(in, message);
}

std::string encode(const Account& account) {
    Writer out;
    out.u64(static_cast<std::uint64_t>(account.created_seconds));
    out.text32(account.password_hash);
    out.text32(account.scram_sha256);
    return out.take();
}

std::optional<Account> decode_account(std::string_view address, std::string_view value) {
    Reader in(value);
    Account account;
    account.address = address;
    account.created_seconds = static_cast<std::int64_t>(in.u64());
    account.password_hash = in.text32();
    account.scram_sha256 = in.text32();
    return finished(in, std::move(account));
}

std::string ledger_key(LedgerRow row, const RecordId& id) {
    return static_cast<char>(row) + std::string(id_key(id));
}

std::optional<std::pair<LedgerRow, RecordId>> parse_ledger_key(std::string_view key) {
    const auto id = key.empty() ? std::nullopt : RecordId::from_octets(key.substr(1));
    if (!id) return std::nullopt;
    for (const LedgerRow row : {LedgerRow::kept, LedgerRow::labels, LedgerRow::releases})
        if (key.front() == static_cast<char>(row)) return std::pair(row, *id);
    return std::nullopt;
}

std::string encode(const Kept& kept) {
    Writer out;
    out.u32(kept.uid);
    out.texts(kept.recipients);
    return out.take();
}

std::optional<Kept> decode_kept(std::string_view value) {
    Reader in(value);
    Kept kept;
    kept.uid = in.u32();
    kept.recipients = in.texts();
    return finished(in, std::move(kept));
}

std::string encode_marks(const std::vector<LedgerMark>& marks) {
    Writer out;
    out.u16(static_cast<std::uint16_t>(marks.size()));
    for (const LedgerMark& mark : marks) {
        out.u8(static_cast<std::uint8_t>(mark.kind));
        out.time(mark.time);
        out.text16(mark.by);
        out.texts(mark.to);
    }
    return out.take();
}

std::optional<std::vector<LedgerMark>> decode_marks(std::string_view value) {
    Reader in(value);
    std::vector<LedgerMark> marks;
    for (std::uint16_t left = in.u16(); left != 0 && in.is_good(); --left) {
        LedgerMark& mark = marks.emplace_back();
        const std::uint8_t kind = in.u8();
        in.require(kind >= 1 && kind <= static_cast<std::uint8_t>(LedgerMark::Kind::undone));
        mark.kind = static_cast<LedgerMark::Kind>(kind);
        mark.time = in.time();
        mark.by = in.text16();
        mark.to = in.texts();
    }
    return finished(in, std::move(marks));
}

std::string encode_redaction_key(std::string_view octets) {
    Writer out;
    out.octets(octets);
    return out.take();
}

std::optional<std::string> decode_redaction_key(std::string_view value) {
    Reader in(value);
    return finished(in, std::string(in.octets(redaction_key_octets)));
}

std::string encode_kept_mark() {
    return Writer().take();
}

std::string encode(const DecisionLog::Folded& folded) {
    Writer out;
    out.u64(folded.count);
    out.time(folded.last);
    return out.take();
}

std::optional<DecisionLog::Folded> decode_folded(std::string_view value) {
    Reader in(value);
    DecisionLog::Folded folded;
    folded.count = in.u64();
    folded.last = in.time();
    return finished(in, folded);
}

std::string encode_remembered(WallTime until, std::string_view value) {
    Writer out;
    out.time(until);
    out.octets(value);
    return out.take();
}

std::optional<Remembered> decode_remembered(std::string_view value) {
    Reader in(value);
    Remembered remembered;
    remembered.until = in.time();
    if (!in.is_good()) return std::nullopt;
    remembered.value = in.rest();
    return remembered;
}

std::string encode_decision(std::string_view octets) {
    std::string value(1, static_cast<char>(decision_version));
    value += octets;
    return value;
}

std::optional<std::string_view> decode_decision(std::string_view value) {
    if (!value.empty() && static_cast<std::uint8_t>(value.front()) == decision_version)
        return value.substr(1);
    Reader in(value);
    in.text32();
    if (!in.is_good()) return std::nullopt;
    return in.rest();
}

std::uint16_t day_of(const RecordId& id) {
    const auto days = std::chrono::duration_cast<std::chrono::days>(id.time().time_since_epoch()).count();
    return static_cast<std::uint16_t>(std::min<std::int64_t>(days, std::numeric_limits<std::uint16_t>::max())
    );
}

std::string day_key(std::uint16_t day) {
    Writer out{Writer::Key()};
    out.u16(day);
    return out.take();
}

std::string answer_key(std::uint16_t day, std::string_view name) {
    return day_key(day).append(name);
}

std::string index_prefix(std::uint16_t day, RecordIndex index, std::string_view value) {
    // FNV-1a: two values of one hash cost whoever looks for one of them a look at the other's records.
    std::uint64_t hash = 14695981039346656037ULL;
    for (const char c : value)
        hash = (hash ^ static_cast<unsigned char>(lower_case(c))) * 1099511628211ULL;
    Writer out{Writer::Key()};
    out.u16(day);
    out.u8(static_cast<std::uint8_t>(index));
    out.u64(hash);
    return out.take();
}

std::optional<std::string_view> decode_body(std::string_view value) {
    Reader in(value);
    if (!in.is_good()) return std::nullopt;
    return in.rest();
}

std::optional<std::uint64_t> served_size(
    std::uint64_t body_octets, std::uint64_t prefix_octets, const std::vector<CutRange>& cuts
) {
    std::uint64_t end = 0;
    std::uint64_t removed = 0;
    for (const CutRange& cut : cuts) {
        if (cut.offset < end || cut.offset > body_octets || cut.length > body_octets - cut.offset)
            return std::nullopt;
        end = cut.offset + cut.length;
        removed += cut.length;
    }
    return prefix_octets + body_octets - removed;
}

}  // namespace wicket::rows
