#include "store/database.hpp"

#include "base/log.hpp"
#include "base/thread.hpp"
#include "store/database_manifest.hpp"
#include "store/row_codec.hpp"
#include "store/secondary_folder.hpp"

#include <rocksdb/env.h>
#include <rocksdb/file_system.h>
#include <rocksdb/listener.h>

#include <algorithm>
#include <array>
#include <cstdarg>
#include <cstdio>
#include <utility>

namespace wicket {

namespace {

// As large as a good batch: a disk that takes this much takes mail again.
constexpr std::size_t probe_octets = 256U << 10U;

// All tables are flushed when the log reaches this size, so that it can be dropped and recovery stays short.
// As much as the bodies' buffer, which is flushed at that size anyway: a greater log would only need more
// room to recover.
constexpr std::uint64_t wal_limit_octets = 64ULL << 20U;

// Opening writes the logs as tables, and some small files beside them.
constexpr std::uint64_t opening_octets = 2ULL << 20U;

// More than this is not kept free for merging: on a large disk that would be too much of it.
constexpr std::uint64_t compaction_limit_octets = 1ULL << 30U;

// What is written is sent to the disk in pieces of this size, which it takes in a few milliseconds.
constexpr std::uint64_t written_back_octets = 512U << 10U;

// Of flushing and merging: beside busy event loops it is still a tenth of a processor; 5,000 refusals a
// second were measured to need half of that.
constexpr int background_nice = 10;

}  // namespace

Error to_error(std::string_view what, const rocksdb::Status& status) {
    auto code = ErrorCode::io;
    if (status.IsNoSpace() || status.subcode() == rocksdb::Status::kSpaceLimit)
        code = ErrorCode::no_space;
    else if (status.IsCorruption())
        code = ErrorCode::corrupt;
    else if (status.IsNotFound() || status.IsPathNotFound())
        code = ErrorCode::not_found;
    else if (status.IsBusy())
        code = ErrorCode::busy;
    else if (status.IsInvalidArgument() || status.IsNotSupported())
        code = ErrorCode::invalid;
    else if (status.IsShutdownInProgress())
        code = ErrorCode::unavailable;
    return {code, std::string(what) + ": " + status.ToString()};
}

struct Database::Handle {
    std::unique_ptr<rocksdb::DB> db;
    std::vector<rocksdb::ColumnFamilyHandle*> tables;
    bool is_writer = false;

    Handle() = default;
    Handle(const Handle&) = delete;
    Handle& operator=(const Handle&) = delete;
    ~Handle() {
        if (!db) return;
        // The first may stand for others, too.
        for (std::size_t at = 0; at < tables.size(); ++at)
            if (at == 0 || tables[at] != tables[0])
                db->DestroyColumnFamilyHandle(tables[at]).PermitUncheckedError();
        db->Close().PermitUncheckedError();
    }
};

/// Hears of errors in the background, and keeps RocksDB from recovering by itself: it would go on without the
/// checks of recover(). RocksDB's own threads give way to those that mail waits for.
class Database::Listener : public rocksdb::EventListener {
public:
    explicit Listener(std::atomic<bool>& failed) : failed_(failed) {}

    void OnBackgroundError(rocksdb::BackgroundErrorReason /*reason*/, rocksdb::Status* /*error*/) override {
        failed_.store(true, std::memory_order_release);
    }
    void OnErrorRecoveryBegin(
        rocksdb::BackgroundErrorReason /*reason*/, rocksdb::Status /*error*/, bool* auto_recovery
    ) override {
        *auto_recovery = false;
    }
    void OnFlushBegin(rocksdb::DB* /*db*/, const rocksdb::FlushJobInfo& /*job*/) override { give_way(); }
    void OnCompactionBegin(rocksdb::DB* /*db*/, const rocksdb::CompactionJobInfo& /*job*/) override {
        give_way();
    }

private:
    static void give_way() {
        static thread_local bool is_done = false;
        if (std::exchange(is_done, true)) return;
        work_in_background(background_nice);
    }

    std::atomic<bool>& failed_;
};

/// RocksDB's warnings go to our log. A log file of its own would stand on the same disk, and RocksDB asserts
/// that a file that could not be written, as when the disk is full, is not written again.
class Database::RocksLog : public rocksdb::Logger {
public:
    RocksLog(std::string folder, rocksdb::InfoLogLevel least)
        : rocksdb::Logger(least), folder_(std::move(folder)) {}

