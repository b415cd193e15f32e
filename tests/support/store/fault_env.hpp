// A file system for the store's tests that forgets what was not synced, refuses writes, and is slow. It
// stands on the real one; nothing is really synced, so a test is fast. Any thread.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace rocksdb {
class Env;
}

namespace wicket::test {

class FaultFileSystem;

enum class Fault : std::uint8_t { none, no_space, io };

class FaultEnv {
public:
    /// `graveyard`: a folder outside the store, where deleted files wait for their folder's sync.
    explicit FaultEnv(std::string graveyard);
    ~FaultEnv();

    rocksdb::Env* env() const { return env_.get(); }

    /// The power goes after this many more appends, syncs, renames, creations and deletions.
    void cut_after(std::uint64_t operations);
    bool is_off() const;
    /// After the store is closed: makes the disk what it may look like after the cut, and turns the power on.
    /// Unsynced bytes, creations, renames and deletions are lost, or kept, or kept in part, by chance.
    void restore(std::uint64_t seed);

    /// Appends and syncs of files whose path contains `of` fail from now on.
    void fail_appends(Fault fault, std::string of = {});
    void fail_syncs(Fault fault, std::string of = {});
    /// The same of reads, also of files that are open already.
    void fail_reads(Fault fault, std::string of = {});
    /// Whether an append was refused to a file whose path contains `of`.
    bool has_refused_append(std::string_view of) const;
    /// What the disk says it has free, whatever it takes; nullopt: what it really has.
    void say_free(std::optional<std::uint64_t> octets);
    /// Syncs wait until released.
    void hold_syncs();
    void release_syncs();
    /// How many syncs wait now.
    std::size_t held_syncs() const;

private:
    std::shared_ptr<FaultFileSystem> files_;
    std::unique_ptr<rocksdb::Env> env_;
};

}  // namespace wicket::test
