// The one writer of the mail database. Deliveries that wait are merged into one synced batch; UIDs are given
// out where the batch is built. Owns its threads: the committer, a few that write large bodies before their
// batch, and one that answers what was refused at the door, so that no caller ever runs a callback. Any
// thread.
#pragma once

#include "store/blob_files.hpp"
#include "store/disk_reserve.hpp"
#include "store/mail_store.hpp"
#include "store/record_rows.hpp"
#include "store/row_codec.hpp"
#include "store/tables.hpp"

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

namespace wicket {

// Above this a body is a file: the WAL would write it twice (format.md).
inline constexpr std::uint64_t blob_file_limit_octets = message_inline_limit_octets;
// One batch: at most a few milliseconds of disk, so that the first in it does not wait long for the last.
inline constexpr std::size_t batch_limit_octets = 4U << 20U;
inline constexpr std::size_t batch_limit_messages = 512;
// What may wait: two or three seconds of a slow disk's work. More would wait longer than a client does.
inline constexpr std::size_t queue_limit_octets = 64U << 20U;
inline constexpr std::size_t queue_limit_messages = 4096;

class Committer {
public:
    /// The mail database's next numbers are read here. `sync` as in StoreOptions.
    static Result<std::unique_ptr<Committer>> start(
        Database& database, BlobFiles& blobs, DiskReserve& reserve, const Clock& clock, Database::Sync sync
    );
    ~Committer();
    Committer(const Committer&) = delete;
    Committer& operator=(const Committer&) = delete;

    /// As MailStore::deliver.
    void deliver(Delivery delivery, DeliverCallback callback);

    /// What a task does beside its batch, once that is synced: blobs to unlink, mailboxes to forget.
    struct Aftermath {
        std::vector<RecordId> blobs;
        std::vector<std::string> forgotten_mailboxes;  // keys of mailbox names
    };
    /// Fills a batch from what the database holds; nothing else writes meanwhile.
    using Task = std::function<Result<>(Committer&, const Database::Use&, rocksdb::WriteBatch&, Aftermath&)>;
    /// Runs the task on the committer's thread, in a batch of its own. Blocks until it is synced.
    Result<> run(Task task);

    /// For tasks: the mailbox of this key, given a number if there is none. Whoever uses it writes its row.
    Result<rows::MailboxName*> mailbox(const Database::Use& use, const std::string& key);

    /// As MailStore::writable. Tasks are run also while room is short.
    Result<> writable() const;
    /// The keeper's: if the disk refused something, tries whether it still does.
    void try_to_recover();
    /// Finishes what was handed in; later calls fail with `unavailable`.
    void close();

private:
    struct Waiting {
        Delivery delivery;
        DeliverCallback callback;
        std::size_t octets = 0;
        rows::BodyPlace place = rows::BodyPlace::row;
        std::vector<Uid> uids;
    };
    struct WaitingTask {
        Task task;
        std::function<void(Result<>)> done;
    };

    Committer(
        Database& database, BlobFiles& blobs, DiskReserve& reserve, const Clock& clock, Database::Sync sync
    );

    void commit_until_closed();
    void write_blobs_until_closed();
    void answer_until_closed();
    void commit(std::vector<Waiting>& group);
    void perform(WaitingTask& task);
    Result<> add(const Database::Use& use, rocksdb::WriteBatch& batch, std::set<RecordId>& ids, Waiting& one);
    Result<> add_message(
        const Database::Use& use, rocksdb::WriteBatch& batch, std::set<RecordId>& ids, const Waiting& one
    );
    Result<> check_owners(const Database::Use& use, const Delivery& delivery) const;
    Result<> write(const Database::Use& use);
    void finish(Waiting& one, Result<> outcome);
    void refuse(DeliverCallback callback, Error error);
    void note_failure(const Error& error);
    Result<> is_working() const;
    void resolve_doubtful_blobs();

    Database& database_;
    BlobFiles& blobs_;
    DiskReserve& reserve_;
    const Clock& clock_;
    Database::Sync sync_;

    // The committer's thread only.
    std::unordered_map<std::string, rows::MailboxName> mailboxes_;
    rows::Counters counters_;
    bool counters_are_written_ = true;
    rocksdb::WriteBatch batch_;
    RecordRows records_{mail_records};

    mutable std::mutex mutex_;
    std::condition_variable work_;
    std::condition_variable blob_work_;
    std::condition_variable answer_work_;
    std::deque<Waiting> queue_;
    std::deque<WaitingTask> tasks_;
    std::deque<Waiting> blob_queue_;
    std::deque<std::function<void()>> answers_;
    std::size_t waiting_octets_ = 0;  // of all deliveries not yet answered
    std::size_t waiting_messages_ = 0;
    std::size_t blobs_in_work_ = 0;
    std::optional<Error> failure_;  // the disk's last refusal, until it takes writes again
    std::vector<RecordId>
        doubtful_blobs_;  // files of batches that failed: nobody knows yet whether a row refers to them
    bool is_closing_ = false;
    bool answers_are_closing_ = false;

    std::mutex joining_;
    std::vector<std::thread> blob_threads_;
    std::thread commit_thread_;
    std::thread answer_thread_;
};

}  // namespace wicket