    using rocksdb::Logger::Logv;
    void Logv(rocksdb::InfoLogLevel level, const char* format, va_list arguments) override {
        if (level < GetInfoLogLevel() || level == rocksdb::InfoLogLevel::HEADER_LEVEL) return;
        std::array<char, 1024> text;
        if (std::vsnprintf(text.data(), text.size(), format, arguments) < 0) return;
        const std::string_view line(text.data());
        const auto our_level =
            level == rocksdb::InfoLogLevel::WARN_LEVEL ? LogLevel::warning : LogLevel::error;
        log_line(
            our_level,
            "rocksdb",
            {
                {"folder", folder_},
                {"text", line.substr(0, line.find_last_not_of('\n') + 1)}
        }
        );
    }

private:
    std::string folder_;
};

bool Database::Use::is_writer() const {
    return handle_->is_writer;
}

rocksdb::DB* Database::Use::operator->() const {
    return handle_->db.get();
}

rocksdb::DB* Database::Use::get() const {
    return handle_->db.get();
}

rocksdb::ColumnFamilyHandle* Database::Use::table(std::size_t index) const {
    return handle_->tables.at(index);
}

Database::Database(Setup setup)
    : setup_(std::move(setup)),
      env_(setup_.env != nullptr ? setup_.env : rocksdb::Env::Default()),
      listener_(std::make_shared<Listener>(failed_)) {
    options_.env = env_;
    options_.create_if_missing = true;
    options_.create_missing_column_families = true;
    options_.paranoid_checks = true;
    options_.max_open_files = -1;  // a secondary instance needs its files open: the writer may delete them
    options_.max_background_jobs = 2;
    options_.max_total_wal_size = wal_limit_octets;
    // No room is taken in advance, so that what is free is what can be used.
    options_.allow_fallocate = false;
    options_.max_manifest_file_size = 16U << 20U;
    options_.max_bgerror_resume_count = 0;  // recover() does it, with its checks
    // Else the kernel gathers seconds of refusals, and the next message waits until all of it is on the disk.
    options_.bytes_per_sync = written_back_octets;
    options_.wal_bytes_per_sync = written_back_octets;
    options_.stats_dump_period_sec = 0;
    options_.stats_persist_period_sec = 0;
    options_.info_log = std::make_shared<RocksLog>(
        setup_.folder,
        // Who reads what another writes takes his log as writes of his own, and would warn of their pace.
        setup_.mode == Mode::write ? rocksdb::InfoLogLevel::WARN_LEVEL : rocksdb::InfoLogLevel::ERROR_LEVEL
    );
    options_.listeners.push_back(listener_);
}

Database::~Database() {
    close();
}

Result<std::unique_ptr<Database>> Database::open(Setup setup) {
    const Mode mode = setup.mode;
    std::unique_ptr<Database> database(new Database(std::move(setup)));
    if (auto opened = database->open_handle(mode); !opened) {
        if (mode != Mode::write || opened.error().code != ErrorCode::no_space ||
            !database->open_for_reading())
            return std::unexpected(opened.error());
        log_error(
            "the disk has no room to open the store for writing: it is opened for reading until there is",
            {
                {"error", opened.error().message}
        }
        );
        database->failed_.store(true, std::memory_order_release);
    }
    if (auto checked = database->check_format(); !checked) return std::unexpected(checked.error());
    return database;
}

rocksdb::Status Database::open_writer(Handle& handle, rocksdb::WALRecoveryMode wal_mode) {
    rocksdb::DBOptions options = options_;
    options.wal_recovery_mode = wal_mode;
    // A lost log would be noticed; the salvaging open must not fail for it again.
    options.track_and_verify_wals_in_manifest =
        wal_mode != rocksdb::WALRecoveryMode::kSkipAnyCorruptedRecords;
    options.avoid_flush_during_recovery = !has_room_for_tables();
    std::vector<rocksdb::ColumnFamilyDescriptor> tables;
    for (const Table& table : setup_.tables) {
        tables.emplace_back(table.name, table.options);
        if (table.options.enable_blob_files) tables.back().options.disable_auto_compactions = true;
    }
    // Tables of a newer format must be opened too; check_format() then refuses.
    std::vector<std::string> existing;
    // RocksDB would make the folder, too, but complain in the log that it was not there.
    env_->CreateDirIfMissing(setup_.folder).PermitUncheckedError();
    if (env_->FileExists(setup_.folder + "/CURRENT").ok() &&
        rocksdb::DB::ListColumnFamilies(options, setup_.folder, &existing).ok()) {
        for (const std::string& name : existing) {
            if (std::ranges::find(setup_.tables, name, &Table::name) == setup_.tables.end())
                tables.emplace_back(name, rocksdb::ColumnFamilyOptions());
        }
    }
    rocksdb::DB* db = nullptr;
    auto status = rocksdb::DB::Open(options, setup_.folder, tables, &handle.tables, &db);
    handle.db.reset(db);
    handle.is_writer = status.ok();
    compaction_ = Compaction::off;
    return status;
}

rocksdb::Status Database::open_to_write(std::unique_ptr<Handle>& handle) {
    const bool is_synced = setup_.durability == Durability::synced;
    const auto wal_mode = is_synced ? rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords
                                    : rocksdb::WALRecoveryMode::kSkipAnyCorruptedRecords;
    auto status = open_writer(*handle, wal_mode);
    if (status.IsCorruption() && mend_manifest(*env_, setup_.folder)) {
        log_warning(
            "a power cut has torn a note about the store's files that nothing hung on yet: it is taken "
            "away",
            {
                {"folder", setup_.folder}
        }
        );
        handle = std::make_unique<Handle>();
        status = open_writer(*handle, wal_mode);
    }
    if (status.IsCorruption() && is_synced) {
        // A torn tail whose length reached the disk before its octets looks the same as damage.
        const std::string error = status.ToString();
        handle = std::make_unique<Handle>();
        status = open_writer(*handle, rocksdb::WALRecoveryMode::kSkipAnyCorruptedRecords);
        if (status.ok())
            log_warning(
                "part of the write-ahead log cannot be read and is left out: after a power cut that is a "
                "batch that was never acknowledged, otherwise damage; run `mailwicket verify`",
                {
                    {"folder", setup_.folder},
                    {"error",  error        }
            }
            );
    }
    return status;
}

Result<> Database::open_handle(Mode mode) {
    auto handle = std::make_unique<Handle>();
    rocksdb::Status status;
    if (mode == Mode::write) {
        status = open_to_write(handle);
    } else {
        if (!env_->FileExists(setup_.folder + "/CURRENT").ok())
            return failure(ErrorCode::not_found, "there is no store in " + setup_.folder);
        if (mode == Mode::snapshot) return open_for_reading();
        // RocksDB 7.8.3: a secondary instance reads values in blob files through a reference to a text that
        // is gone (the session id that ReactiveVersionSet hands on), which ends the process sooner or later.
        SecondaryFolder secondary;
        if (auto made = secondary.create(); !made) return made;
        rocksdb::DBOptions options = options_;
        options.create_if_missing = false;
        options.create_missing_column_families = false;
        options.listeners.clear();
        const auto tables = tables_there();
        rocksdb::DB* db = nullptr;
        status = rocksdb::DB::OpenAsSecondary(
            options, setup_.folder, secondary.path(), tables, &handle->tables, &db
        );
        handle->db.reset(db);
        if (status.ok()) fill_in_missing_tables(*handle);
    }
    if (!status.ok()) return std::unexpected(to_error("cannot open " + setup_.folder, status));
    handle_ = std::move(handle);
    return {};
}

Result<> Database::check_format() {
    const auto pinned = use();
    std::string value;
    auto status = pinned->Get({}, pinned.table(0), rocksdb::Slice(rows::format_key), &value);
    if (status.IsNotFound()) {
        if (!handle_->is_writer) return {};  // its writer has only just begun
        return write_format(pinned);
    }
    if (!status.ok()) return std::unexpected(to_error("cannot read the format's row", status));
    // The version octet of this one row never changes, so that any program can read the number.
    const auto number = rows::decode_format(value);
    if (!number) return failure(ErrorCode::corrupt, "the format's row of " + setup_.folder + " is damaged");
    if (*number > rows::format_number) {
        return failure(
            ErrorCode::invalid,
            setup_.folder + " was written by a newer version of mailwicket (format " +
                std::to_string(*number) + "; this one knows " + std::to_string(rows::format_number) +
                "): use that version, or restore a backup made before the upgrade"
        );
    }
    // Format 1 lacks tables, which were made when it was opened; its rows are read as they are.
    if (*number < rows::format_number && handle_->is_writer) return write_format(pinned);
    return {};
}

Result<> Database::write_format(const Use& pinned) {
    rocksdb::WriteBatch batch;
    const auto status = batch.Put(
        pinned.table(0), rocksdb::Slice(rows::format_key), rows::encode_format(rows::format_number)
    );
    if (!status.ok()) return std::unexpected(to_error("cannot write the format's row", status));
    return write(pinned, batch, setup_.durability == Durability::synced ? Sync::yes : Sync::no);
}

Result<> Database::write(const Use& use, rocksdb::WriteBatch& batch, Sync sync) {
    rocksdb::WriteOptions options;
    options.sync = sync == Sync::yes;
    const auto status = use->Write(options, &batch);
    if (status.ok()) return {};
    failed_.store(true, std::memory_order_release);
    return std::unexpected(to_error("cannot write to " + setup_.folder, status));
}

Result<> Database::try_disk() const {
    const auto& files = env_->GetFileSystem();
    const std::string path = setup_.folder + "/probe.tmp";
    rocksdb::FileOptions options;
    options.use_mmap_writes = false;
    std::unique_ptr<rocksdb::FSWritableFile> file;
    auto status = files->NewWritableFile(path, options, &file, nullptr);
    if (status.ok()) status = file->Append(std::string(probe_octets, '\0'), {}, nullptr);
    if (status.ok()) status = file->Fsync({}, nullptr);
    if (file) {
        const auto closed = file->Close({}, nullptr);
        if (status.ok()) status = closed;
    }
    files->DeleteFile(path, {}, nullptr).PermitUncheckedError();
    if (!status.ok()) return std::unexpected(to_error("the disk still refuses " + path, status));
    return {};
}

Result<std::uint64_t> Database::free_octets() const {
    std::uint64_t octets = 0;
    const auto status = env_->GetFileSystem()->GetFreeSpace(setup_.folder, {}, &octets, nullptr);
    if (!status.ok()) return std::unexpected(to_error("cannot see how full the disk is", status));
    return octets;
}

std::uint64_t Database::unflushed_octets() const {
    const auto pinned = use();
    std::uint64_t octets = 0;
    if (pinned) pinned->GetAggregatedIntProperty(rocksdb::DB::Properties::kCurSizeAllMemTables, &octets);
    return octets;
}

void Database::begin_flush() {
    const auto pinned = use();
    if (!pinned || !pinned.is_writer() || has_failed()) return;
    rocksdb::FlushOptions options;
    options.wait = false;
    options.allow_write_stall = true;
    pinned->Flush(options, handle_->tables).PermitUncheckedError();
}

bool Database::has_room_for_tables() const {
    const auto free = free_octets();
    if (!free) return true;
    const std::uint64_t logs = log_octets();
    return *free >= logs + logs / 8 + opening_octets;
}

std::uint64_t Database::compaction_octets() const {
    const auto pinned = use();
    std::uint64_t octets = 0;
    if (pinned) pinned->GetAggregatedIntProperty(rocksdb::DB::Properties::kTotalBlobFileSize, &octets);
    // Garbage collection moves what still lives in the older half of the files.
    return std::min(octets / 2, compaction_limit_octets);
}

void Database::set_compaction(Compaction wanted) {
    const auto pinned = use();
    if (!pinned || !pinned.is_writer() || has_failed() || compaction_.exchange(wanted) == wanted) return;
    const std::string off = wanted == Compaction::off ? "true" : "false";
    for (std::size_t at = 0; at < setup_.tables.size(); ++at) {
        if (!setup_.tables[at].options.enable_blob_files) continue;
        // What it says is of the file of options, which no one reads: the option is set in any case.
        pinned
            ->SetOptions(
                handle_->tables[at],
                {
                    {"disable_auto_compactions", off}
        }
            )
            .PermitUncheckedError();
    }
}

void Database::remove_left_overs() {
    const auto pinned = use();
    if (pinned && pinned.is_writer()) pinned->EnableFileDeletions(true).PermitUncheckedError();
}

std::uint64_t Database::log_octets() const {
    const auto& files = env_->GetFileSystem();
    std::vector<std::string> names;
    std::uint64_t sum = 0;
    if (!files->GetChildren(setup_.folder, {}, &names, nullptr).ok()) return 0;
    for (const std::string& name : names) {
        std::uint64_t octets = 0;
        if (name.ends_with(".log") &&
            files->GetFileSize(setup_.folder + "/" + name, {}, &octets, nullptr).ok())
            sum += octets;
    }
    return sum;
}

Result<> Database::try_log(Sync sync) {
    const auto pinned = use();
    if (!pinned) return failure(ErrorCode::unavailable, setup_.folder + " is closed");
    rocksdb::WriteBatch batch;
    batch.Put(pinned.table(0), rocksdb::Slice(rows::probe_key), rows::encode_probe(setup_.clock->wall()))
        .PermitUncheckedError();
    return write(pinned, batch, sync);
}

Result<> Database::reopen() {
    const std::unique_lock lock(mutex_);
    if (is_closed_) return failure(ErrorCode::unavailable, setup_.folder + " is closed");
    handle_.reset();
    auto opened = open_handle(Mode::write);
    if (opened) {
        log_info(
            "store opened anew after an error of the disk",
            {
                {"folder", setup_.folder}
        }
        );
        return opened;
    }
    // Reading must go on.
    if (const auto reading = open_for_reading(); !reading)
        log_error(
            "store closed: cannot even be read",
            {
                {"folder", setup_.folder          },
                {"error",  reading.error().message}
        }
        );
    return opened;
}

std::vector<rocksdb::ColumnFamilyDescriptor> Database::tables_there() const {
    std::vector<std::string> existing;
    const bool is_known = rocksdb::DB::ListColumnFamilies(options_, setup_.folder, &existing).ok();
    std::vector<rocksdb::ColumnFamilyDescriptor> tables;
    for (const Table& table : setup_.tables)
        if (!is_known || std::ranges::find(existing, table.name) != existing.end())
            tables.emplace_back(table.name, table.options);
    return tables;
}

// A store of an older format, read before a server of this one has opened it. The keys of no other table look
// like those of the first, so what is looked for in it is not found.
void Database::fill_in_missing_tables(Handle& handle) const {
    for (std::size_t at = 0; at < setup_.tables.size(); ++at) {
        const bool is_there =
            at < handle.tables.size() && handle.tables[at]->GetName() == setup_.tables[at].name;
        if (!is_there)
            handle.tables.insert(handle.tables.begin() + static_cast<std::ptrdiff_t>(at), handle.tables[0]);
    }
}

Result<> Database::open_for_reading() {
    auto handle = std::make_unique<Handle>();
    const auto tables = tables_there();
    rocksdb::DB* db = nullptr;
    // As the writer has it: else RocksDB would take back in the manifest what it has noted of the logs, which
    // it asserts not to do when it only reads.
    rocksdb::DBOptions options = options_;
    options.track_and_verify_wals_in_manifest = true;
    const auto status = rocksdb::DB::OpenForReadOnly(options, setup_.folder, tables, &handle->tables, &db);
    handle->db.reset(db);
    if (!status.ok()) return std::unexpected(to_error("cannot open " + setup_.folder, status));
    fill_in_missing_tables(*handle);
    handle_ = std::move(handle);
    return {};
}

// RocksDB's own Resume() is not used: after a failed append it may wait for a flush that nobody has begun,
// and what follows asserts that the log which has failed is not written again. Opening it anew reads the logs
// back, writes what they hold as tables and begins a new log; it takes about a second. Where there is no room
// for the tables the old logs stay beside the new one, so that owners can delete; mail has to wait for the
// tables (DiskReserve).
Result<> Database::recover(Sync sync) {
    remove_left_overs();
    if (auto tried = try_disk(); !tried) return tried;
    if (auto opened = reopen(); !opened) return opened;
    if (auto written = try_log(sync); !written) return written;
    failed_.store(false, std::memory_order_release);
    return {};
}

Result<> Database::catch_up() {
    const auto pinned = use();
    if (!pinned) return failure(ErrorCode::unavailable, setup_.folder + " is closed");
    if (setup_.mode != Mode::follow) return {};
    const auto status = pinned->TryCatchUpWithPrimary();
    if (!status.ok()) return std::unexpected(to_error("cannot catch up in " + setup_.folder, status));
    return {};
}

void Database::close() {
    const std::unique_lock lock(mutex_);
    if (handle_ && handle_->is_writer && !has_failed()) handle_->db->SyncWAL().PermitUncheckedError();
    handle_.reset();
    is_closed_ = true;
}

}  // namespace wicket
