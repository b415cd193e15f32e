#include "store/rocks_quarantine.hpp"

#include "base/random.hpp"
#include "store/rocks_mail_store.hpp"
#include "store/row_codec.hpp"

#include <algorithm>
#include <array>
#include <limits>

namespace wicket {
namespace {

// Removed or indexed in one batch: some milliseconds, in which mail waits.
constexpr std::size_t quarantine_batch_limit = 256;

Result<std::vector<LedgerMark>> read_marks(
    const Database::Use& use, rocksdb::ReadOptions options, rows::LedgerRow row, const RecordId& id
) {
    std::string value;
    const auto status = use->Get(options, use[MailTable::meta], rows::ledger_key(row, id), &value);
    if (status.IsNotFound()) return std::vector<LedgerMark>();
    if (!status.ok())
        return std::unexpected(to_error("cannot read what was done with " + id.to_string(), status));
    auto marks = rows::decode_marks(value);
    if (!marks)
        return failure(ErrorCode::corrupt, "the row of what was done with " + id.to_string() + " is damaged");
    return std::move(*marks);
}

Result<rows::Kept> read_kept(const Database::Use& use, const RecordId& id) {
    std::string value;
    const auto status =
        use->Get({}, use[MailTable::meta], rows::ledger_key(rows::LedgerRow::kept, id), &value);
    if (!status.ok()) return std::unexpected(to_error(id.to_string() + " is not in the quarantine", status));
    auto kept = rows::decode_kept(value);
    if (!kept)
        return failure(ErrorCode::corrupt, "the quarantine's row of " + id.to_string() + " is damaged");
    return std::move(*kept);
}

rows::LedgerRow row_of(LedgerNote note) {
    switch (note) {
        case LedgerNote::kept: return rows::LedgerRow::kept;
        case LedgerNote::labelled: return rows::LedgerRow::labels;
        case LedgerNote::released: return rows::LedgerRow::releases;
    }
    std::unreachable();
}

void put_marks(
    const Database::Use& use,
    rocksdb::WriteBatch& batch,
    rows::LedgerRow row,
    const RecordId& id,
    std::vector<LedgerMark> marks
) {
    if (marks.size() > ledger_marks_limit)
        marks.erase(marks.begin(), marks.end() - static_cast<std::ptrdiff_t>(ledger_marks_limit));
    batch.Put(use[MailTable::meta], rows::ledger_key(row, id), rows::encode_marks(marks))
        .PermitUncheckedError();
}

Result<rows::MailboxEntry> read_entry(const Database::Use& use, std::uint64_t mailbox, Uid uid) {
    std::string value;
    const auto status =
        use->Get({}, use[MailTable::mailboxes], rows::mailbox_entry_key(mailbox, uid), &value);
    if (!status.ok()) return std::unexpected(to_error("the message is not in the quarantine", status));
    const auto entry = rows::decode_mailbox_entry(value);
    if (!entry) return failure(ErrorCode::corrupt, "a row of the quarantine is damaged");
    return *entry;
}

/// One message on its way from the quarantine into mailboxes.
class Move {
public:
    Move(Committer& committer, const Database::Use& use, rocksdb::WriteBatch& batch)
        : committer_(committer), use_(use), batch_(batch) {}

    Result<> read(std::uint64_t mailbox, Uid uid, const RecordId& id) {
        auto entry = read_entry(use_, mailbox, uid);
        if (!entry) return std::unexpected(entry.error());
        entry_ = *entry;
        std::string value;
        auto status = use_->Get({}, use_[MailTable::views], rows::view_key(mailbox, uid), &value);
        auto view = status.ok() ? rows::decode_view(value) : std::nullopt;
        if (!view) return failure(ErrorCode::corrupt, "the view of a message in the quarantine is damaged");
        view_ = std::move(*view);
        status = use_->Get({}, use_[MailTable::messages], rocksdb::Slice(rows::id_key(id)), &value);
        const auto message = status.ok() ? rows::decode_message(value) : std::nullopt;
        if (!message || entry_.id != id)
            return failure(ErrorCode::corrupt, "the row of message " + id.to_string() + " is damaged");
        message_ = *message;
        return {};
    }

