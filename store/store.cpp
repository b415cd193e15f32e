#include "store/store.hpp"

#include "base/log.hpp"
#include "base/private_folder.hpp"
#include "base/thread.hpp"
#include "store/blob_files.hpp"
#include "store/committer.hpp"
#include "store/rocks_account_store.hpp"
#include "store/rocks_decision_log.hpp"
#include "store/rocks_mail_store.hpp"
#include "store/rocks_memory.hpp"
#include "store/rocks_quarantine.hpp"
#include "store/rocks_rule_archive.hpp"
#include "store/state_lock.hpp"
#include "store/tables.hpp"

#include <rocksdb/env.h>

#include <condition_variable>
#include <filesystem>
#include <limits>
#include <mutex>
#include <thread>

namespace wicket {
namespace {

// A refusing disk is asked again this often: space that is back is used within 10 s even if a try takes long.
constexpr std::chrono::seconds recovery_interval{2};
// Old records go once a minute: a quota is a matter of days.
constexpr std::chrono::minutes trim_interval{1};
// Refusals go in so many steps of their retention: each leaves a mark and small files behind.
constexpr int refusal_trims = 30;
constexpr std::chrono::minutes sweep_interval{10};

std::chrono::seconds refusal_retention(const StoreOptions& options) {
    return options.refusal_retention.count() != 0 ? options.refusal_retention : options.retention;
}

class RocksStore : public Store {
public:
    RocksStore(
        StoreOptions options,
        FileDescriptor lock,
        std::unique_ptr<Database> mail,
        std::unique_ptr<Database> refusals
    )
        : options_(std::move(options)),
          clock_(options_.clock != nullptr ? *options_.clock : system_clock()),
          lock_(std::move(lock)),
          mail_(std::move(mail)),
          refusals_(std::move(refusals)),
          blobs_(options_.folder + "/blobs", mail_->env()) {}
    RocksStore(const RocksStore&) = delete;
    RocksStore& operator=(const RocksStore&) = delete;
    ~RocksStore() override { close_all(); }

    Result<> begin_writing() {
        if (auto prepared = blobs_.prepare(); !prepared) return prepared;
        if (auto swept = sweep_orphans(); !swept) return swept;
        const auto sync = options_.sync ? Database::Sync::yes : Database::Sync::no;
        reserve_ = std::make_unique<DiskReserve>(*mail_, *refusals_);
        auto committer = Committer::start(*mail_, blobs_, *reserve_, clock_, sync);
        if (!committer) return std::unexpected(committer.error());
        committer_ = std::move(*committer);
        if (auto begun = begin(RocksDecisionLog::Role::writer, RocksMemory::Access::read_write); !begun)
            return begun;
        // A full disk is no reason not to open; it is tried again the next time.
        if (auto indexed = quarantine_->index_older(); !indexed)
            log_warning(
                "the quarantine of an older version cannot be released from",
                {
                    {"error", indexed.error().message}
            }
            );
        keeper_ = std::thread([this] { keep_until_closed(); });
        return {};
    }

    Result<> begin_reading() { return begin(RocksDecisionLog::Role::reader, RocksMemory::Access::read_only); }

    MailStore& mail() override { return *mail_store_; }
    DecisionLog& decisions() override { return *decisions_; }
    Quarantine& quarantine() override { return *quarantine_; }
    AccountStore& accounts() override { return *accounts_; }
    KeyedMemory& memory() override { return *memory_; }
    RuleArchive& rule_sets() override { return *rule_sets_; }

    Result<> refresh() override {
        if (committer_) return {};
        if (auto caught_up = mail_->catch_up(); !caught_up) return caught_up;
        if (auto caught_up = refusals_->catch_up(); !caught_up) return caught_up;
        return accounts_->load();
    }

