// Quarantine on the mail database: the quarantine's mailbox, and the rows of meta beside it. Any thread;
// trim() on one.
#pragma once

#include "store/committer.hpp"
#include "store/quarantine.hpp"

#include <mutex>
#include <optional>
#include <string>

namespace wicket {

/// What trim() leaves.
struct QuarantineBounds {
    WallTime oldest_message{};
    std::uint64_t message_octets = 0;
    WallTime oldest_label{};
    std::uint64_t label_octets = 0;
    WallTime oldest_release{};
};

class RocksQuarantine : public Quarantine {
public:
    /// `committer`, `reserve`: nullptr for a reader.
    RocksQuarantine(Database& database, Committer* committer, const DiskReserve* reserve);

    Result<> has_room() const override;
    Result<KeptMessage> find(const RecordId& id) override;
    Result<std::vector<RecordId>> noted(LedgerNote note, const RecordId& from, std::size_t limit) override;
    Result<std::vector<LedgerMark>> marks(const RecordId& id) override;
    Result<std::vector<std::string>> release(
        const RecordId& id, const std::vector<ReleaseTarget>& targets, LedgerMark mark
    ) override;
    Result<> label(const RecordId& id, LedgerMark mark) override;
    Result<std::uint64_t> forget(const std::vector<RecordId>& ids) override;
    Result<std::string> redaction_key() override;

    /// Rows for what a version that had none has kept. Once; when the store is opened for writing.
    Result<> index_older();
    /// Removes what is too old or too much, oldest first, in batches that mail does not wait for long.
    Result<> trim(const QuarantineBounds& bounds);

private:
    struct Mailbox {
        std::uint64_t number = 0;
        Uid next_uid = 1;
    };
    Result<> change(const Committer::Task& task);
    Result<Mailbox> mailbox(const Database::Use& use) const;
    Result<> count_new(const Mailbox& mailbox);
    Result<std::vector<MailboxRow>> surplus(const Mailbox& mailbox, const QuarantineBounds& bounds);
    Result<> remove(const Mailbox& mailbox, const std::vector<MailboxRow>& gone);
    Result<> trim_marks(rows::LedgerRow row, WallTime oldest, std::uint64_t octets_limit);

    Database& database_;
    Committer* committer_;
    const DiskReserve* reserve_;

    std::mutex counting_;
    std::uint64_t octets_ = 0;  // of all messages up to counted_
    Uid counted_ = 0;
};

}  // namespace wicket