    Result<> add(const ReleaseTarget& target) {
        if (target.owner == MailboxOwner::account) {
            std::string value;
            const auto status = use_->Get({}, use_[MailTable::accounts], target.account, &value);
            if (status.IsNotFound())
                return failure(ErrorCode::not_found, "there is no account " + target.account);
            if (!status.ok()) return std::unexpected(to_error("cannot read the row of an account", status));
        }
        const std::string prefix = target.first_lines + view_.prefix;
        const auto size = rows::served_size(message_.size_octets, prefix.size(), view_.cuts);
        if (!size)
            return failure(ErrorCode::corrupt, "the cuts of a message in the quarantine do not fit it");
        const std::string key = rows::mailbox_name_key(target.account, "INBOX");
        const auto name = committer_.mailbox(use_, key);
        if (!name) return std::unexpected(name.error());
        if ((*name)->next_uid == std::numeric_limits<Uid>::max())
            return failure(ErrorCode::no_space, "a mailbox has no UIDs left");
        const Uid uid = (*name)->next_uid++;
        batch_.Put(use_[MailTable::mailboxes], key, rows::encode(**name)).PermitUncheckedError();
        batch_
            .Put(
                use_[MailTable::mailboxes],
                rows::mailbox_entry_key((*name)->number, uid),
                rows::encode(rows::MailboxEntry{entry_.id, *size, entry_.received})
            )
            .PermitUncheckedError();
        batch_
            .Put(
                use_[MailTable::views],
                rows::view_key((*name)->number, uid),
                rows::encode_view(prefix, view_.cuts)
            )
            .PermitUncheckedError();
        message_.references += 1;
        return {};
    }