    void close() override { close_all(); }

private:
    Result<> begin(RocksDecisionLog::Role role, RocksMemory::Access access) {
        mail_store_ = std::make_unique<RocksMailStore>(*mail_, *refusals_, blobs_, committer_.get());
        quarantine_ = std::make_unique<RocksQuarantine>(*mail_, committer_.get(), reserve_.get());
        accounts_ = std::make_unique<RocksAccountStore>(*mail_, committer_.get());
        decisions_ = std::make_unique<RocksDecisionLog>(
            *mail_, *refusals_, RocksDecisionLog::Setup{role, clock_, reserve_.get(), committer_.get()}
        );
        memory_ = std::make_unique<RocksMemory>(*refusals_, clock_, access);
        rule_sets_ = std::make_unique<RocksRuleArchive>(*mail_, committer_.get(), clock_);
        return accounts_->load();
    }

    Result<> sweep_orphans() {
        const auto use = mail_->use();
        const auto swept = blobs_.sweep([&](const RecordId& id) {
            std::string value;
            // Whatever is not surely an orphan stays.
            return !use->Get({}, use[MailTable::messages], rocksdb::Slice(rows::id_key(id)), &value)
                        .IsNotFound();
        });
        if (!swept) return std::unexpected(swept.error());
        if (*swept != 0)
            log_info(
                "removed blobs that no message refers to",
                {
                    {"count", std::to_string(*swept)}
            }
            );
        return {};
    }

    void keep_until_closed() {
        name_thread("keeper");
        auto until_trim = trim_interval / recovery_interval;
        auto until_sweep = sweep_interval / recovery_interval;
        std::unique_lock lock(mutex_);
        while (!keeper_wakes_.wait_for(lock, recovery_interval, [this] { return is_closing_; })) {
            lock.unlock();
            committer_->try_to_recover();
            reserve_->look();
            if (--until_trim <= 0) {
                until_trim = trim_interval / recovery_interval;
                const WallTime oldest = clock_.wall() - options_.retention;
                auto trimmed = trim_decisions(*mail_, *committer_, oldest, options_.decision_quota_octets);
                if (trimmed && !refusals_->has_failed()) trimmed = trim_old_refusals();
                if (trimmed) trimmed = trim_quarantine();
                if (!trimmed)
                    log_warning(
                        "cannot remove old records",
                        {
                            {"error", trimmed.error().message}
                    }
                    );
            }
            if (--until_sweep <= 0) {
                until_sweep = sweep_interval / recovery_interval;
                memory_->sweep();
            }
            lock.lock();
        }
    }

    Result<> trim_old_refusals() {
        const std::chrono::microseconds retention = refusal_retention(options_);
        return trim_refusals(*refusals_, clock_.wall() - retention, retention / refusal_trims);
    }

    Result<> trim_quarantine() {
        const WallTime now = clock_.wall();
        return quarantine_->trim({
            .oldest_message = now - options_.quarantine_retention,
            .message_octets = options_.quarantine_quota_octets,
            .oldest_label = now - options_.label_retention,
            .label_octets = options_.label_quota_octets,
            // As long as somebody may ask for it again, or for the record that tells it.
            .oldest_release = now - std::max(options_.quarantine_retention, options_.retention),
        });
    }

    void close_all() {
        const std::lock_guard closing(closing_);
        {
            const std::lock_guard lock(mutex_);
            is_closing_ = true;
        }
        keeper_wakes_.notify_all();
        if (keeper_.joinable()) keeper_.join();
        if (committer_) committer_->close();
        if (decisions_) decisions_->close();
        if (accounts_) accounts_->close();
        mail_->close();
        refusals_->close();
        lock_.close();
    }

    StoreOptions options_;
    const Clock& clock_;
    FileDescriptor lock_;
    std::unique_ptr<Database> mail_;
    std::unique_ptr<Database> refusals_;
    BlobFiles blobs_;
    std::unique_ptr<DiskReserve> reserve_;  // nullptr in a reader, as the committer
    std::unique_ptr<Committer> committer_;
    std::unique_ptr<RocksMailStore> mail_store_;
    std::unique_ptr<RocksQuarantine> quarantine_;
    std::unique_ptr<RocksAccountStore> accounts_;
    std::unique_ptr<RocksDecisionLog> decisions_;
    std::unique_ptr<RocksMemory> memory_;
    std::unique_ptr<RocksRuleArchive> rule_sets_;

