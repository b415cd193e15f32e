#include "tests/support/store/fault_env.hpp"

#include <rocksdb/env.h>
#include <rocksdb/file_system.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <limits>
#include <optional>

namespace wicket::test {

namespace fs = std::filesystem;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

namespace {

constexpr std::uint64_t never = std::numeric_limits<std::uint64_t>::max();

struct FileState {
    std::uint64_t written = 0;
    std::uint64_t synced = 0;
    // A sync failed: what was written up to then never reaches the disk, whatever a later sync says.
    bool is_poisoned = false;
};

std::string folder_of(const std::string& path) {
    return fs::path(path).lexically_normal().parent_path().string();
}

std::string normal(const std::string& path) {
    return fs::path(path).lexically_normal().string();
}

}  // namespace

class FaultFileSystem : public rocksdb::FileSystemWrapper {
public:
    explicit FaultFileSystem(std::string graveyard)
        : FileSystemWrapper(rocksdb::FileSystem::Default()), graveyard_(std::move(graveyard)) {
        fs::create_directories(graveyard_);
    }

    const char* Name() const override { return "FaultFileSystem"; }

    IOStatus NewWritableFile(
        const std::string& path,
        const rocksdb::FileOptions& options,
        std::unique_ptr<rocksdb::FSWritableFile>* file,
        IODebugContext* debug
    ) override;
    IOStatus ReopenWritableFile(
        const std::string& path,
        const rocksdb::FileOptions& options,
        std::unique_ptr<rocksdb::FSWritableFile>* file,
        IODebugContext* debug
    ) override;
    IOStatus NewRandomAccessFile(
        const std::string& path,
        const rocksdb::FileOptions& options,
        std::unique_ptr<rocksdb::FSRandomAccessFile>* file,
        IODebugContext* debug
    ) override;
    IOStatus NewSequentialFile(
        const std::string& path,
        const rocksdb::FileOptions& options,
        std::unique_ptr<rocksdb::FSSequentialFile>* file,
        IODebugContext* debug
    ) override;
    IOStatus NewDirectory(
        const std::string& path,
        const IOOptions& options,
        std::unique_ptr<rocksdb::FSDirectory>* folder,
        IODebugContext* debug
    ) override;
    IOStatus DeleteFile(const std::string& path, const IOOptions& options, IODebugContext* debug) override;
    IOStatus RenameFile(
        const std::string& from, const std::string& to, const IOOptions& options, IODebugContext* debug
    ) override;

    IOStatus GetFreeSpace(
        const std::string& path, const IOOptions& options, std::uint64_t* octets, IODebugContext* debug
    ) override {
        {
            const std::lock_guard lock(mutex_);
            if (free_octets_) {
                *octets = *free_octets_;
                return IOStatus::OK();
            }
        }
        return FileSystemWrapper::GetFreeSpace(path, options, octets, debug);
    }