    void finish() {
        batch_.Put(use_[MailTable::messages], rocksdb::Slice(rows::id_key(entry_.id)), rows::encode(message_))
            .PermitUncheckedError();
    }

private:
    Committer& committer_;
    const Database::Use& use_;
    rocksdb::WriteBatch& batch_;
    rows::MailboxEntry entry_;
    rows::View view_;
    rows::Message message_;
};

}  // namespace

LedgerMark label_of(const std::vector<LedgerMark>& marks) {
    std::vector<LedgerMark> labels;
    for (const LedgerMark& mark : marks) {
        if (mark.kind == LedgerMark::Kind::ham || mark.kind == LedgerMark::Kind::spam)
            labels.push_back(mark);
        else if (mark.kind == LedgerMark::Kind::undone && !labels.empty())
            labels.pop_back();
    }
    return labels.empty() ? LedgerMark{.kind = LedgerMark::Kind::undone, .time = {}, .by = {}, .to = {}}
                          : labels.back();
}

RocksQuarantine::RocksQuarantine(Database& database, Committer* committer, const DiskReserve* reserve)
    : database_(database), committer_(committer), reserve_(reserve) {}

Result<> RocksQuarantine::change(const Committer::Task& task) {
    if (committer_ == nullptr) return failure(ErrorCode::unavailable, "the store is open for reading only");
    return committer_->run(task);
}

Result<> RocksQuarantine::has_room() const {
    if (reserve_ == nullptr) return failure(ErrorCode::unavailable, "the store is open for reading only");
    if (reserve_->has_spare_room()) return {};
    return failure(ErrorCode::no_space, "the disk is getting full, and what is left is for good mail");
}

/// not_found if nothing was ever kept.
Result<RocksQuarantine::Mailbox> RocksQuarantine::mailbox(const Database::Use& use) const {
    std::string value;
    const auto status = use->Get(
        {}, use[MailTable::mailboxes], rows::mailbox_name_key(quarantine_account, quarantine_mailbox), &value
    );
    if (!status.ok()) return std::unexpected(to_error("the quarantine is empty", status));
    const auto name = rows::decode_mailbox_name(value);
    if (!name) return failure(ErrorCode::corrupt, "the row of the quarantine's mailbox is damaged");
    return Mailbox{name->number, name->next_uid};
}

Result<KeptMessage> RocksQuarantine::find(const RecordId& id) {
    const auto use = database_.use();
    if (!use) return failure(ErrorCode::unavailable, "the store is closed");
    auto kept = read_kept(use, id);
    if (!kept) return std::unexpected(kept.error());
    const auto found = mailbox(use);
    if (!found) return std::unexpected(found.error());
    const auto entry = read_entry(use, found->number, kept->uid);
    if (!entry) return std::unexpected(entry.error());
    return KeptMessage{kept->uid, entry->size_octets, entry->received, std::move(kept->recipients)};
}

Result<std::vector<RecordId>> RocksQuarantine::noted(
    LedgerNote note, const RecordId& from, std::size_t limit
) {
    const auto use = database_.use();
    if (!use) return failure(ErrorCode::unavailable, "the store is closed");
    const rows::LedgerRow row = row_of(note);
    const std::string end(1, static_cast<char>(static_cast<char>(row) + 1));
    const rocksdb::Slice bound(end);
    rocksdb::ReadOptions options;
    options.iterate_upper_bound = &bound;
    std::vector<RecordId> ids;
    const std::unique_ptr<rocksdb::Iterator> at(use->NewIterator(options, use[MailTable::meta]));
    for (at->Seek(rows::ledger_key(row, from)); at->Valid() && ids.size() < limit; at->Next())
        if (const auto key = rows::parse_ledger_key(at->key().ToStringView())) ids.push_back(key->second);
    if (!at->status().ok()) return std::unexpected(to_error("cannot read the ledger", at->status()));
    return ids;
}

Result<std::vector<LedgerMark>> RocksQuarantine::marks(const RecordId& id) {
    const auto use = database_.use();
    if (!use) return failure(ErrorCode::unavailable, "the store is closed");
    auto all = read_marks(use, {}, rows::LedgerRow::releases, id);
    if (!all) return all;
    auto labels = read_marks(use, {}, rows::LedgerRow::labels, id);
    if (!labels) return labels;
    all->insert(all->end(), labels->begin(), labels->end());
    return all;
}

Result<std::vector<std::string>> RocksQuarantine::release(
    const RecordId& id, const std::vector<ReleaseTarget>& targets, LedgerMark mark
) {
    mark.kind = LedgerMark::Kind::released;
    auto done = change(
        [&](Committer& committer, const Database::Use& use, rocksdb::WriteBatch& batch, Committer::Aftermath&)
            -> Result<> {
            mark.to.clear();
            auto marks = read_marks(use, {}, rows::LedgerRow::releases, id);
            if (!marks) return std::unexpected(marks.error());
            std::vector<const ReleaseTarget*> wanted;
            for (const ReleaseTarget& target : targets) {
                const auto has_it = [&](const LedgerMark& earlier) {
                    return std::ranges::find(earlier.to, target.account) != earlier.to.end();
                };
                if (std::ranges::any_of(*marks, has_it)) continue;
                if (std::ranges::find(mark.to, target.account) != mark.to.end()) continue;
                wanted.push_back(&target);
                mark.to.push_back(target.account);
            }
            if (wanted.empty()) return {};
            const auto kept = read_kept(use, id);
            if (!kept) return std::unexpected(kept.error());
            const auto found = mailbox(use);
            if (!found) return std::unexpected(found.error());
            Move move(committer, use, batch);
            if (auto read = move.read(found->number, kept->uid, id); !read) return read;
            for (const ReleaseTarget* target : wanted)
                if (auto added = move.add(*target); !added) return added;
            move.finish();
            marks->push_back(mark);
            put_marks(use, batch, rows::LedgerRow::releases, id, std::move(*marks));
            return {};
        }
    );
    if (!done) return std::unexpected(done.error());
    return mark.to;
}

Result<> RocksQuarantine::label(const RecordId& id, LedgerMark mark) {
    return change(
        [&](Committer&, const Database::Use& use, rocksdb::WriteBatch& batch, Committer::Aftermath&)
            -> Result<> {
            auto marks = read_marks(use, {}, rows::LedgerRow::labels, id);
            if (!marks) return std::unexpected(marks.error());
            const LedgerMark now = label_of(*marks);
            if (mark.kind == LedgerMark::Kind::undone && now.kind == LedgerMark::Kind::undone)
                return failure(ErrorCode::not_found, id.to_string() + " has no label");
            if (mark.kind == now.kind) return {};
            marks->push_back(mark);
            put_marks(use, batch, rows::LedgerRow::labels, id, std::move(*marks));
            return {};
        }
    );
}

Result<std::string> RocksQuarantine::redaction_key() {
    const auto read = [](const Database::Use& use) -> Result<std::string> {
        std::string value;
        const auto status = use->Get({}, use[MailTable::meta], rocksdb::Slice(rows::redaction_key), &value);
        if (!status.ok()) return std::unexpected(to_error("there is no key of redaction", status));
        auto key = rows::decode_redaction_key(value);
        if (!key) return failure(ErrorCode::corrupt, "the key of redaction is damaged");
        return std::move(*key);
    };
    {
        const auto use = database_.use();
        if (!use) return failure(ErrorCode::unavailable, "the store is closed");
        auto key = read(use);
        if (key || key.error().code != ErrorCode::not_found || committer_ == nullptr) return key;
    }
    std::string made;
    auto done = change(
        [&](Committer&, const Database::Use& use, rocksdb::WriteBatch& batch, Committer::Aftermath&)
            -> Result<> {
            if (auto key = read(use); key) {
                made = *key;
                return {};
            }
            std::array<unsigned char, rows::redaction_key_octets> octets{};
            fill_random(octets);
            made.assign(octets.begin(), octets.end());
            batch
                .Put(
                    use[MailTable::meta],
                    rocksdb::Slice(rows::redaction_key),
                    rows::encode_redaction_key(made)
                )
                .PermitUncheckedError();
            return {};
        }
    );
    if (!done) return std::unexpected(done.error());
    return made;
}

Result<> RocksQuarantine::index_older() {
    std::vector<MailboxRow> older;
    {
        const auto use = database_.use();
        if (!use) return failure(ErrorCode::unavailable, "the store is closed");
        std::string value;
        const auto status = use->Get({}, use[MailTable::meta], rocksdb::Slice(rows::kept_key), &value);
        if (status.ok()) return {};
        if (!status.IsNotFound())
            return std::unexpected(to_error("cannot read the quarantine's row", status));
        const auto found = mailbox(use);
        if (!found && found.error().code != ErrorCode::not_found) return std::unexpected(found.error());
        if (found) {
            auto rows = entries_of(
                use, found->number, found->next_uid, std::numeric_limits<std::size_t>::max(), [](Uid) {}
            );
            if (!rows) return std::unexpected(rows.error());
            older = std::move(*rows);
        }
    }
    for (std::size_t from = 0; from <= older.size(); from += quarantine_batch_limit) {
        const std::size_t end = std::min(from + quarantine_batch_limit, older.size());
        auto done = change(
            [&](Committer&, const Database::Use& use, rocksdb::WriteBatch& batch, Committer::Aftermath&)
                -> Result<> {
                for (std::size_t at = from; at < end; ++at) {
                    const std::string key = rows::ledger_key(rows::LedgerRow::kept, older[at].id);
                    std::string value;
                    if (use->Get({}, use[MailTable::meta], key, &value).ok()) continue;
                    batch.Put(
                             use[MailTable::meta], key, rows::encode(rows::Kept{older[at].uid, {}})
                    ).PermitUncheckedError();
                }
                if (end == older.size())
                    batch.Put(use[MailTable::meta], rocksdb::Slice(rows::kept_key), rows::encode_kept_mark())
                        .PermitUncheckedError();
                return {};
            }
        );
        if (!done) return done;
    }
    return {};
}

}  // namespace wicket
