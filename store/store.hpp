// The store: one folder, two RocksDB databases and the segments of large blobs; format.md documents every
// octet. `mail` (synced): blobs, mailboxes, accounts, records of transactions that took DATA. `refusals`
// (unsynced): records of everything refused earlier. One process writes; others may read (open_reader). Any
// thread. Nothing above may assume that the data is local: results are values, failures are Results.
#pragma once

#include "base/clock.hpp"
#include "base/keyed_memory.hpp"
#include "base/result.hpp"
#include "store/accounts.hpp"
#include "store/decision_log.hpp"
#include "store/mail_store.hpp"
#include "store/quarantine.hpp"
#include "store/rule_archive.hpp"

#include <memory>
#include <string>

namespace rocksdb {
class Env;
}

namespace wicket {

struct StoreOptions {
    std::string folder;            // state; created if it is missing
    bool sync = true;              // false only in the test that proves that the power-cut test bites
    rocksdb::Env* env = nullptr;   // tests: a file system that loses or refuses writes
    const Clock* clock = nullptr;  // nullptr: the system's
    std::uint64_t decision_quota_octets = 10ULL << 30U;
    std::uint64_t refusal_quota_octets = 10ULL << 30U;
    std::chrono::seconds retention = std::chrono::days(30);  // of decisions
    std::chrono::seconds refusal_retention{0};               // 0: as of decisions
    std::uint64_t quarantine_quota_octets = 10ULL << 30U;
    std::chrono::seconds quarantine_retention = std::chrono::days(30);
    std::uint64_t label_quota_octets = 10ULL << 30U;
    std::chrono::seconds label_retention = std::chrono::days(30);
};

class Store {
public:
    /// Opens for writing and repairs what a crash left (orphaned blobs). busy if another process has it open:
    /// message says which. invalid if the format is newer than ours.
    static Result<std::unique_ptr<Store>> open(StoreOptions options);
    /// Opens for reading while a server may be writing; sees what was written up to now, refresh() sees the
    /// rest.
    /// Not for the octets of messages: open_snapshot() is.
    static Result<std::unique_ptr<Store>> open_reader(const std::string& folder);
    /// Opens for reading what there is now, octets of messages included. Beside a writer a file may be gone
    /// that it has replaced since: what is missing here may be found in a new snapshot.
    static Result<std::unique_ptr<Store>> open_snapshot(const std::string& folder);
    virtual ~Store() = default;

    virtual MailStore& mail() = 0;
    virtual DecisionLog& decisions() = 0;
    virtual Quarantine& quarantine() = 0;
    virtual AccountStore& accounts() = 0;
    virtual KeyedMemory& memory() = 0;
    virtual RuleArchive& rule_sets() = 0;
    /// A reader catches up with the writer; of a writer a no-op.
    virtual Result<> refresh() = 0;
    /// Finishes what was handed in, syncs, closes. After it every call fails with `unavailable`.
    virtual void close() = 0;
};

}  // namespace wicket