    /// One operation passes by: false if the power is off.
    bool tick() {
        const std::lock_guard lock(mutex_);
        if (is_off_) return false;
        if (until_cut_ != never && until_cut_-- == 0) is_off_ = true;
        return !is_off_;
    }
    static IOStatus off() { return IOStatus::IOError("the power is off"); }
    static IOStatus to_status(Fault fault) {
        return fault == Fault::no_space ? IOStatus::NoSpace("injected") : IOStatus::IOError("injected");
    }
    Fault append_fault(const std::string& path) const {
        const std::lock_guard lock(mutex_);
        const Fault fault = path.find(append_of_) != std::string::npos ? append_fault_ : Fault::none;
        if (fault != Fault::none) refused_appends_.insert(path);
        return fault;
    }
    Fault sync_fault(const std::string& path) const {
        const std::lock_guard lock(mutex_);
        return path.find(sync_of_) != std::string::npos ? sync_fault_ : Fault::none;
    }
    Fault read_fault(const std::string& path) const {
        const std::lock_guard lock(mutex_);
        return path.find(read_of_) != std::string::npos ? read_fault_ : Fault::none;
    }
    void wait_while_held() {
        std::unique_lock lock(mutex_);
        ++held_;
        released_.wait(lock, [this] { return !holds_; });
        --held_;
    }
    void appended(const std::string& path, std::uint64_t octets) {
        const std::lock_guard lock(mutex_);
        files_[path].written += octets;
    }
    std::uint64_t written(const std::string& path) {
        const std::lock_guard lock(mutex_);
        return files_[path].written;
    }
    void synced(const std::string& path, std::uint64_t up_to) {
        const std::lock_guard lock(mutex_);
        FileState& state = files_[path];
        if (!state.is_poisoned) state.synced = std::max(state.synced, up_to);
    }
    void poisoned(const std::string& path) {
        const std::lock_guard lock(mutex_);
        files_[path].is_poisoned = true;
    }
    void truncated(const std::string& path, std::uint64_t size) {
        const std::lock_guard lock(mutex_);
        FileState& state = files_[path];
        state.written = size;
        state.synced = std::min(state.synced, size);
    }
    void folder_synced(const std::string& folder) {
        const std::lock_guard lock(mutex_);
        std::erase_if(changes_, [&](const Change& change) {
            if (folder_of(change.path) != folder) return false;
            if (!change.grave.empty()) fs::remove(change.grave);
            return true;
        });
    }
    void restore(std::uint64_t seed);

private:
    friend class FaultEnv;

    /// What the folder has not been synced since: a file that came (perhaps from another name), or one that
    /// went.
    struct Change {
        std::string path;
        std::string from;   // renamed from
        std::string grave;  // where the octets of what went are kept; empty if nothing went
        bool came = false;
    };

    std::string bury(const std::string& path) {
        std::string grave = graveyard_ + "/" + std::to_string(next_grave_++);
        fs::rename(path, grave);
        return grave;
    }
    void tear(const std::string& path, const FileState& state, std::mt19937_64& random) const;

    mutable std::mutex mutex_;
    std::condition_variable released_;
    std::string graveyard_;
    std::uint64_t next_grave_ = 0;
    std::map<std::string, FileState> files_;
    std::vector<Change> changes_;
    std::uint64_t until_cut_ = never;
    bool is_off_ = false;
    bool holds_ = false;
    std::size_t held_ = 0;
    Fault append_fault_ = Fault::none;
    mutable std::set<std::string> refused_appends_;  // paths
    std::string append_of_;
    std::optional<std::uint64_t> free_octets_;
    Fault sync_fault_ = Fault::none;
    std::string sync_of_;
    Fault read_fault_ = Fault::none;
    std::string read_of_;
};

namespace {

class FaultFile : public rocksdb::FSWritableFileOwnerWrapper {
public:
    FaultFile(std::unique_ptr<rocksdb::FSWritableFile> file, std::string path, FaultFileSystem& files)
        : FSWritableFileOwnerWrapper(std::move(file)), path_(std::move(path)), files_(files) {}