    std::mutex closing_;
    std::mutex mutex_;
    std::condition_variable keeper_wakes_;
    bool is_closing_ = false;
    std::thread keeper_;
};

/// The refusals' database holds nothing that was promised to be kept, so damage in it must not keep mail from
/// coming in: it is moved away for whoever wants to look into it, and an empty one takes its place.
Result<> set_aside(const std::string& folder, const Clock& clock) {
    const auto seconds =
        std::chrono::duration_cast<std::chrono::seconds>(clock.wall().time_since_epoch()).count();
    const std::string away = folder + ".damaged-" + std::to_string(seconds);
    std::error_code fault;
    std::filesystem::rename(folder, away, fault);
    if (fault) return system_failure("cannot move " + folder + " away", fault.value());
    log_error(
        "the records of refusals are damaged and were set aside; new ones begin",
        {
            {"folder", away}
    }
    );
    return {};
}

/// Both databases; RocksDB makes their folders.
Result<std::unique_ptr<RocksStore>> open_both(
    StoreOptions options, FileDescriptor lock, Database::Mode mode
) {
    Database::Setup mail;
    mail.folder = options.folder + "/mail";
    mail.env = options.env;
    mail.mode = mode;
    mail.tables = mail_tables();
    mail.clock = options.clock != nullptr ? options.clock : &system_clock();
    Database::Setup refusals = mail;
    refusals.folder = options.folder + "/refusals";
    refusals.durability = Database::Durability::unsynced;
    refusals.tables = refusal_tables(options.refusal_quota_octets, refusal_retention(options));
    auto mail_database = Database::open(mail);
    if (!mail_database) return std::unexpected(mail_database.error());
    auto refusals_database = Database::open(refusals);
    if (!refusals_database && refusals_database.error().code == ErrorCode::corrupt &&
        mode == Database::Mode::write) {
        if (auto moved = set_aside(refusals.folder, *mail.clock); !moved)
            return std::unexpected(moved.error());
        refusals_database = Database::open(std::move(refusals));
    }
    if (!refusals_database) return std::unexpected(refusals_database.error());
    return std::make_unique<RocksStore>(
        std::move(options), std::move(lock), std::move(*mail_database), std::move(*refusals_database)
    );
}

Result<std::unique_ptr<Store>> open_to_read(const std::string& folder, Database::Mode mode) {
    StoreOptions options;
    options.folder = folder;
    auto store = open_both(std::move(options), FileDescriptor(), mode);
    if (!store) return std::unexpected(store.error());
    if (auto begun = (*store)->begin_reading(); !begun) return std::unexpected(begun.error());
    return std::unique_ptr<Store>(std::move(*store));
}

}  // namespace

Result<std::unique_ptr<Store>> Store::open(StoreOptions options) {
    if (auto made = make_private_folder(options.folder); !made) return std::unexpected(made.error());
    auto lock = lock_state(options.folder);
    if (!lock) return std::unexpected(lock.error());
    auto store = open_both(std::move(options), std::move(*lock), Database::Mode::write);
    if (!store) return std::unexpected(store.error());
    if (auto begun = (*store)->begin_writing(); !begun) return std::unexpected(begun.error());
    return std::unique_ptr<Store>(std::move(*store));
}

Result<std::unique_ptr<Store>> Store::open_reader(const std::string& folder) {
    return open_to_read(folder, Database::Mode::follow);
}

Result<std::unique_ptr<Store>> Store::open_snapshot(const std::string& folder) {
    return open_to_read(folder, Database::Mode::snapshot);
}

}  // namespace wicket
