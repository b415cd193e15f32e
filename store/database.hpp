// One RocksDB database: opened for writing, or for reading beside a writer; and brought back after the disk
// refused a write. Only this file, its source and those of store/ that read and write rows see RocksDB.
// Any thread; recover() on one. A Use pins the open database for one call: never hold two in one thread, nor
// across a callback of somebody else.
#pragma once

#include "base/clock.hpp"
#include "base/result.hpp"

#include <rocksdb/db.h>
#include <rocksdb/options.h>
#include <rocksdb/write_batch.h>

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <vector>

namespace wicket {

/// What RocksDB said, in our words.
Error to_error(std::string_view what, const rocksdb::Status& status);

class Database {
public:
    enum class Mode : std::uint8_t {
        write,
        follow,    // read beside a writer, and catch_up() with it. Not `bodies`: see open_handle()
        snapshot,  // read what there is now; a file that the writer replaces later may be missing
    };
    /// Whether what is acknowledged must survive: decides how the write-ahead log is read after a crash.
    enum class Durability : std::uint8_t { synced, unsynced };

    struct Table {
        std::string name;  // of the first: rocksdb::kDefaultColumnFamilyName
        rocksdb::ColumnFamilyOptions options;
    };
    struct Setup {
        std::string folder;
        rocksdb::Env* env = nullptr;  // nullptr: the machine's files
        Mode mode = Mode::write;
        Durability durability = Durability::synced;
        std::vector<Table> tables;
        const Clock* clock = nullptr;
    };

    /// invalid if a newer program wrote it; corrupt; not_found if there is none to read. If the disk has no
    /// room to open it for writing, it is opened for reading and has_failed() until recover() succeeds.
    static Result<std::unique_ptr<Database>> open(Setup setup);
    ~Database();
    Database(const Database&) = delete;
    Database& operator=(const Database&) = delete;

private:
    struct Handle;

public:
    class Use {
    public:
        /// False once the database is closed.
        explicit operator bool() const { return handle_ != nullptr; }
        /// A reader beside a writer takes no snapshots; it changes only in catch_up().
        bool is_writer() const;
        rocksdb::DB* operator->() const;
        rocksdb::DB* get() const;
        rocksdb::ColumnFamilyHandle* table(std::size_t index) const;
        template <class Enum>
        rocksdb::ColumnFamilyHandle* operator[](Enum index) const {
            return table(static_cast<std::size_t>(index));
        }

    private:
        friend class Database;
        Use(std::shared_mutex& mutex, const std::unique_ptr<Handle>& handle)
            : lock_(mutex), handle_(handle.get()) {}
        std::shared_lock<std::shared_mutex> lock_;
        const Handle* handle_;
    };
    Use use() const { return {mutex_, handle_}; }

    enum class Sync : std::uint8_t { yes, no };
    /// One batch, all or nothing. After a failure that the disk is to blame for, has_failed().
    Result<> write(const Use& use, rocksdb::WriteBatch& batch, Sync sync);

    /// The disk refused a write here or in the background, and recover() has not yet succeeded.
    bool has_failed() const { return failed_.load(std::memory_order_acquire); }
    /// Tries whether the disk writes again, and if so closes and opens the database, which begins a new
    /// write-ahead log: nothing that is acknowledged afterwards depends on a log whose sync once failed,
    /// unless there is no room to write as tables what the old ones hold. For reading only if nothing else
    /// can be done. Sync::no: the test that proves that syncs matter.
    Result<> recover(Sync sync);
    /// As far as the writer has written. Nothing to do for a writer.
    Result<> catch_up();
    /// Syncs what is written and closes. Later uses are false.
    void close();

    /// What is in memory and in the logs, but in no table yet.
    std::uint64_t unflushed_octets() const;
    /// Has it written as tables in the background, so that the logs can go.
    void begin_flush();
    /// Of the disk.
    Result<std::uint64_t> free_octets() const;
    /// What merging tables may write before it gives anything back: the blob values that it moves.
    std::uint64_t compaction_octets() const;
    /// Whether tables with blob values are merged in the background; not until it is said. A merge that finds
    /// no room leaves what it has written until recover().
    enum class Compaction : std::uint8_t { off, on };
    void set_compaction(Compaction wanted);

    rocksdb::Env* env() const { return env_; }
    const std::string& folder() const { return setup_.folder; }
    Mode mode() const { return setup_.mode; }

private:
    class Listener;
    class RocksLog;

    explicit Database(Setup setup);
    Result<> open_handle(Mode mode);
    void remove_left_overs();
    Result<> open_for_reading();
    std::vector<rocksdb::ColumnFamilyDescriptor> tables_there() const;
    void fill_in_missing_tables(Handle& handle) const;
    rocksdb::Status open_writer(Handle& handle, rocksdb::WALRecoveryMode wal_mode);
    /// Leaves out what a power cut has torn.
    rocksdb::Status open_to_write(std::unique_ptr<Handle>& handle);
    Result<> check_format();
    Result<> write_format(const Use& pinned);
    Result<> reopen();
    Result<> try_log(Sync sync);
    Result<> try_disk() const;
    std::uint64_t log_octets() const;
    bool has_room_for_tables() const;

    Setup setup_;
    rocksdb::Env* env_;
    std::shared_ptr<Listener> listener_;
    rocksdb::DBOptions options_;
    mutable std::shared_mutex mutex_;
    std::unique_ptr<Handle> handle_;  // also null while it can be opened in no way at all
    bool is_closed_ = false;
    std::atomic<Compaction> compaction_{Compaction::off};
    std::atomic<bool> failed_{false};
};

}  // namespace wicket