    IOStatus Append(const Slice& data, const IOOptions& options, IODebugContext* debug) override {
        if (!files_.tick()) return FaultFileSystem::off();
        if (const Fault fault = files_.append_fault(path_); fault != Fault::none) {
            // A full disk takes what still fits.
            const Slice half(data.data(), data.size() / 2);
            if (target()->Append(half, options, debug).ok()) files_.appended(path_, half.size());
            return FaultFileSystem::to_status(fault);
        }
        auto status = target()->Append(data, options, debug);
        if (status.ok()) files_.appended(path_, data.size());
        return status;
    }
    IOStatus Append(
        const Slice& data,
        const IOOptions& options,
        const rocksdb::DataVerificationInfo& /*info*/,
        IODebugContext* debug
    ) override {
        return Append(data, options, debug);
    }
    IOStatus Truncate(uint64_t size, const IOOptions& options, IODebugContext* debug) override {
        if (!files_.tick()) return FaultFileSystem::off();
        auto status = target()->Truncate(size, options, debug);
        if (status.ok()) files_.truncated(path_, size);
        return status;
    }
    IOStatus Sync(const IOOptions& /*options*/, IODebugContext* /*debug*/) override { return sync(); }
    IOStatus Fsync(const IOOptions& /*options*/, IODebugContext* /*debug*/) override { return sync(); }
    IOStatus RangeSync(uint64_t, uint64_t, const IOOptions&, IODebugContext*) override {
        return IOStatus::OK();
    }
    bool IsSyncThreadSafe() const override { return true; }

private:
    IOStatus sync() {
        const std::uint64_t up_to = files_.written(path_);
        if (!files_.tick()) return FaultFileSystem::off();
        files_.wait_while_held();
        if (const Fault fault = files_.sync_fault(path_); fault != Fault::none) {
            files_.poisoned(path_);
            return FaultFileSystem::to_status(fault);
        }
        files_.synced(path_, up_to);
        return IOStatus::OK();
    }

    std::string path_;
    FaultFileSystem& files_;
};

class FaultRandomReader : public rocksdb::FSRandomAccessFileOwnerWrapper {
public:
    FaultRandomReader(
        std::unique_ptr<rocksdb::FSRandomAccessFile> file, std::string path, const FaultFileSystem& files
    )
        : FSRandomAccessFileOwnerWrapper(std::move(file)), path_(std::move(path)), files_(files) {}

    IOStatus Read(
        uint64_t offset,
        size_t octets,
        const IOOptions& options,
        Slice* result,
        char* scratch,
        IODebugContext* debug
    ) const override {
        if (const Fault fault = files_.read_fault(path_); fault != Fault::none)
            return FaultFileSystem::to_status(fault);
        return target()->Read(offset, octets, options, result, scratch, debug);
    }

private:
    std::string path_;
    const FaultFileSystem& files_;
};

class FaultSequentialReader : public rocksdb::FSSequentialFileOwnerWrapper {
public:
    FaultSequentialReader(
        std::unique_ptr<rocksdb::FSSequentialFile> file, std::string path, const FaultFileSystem& files
    )
        : FSSequentialFileOwnerWrapper(std::move(file)), path_(std::move(path)), files_(files) {}

    IOStatus Read(
        size_t octets, const IOOptions& options, Slice* result, char* scratch, IODebugContext* debug
    ) override {
        if (const Fault fault = files_.read_fault(path_); fault != Fault::none)
            return FaultFileSystem::to_status(fault);
        return target()->Read(octets, options, result, scratch, debug);
    }

private:
    std::string path_;
    const FaultFileSystem& files_;
};

class FaultFolder : public rocksdb::FSDirectoryWrapper {
public:
    FaultFolder(std::unique_ptr<rocksdb::FSDirectory>&& folder, std::string path, FaultFileSystem& files)
        : FSDirectoryWrapper(std::move(folder)), path_(std::move(path)), files_(files) {}

    IOStatus Fsync(const IOOptions& /*options*/, IODebugContext* /*debug*/) override { return sync(); }
    IOStatus FsyncWithDirOptions(const IOOptions&, IODebugContext*, const rocksdb::DirFsyncOptions&)
        override {
        return sync();
    }

private:
    IOStatus sync() {
        if (!files_.tick()) return FaultFileSystem::off();
        if (const Fault fault = files_.sync_fault(path_); fault != Fault::none)
            return FaultFileSystem::to_status(fault);
        files_.folder_synced(path_);
        return IOStatus::OK();
    }

    std::string path_;
    FaultFileSystem& files_;
};

}  // namespace

IOStatus FaultFileSystem::NewWritableFile(
    const std::string& given,
    const rocksdb::FileOptions& options,
    std::unique_ptr<rocksdb::FSWritableFile>* file,
    IODebugContext* debug
) {
    const std::string path = normal(given);
    if (!tick()) return off();
    const bool is_new = !fs::exists(path);
    auto status = target()->NewWritableFile(path, options, file, debug);
    if (!status.ok()) return status;
    {
        const std::lock_guard lock(mutex_);
        files_[path] = FileState();
        if (is_new) changes_.push_back({path, {}, {}, true});
    }
    *file = std::make_unique<FaultFile>(std::move(*file), path, *this);
    return status;
}

IOStatus FaultFileSystem::ReopenWritableFile(
    const std::string& given,
    const rocksdb::FileOptions& options,
    std::unique_ptr<rocksdb::FSWritableFile>* file,
    IODebugContext* debug
) {
    const std::string path = normal(given);
    if (!tick()) return off();
    auto status = target()->ReopenWritableFile(path, options, file, debug);
    if (!status.ok()) return status;
    {
        const std::lock_guard lock(mutex_);
        files_.try_emplace(path, FileState{fs::file_size(path), fs::file_size(path), false});
    }
    *file = std::make_unique<FaultFile>(std::move(*file), path, *this);
    return status;
}

IOStatus FaultFileSystem::NewRandomAccessFile(
    const std::string& path,
    const rocksdb::FileOptions& options,
    std::unique_ptr<rocksdb::FSRandomAccessFile>* file,
    IODebugContext* debug
) {
    auto status = target()->NewRandomAccessFile(path, options, file, debug);
    if (status.ok()) *file = std::make_unique<FaultRandomReader>(std::move(*file), normal(path), *this);
    return status;
}

IOStatus FaultFileSystem::NewSequentialFile(
    const std::string& path,
    const rocksdb::FileOptions& options,
    std::unique_ptr<rocksdb::FSSequentialFile>* file,
    IODebugContext* debug
) {
    auto status = target()->NewSequentialFile(path, options, file, debug);
    if (status.ok()) *file = std::make_unique<FaultSequentialReader>(std::move(*file), normal(path), *this);
    return status;
}

IOStatus FaultFileSystem::NewDirectory(
    const std::string& path,
    const IOOptions& options,
    std::unique_ptr<rocksdb::FSDirectory>* folder,
    IODebugContext* debug
) {
    auto status = target()->NewDirectory(path, options, folder, debug);
    if (!status.ok()) return status;
    *folder = std::make_unique<FaultFolder>(
        std::move(*folder), fs::path(path + "/x").lexically_normal().parent_path().string(), *this
    );
    return status;
}

IOStatus FaultFileSystem::
    DeleteFile(const std::string& given, const IOOptions& /*options*/, IODebugContext* /*debug*/) {
    const std::string path = normal(given);
    if (!tick()) return off();
    const std::lock_guard lock(mutex_);
    if (!fs::exists(path)) return IOStatus::PathNotFound(path);
    // One that came and went since the folder's last sync leaves no trace.
    const auto came = std::ranges::find_if(changes_, [&](const Change& change) {
        return change.path == path && change.came;
    });
    if (came != changes_.end() && came->from.empty() && came->grave.empty()) {
        changes_.erase(came);
        fs::remove(path);
        files_.erase(path);
        return IOStatus::OK();
    }
    changes_.push_back({path, {}, bury(path), false});
    return IOStatus::OK();
}

IOStatus FaultFileSystem::RenameFile(
    const std::string& given_from,
    const std::string& given_to,
    const IOOptions& options,
    IODebugContext* debug
) {
    const std::string from = normal(given_from);
    const std::string to = normal(given_to);
    if (!tick()) return off();
    const std::lock_guard lock(mutex_);
    if (!fs::exists(from)) return IOStatus::PathNotFound(from);
    Change change{to, from, {}, true};
    if (fs::exists(to)) {
        change.grave = graveyard_ + "/" + std::to_string(next_grave_++);
        fs::copy_file(to, change.grave);
    }
    auto status = target()->RenameFile(from, to, options, debug);
    if (!status.ok()) return status;
    std::erase_if(changes_, [&](const Change& old) { return old.path == from && old.came; });
    if (const auto state = files_.find(from); state != files_.end()) {
        files_[to] = state->second;
        files_.erase(from);
    }
    changes_.push_back(std::move(change));
    return status;
}

void FaultFileSystem::tear(const std::string& path, const FileState& state, std::mt19937_64& random) const {
    if (!fs::exists(path)) return;
    const std::uint64_t size = fs::file_size(path);
    if (size <= state.synced) return;
    const std::uint64_t unsynced = size - state.synced;
    switch (random() % 4) {
        case 0:
        case 1: fs::resize_file(path, state.synced); break;
        case 2: fs::resize_file(path, state.synced + random() % (unsynced + 1)); break;
        default: {
            // The length reached the disk, the octets only up to some page.
            const std::uint64_t keep = state.synced + random() % (unsynced + 1);
            fs::resize_file(path, keep);
            fs::resize_file(path, size);
            break;
        }
    }
}

void FaultFileSystem::restore(std::uint64_t seed) {
    const std::lock_guard lock(mutex_);
    std::mt19937_64 random(seed);
    for (const auto& [path, state] : files_)
        tear(path, state, random);
    // From the last change back, so that an earlier one finds the names it knew.
    for (auto change = changes_.rbegin(); change != changes_.rend(); ++change) {
        const bool is_lost = random() % 2 == 0;
        if (is_lost && change->came && fs::exists(change->path)) {
            if (change->from.empty() || fs::exists(change->from))
                fs::remove(change->path);
            else
                fs::rename(change->path, change->from);
        }
        if (change->grave.empty()) continue;
        if (is_lost && !fs::exists(change->path)) fs::rename(change->grave, change->path);
        fs::remove(change->grave);
    }
    changes_.clear();
    files_.clear();
    is_off_ = false;
    until_cut_ = never;
}

FaultEnv::FaultEnv(std::string graveyard)
    : files_(std::make_shared<FaultFileSystem>(std::move(graveyard))),
      env_(rocksdb::NewCompositeEnv(files_)) {}

FaultEnv::~FaultEnv() = default;

void FaultEnv::cut_after(std::uint64_t operations) {
    const std::lock_guard lock(files_->mutex_);
    files_->until_cut_ = operations;
}

bool FaultEnv::is_off() const {
    const std::lock_guard lock(files_->mutex_);
    return files_->is_off_;
}

void FaultEnv::restore(std::uint64_t seed) {
    files_->restore(seed);
}

void FaultEnv::fail_appends(Fault fault, std::string of) {
    const std::lock_guard lock(files_->mutex_);
    files_->append_fault_ = fault;
    files_->append_of_ = std::move(of);
}

bool FaultEnv::has_refused_append(std::string_view of) const {
    const std::lock_guard lock(files_->mutex_);
    return std::ranges::any_of(files_->refused_appends_, [&](const std::string& path) {
        return path.find(of) != std::string::npos;
    });
}

void FaultEnv::fail_syncs(Fault fault, std::string of) {
    const std::lock_guard lock(files_->mutex_);
    files_->sync_fault_ = fault;
    files_->sync_of_ = std::move(of);
}

void FaultEnv::fail_reads(Fault fault, std::string of) {
    const std::lock_guard lock(files_->mutex_);
    files_->read_fault_ = fault;
    files_->read_of_ = std::move(of);
}

void FaultEnv::say_free(std::optional<std::uint64_t> octets) {
    const std::lock_guard lock(files_->mutex_);
    files_->free_octets_ = octets;
}

void FaultEnv::hold_syncs() {
    const std::lock_guard lock(files_->mutex_);
    files_->holds_ = true;
}

void FaultEnv::release_syncs() {
    {
        const std::lock_guard lock(files_->mutex_);
        files_->holds_ = false;
    }
    files_->released_.notify_all();
}

std::size_t FaultEnv::held_syncs() const {
    const std::lock_guard lock(files_->mutex_);
    return files_->held_;
}

}  // namespace wicket::test
