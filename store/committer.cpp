#include "store/committer.hpp"

#include "base/log.hpp"

#include <algorithm>
#include <array>
#include <future>
#include <iterator>
#include <limits>

namespace wicket {
namespace {

// Large bodies are rare; more threads would only make one disk seek more.
constexpr std::size_t blob_thread_count = 3;

constexpr char version_octet = static_cast<char>(rows::row_version);

/// Octets that the delivery holds in memory.
std::size_t octets_of(const Delivery& delivery) {
    std::size_t octets = delivery.record.size();
    if (delivery.body && delivery.body->is_in_memory()) octets += delivery.body->view().size();
    for (const MailboxDelivery& row : delivery.rows)
        octets += row.prefix.size() + row.cuts.size() * sizeof(CutRange);
    return octets;
}

Result<> check(const rocksdb::Status& status, std::string_view what) {
    if (status.ok()) return {};
    return std::unexpected(to_error(what, status));
}

}  // namespace

Committer::Committer(Database& database, BlobFiles& blobs, const Clock& clock, Database::Sync sync)
    : database_(database), blobs_(blobs), clock_(clock), sync_(sync) {}

Result<std::unique_ptr<Committer>> Committer::start(
    Database& database, BlobFiles& blobs, const Clock& clock, Database::Sync sync
) {
    std::unique_ptr<Committer> committer(new Committer(database, blobs, clock, sync));
    {
        const auto use = database.use();
        std::string value;
        const auto status = use->Get({}, use[MailTable::meta], rocksdb::Slice(rows::counters_key), &value);
        if (status.ok()) {
            const auto counters = rows::decode_counters(value);
            if (!counters) return failure(ErrorCode::corrupt, "the counters' row of the store is damaged");
            committer->counters_ = *counters;
        } else if (!status.IsNotFound()) {
            return std::unexpected(to_error("cannot read the counters of the store", status));
        }
    }
    committer->commit_thread_ = std::thread([raw = committer.get()] { raw->commit_until_closed(); });
    committer->answer_thread_ = std::thread([raw = committer.get()] { raw->answer_until_closed(); });
    for (std::size_t i = 0; i < blob_thread_count; ++i)
        committer->blob_threads_.emplace_back([raw = committer.get()] { raw->write_blobs_until_closed(); });
    return committer;
}

Committer::~Committer() {
    close();
}

void Committer::close() {
    const std::lock_guard joining(joining_);
    {
        const std::lock_guard lock(mutex_);
        is_closing_ = true;
    }
    blob_work_.notify_all();
    work_.notify_all();
    for (std::thread& thread : blob_threads_)
        thread.join();
    blob_threads_.clear();
    if (commit_thread_.joinable()) commit_thread_.join();
    {
        const std::lock_guard lock(mutex_);
        answers_are_closing_ = true;
    }
    answer_work_.notify_all();
    if (answer_thread_.joinable()) answer_thread_.join();
}

void Committer::refuse(DeliverCallback callback, Error error) {
    {
        const std::lock_guard lock(mutex_);
        if (!answers_are_closing_) {
            answers_.emplace_back([callback = std::move(callback), error = std::move(error)] {
                callback(std::unexpected(error));
            });
            answer_work_.notify_one();
            return;
        }
    }
    // The store is closed: there is no thread left but the caller's.
    callback(std::unexpected(std::move(error)));
}

void Committer::deliver(Delivery delivery, DeliverCallback callback) {
    std::optional<Error> refusal;
    {
        Waiting one{std::move(delivery), std::move(callback), 0, rows::BodyPlace::row, {}};
        one.octets = octets_of(one.delivery);
        const bool is_large = one.delivery.body && !one.delivery.rows.empty() &&
                              one.delivery.body->size() > blob_file_limit_octets;
        if (is_large) one.place = rows::BodyPlace::file;
        const std::lock_guard lock(mutex_);
        if (is_closing_) {
            refusal = Error{ErrorCode::unavailable, "the store is closed"};
        } else if (failure_) {
            refusal = *failure_;
        } else if (waiting_messages_ >= queue_limit_messages ||
                   (waiting_messages_ != 0 && waiting_octets_ + one.octets > queue_limit_octets)) {
            refusal = Error{ErrorCode::busy, "too many deliveries wait for the disk"};
        } else {
            waiting_messages_ += 1;
            waiting_octets_ += one.octets;
            if (is_large) {
                blob_queue_.push_back(std::move(one));
                blob_work_.notify_one();
            } else {
                queue_.push_back(std::move(one));
                work_.notify_one();
            }
            return;
        }
        callback = std::move(one.callback);
    }
    refuse(std::move(callback), std::move(*refusal));
}

Result<> Committer::run(Task task) {
    std::promise<Result<>> promise;
    auto outcome = promise.get_future();
    {
        const std::lock_guard lock(mutex_);
        if (is_closing_) return failure(ErrorCode::unavailable, "the store is closed");
        if (failure_) return std::unexpected(*failure_);
        tasks_.push_back({std::move(task), [&promise](Result<> result) {
                              promise.set_value(std::move(result));
                          }});
    }
    work_.notify_one();
    return outcome.get();
}

void Committer::answer_until_closed() {
    std::unique_lock lock(mutex_);
    for (;;) {
        answer_work_.wait(lock, [this] { return answers_are_closing_ || !answers_.empty(); });
        if (answers_.empty()) return;
        const auto answer = std::move(answers_.front());
        answers_.pop_front();
        lock.unlock();
        answer();
        lock.lock();
    }
}

void Committer::write_blobs_until_closed() {
    std::unique_lock lock(mutex_);
    for (;;) {
        blob_work_.wait(lock, [this] { return is_closing_ || !blob_queue_.empty(); });
        if (blob_queue_.empty()) return;
        Waiting one = std::move(blob_queue_.front());
        blob_queue_.pop_front();
        blobs_in_work_ += 1;
        lock.unlock();
        auto written = writable();
        if (written || written.error().code == ErrorCode::unavailable) {
            written = blobs_.write(one.delivery.id, *one.delivery.body);
            if (!written) note_failure(written.error());
        }
        if (!written) {
            finish(one, std::move(written));
            lock.lock();
        } else {
            lock.lock();
            queue_.push_back(std::move(one));
        }
        blobs_in_work_ -= 1;
        work_.notify_one();
    }
}

void Committer::commit_until_closed() {
    std::vector<Waiting> group;
    std::unique_lock lock(mutex_);
    for (;;) {
        work_.wait(lock, [this] {
            return !queue_.empty() || !tasks_.empty() ||
                   (is_closing_ && blob_queue_.empty() && blobs_in_work_ == 0);
        });
        if (queue_.empty() && tasks_.empty()) return;
        if (!tasks_.empty()) {
            WaitingTask task = std::move(tasks_.front());
            tasks_.pop_front();
            lock.unlock();
            perform(task);
            lock.lock();
        }
        std::size_t octets = 0;
        while (!queue_.empty() && group.size() < batch_limit_messages &&
               (group.empty() || octets + queue_.front().octets <= batch_limit_octets)) {
            octets += queue_.front().octets;
            group.push_back(std::move(queue_.front()));
            queue_.pop_front();
        }
        if (group.empty()) continue;
        lock.unlock();
        commit(group);
        group.clear();
        lock.lock();
    }
}

void Committer::finish(Waiting& one, Result<> outcome) {
    {
        const std::lock_guard lock(mutex_);
        waiting_messages_ -= 1;
        waiting_octets_ -= one.octets;
    }
    one.delivery.body.reset();
    if (outcome)
        one.callback(std::move(one.uids));
    else
        one.callback(std::unexpected(std::move(outcome.error())));
}

void Committer::note_failure(const Error& error) {
    const std::lock_guard lock(mutex_);
    if (!failure_)
        log_error(
            "the disk refused a write; trying again by itself",
            {
                {"error", error.message}
        }
        );
    failure_ = error;
}

Result<> Committer::writable() const {
    const std::lock_guard lock(mutex_);
    if (is_closing_) return failure(ErrorCode::unavailable, "the store is closed");
    if (failure_) return std::unexpected(*failure_);
    return {};
}

Result<rows::MailboxName*> Committer::mailbox(const Database::Use& use, const std::string& key) {
    auto found = mailboxes_.find(key);
    if (found == mailboxes_.end()) {
        std::string value;
        const auto status = use->Get({}, use[MailTable::mailboxes], key, &value);
        if (status.ok()) {
            const auto name = rows::decode_mailbox_name(value);
            if (!name) return failure(ErrorCode::corrupt, "the row of a mailbox is damaged");
            found = mailboxes_.emplace(key, *name).first;
        } else if (status.IsNotFound()) {
            const auto seconds =
                std::chrono::duration_cast<std::chrono::seconds>(clock_.wall().time_since_epoch()).count();
            // Past 2106 or before 1970 the clock is of no use; the last one + 1 still is.
            const auto now = seconds > 0 && seconds < std::numeric_limits<std::uint32_t>::max()
                                 ? static_cast<std::uint32_t>(seconds)
                                 : 0U;
            counters_.last_uid_validity = std::max(now, counters_.last_uid_validity + 1);
            found =
                mailboxes_
                    .emplace(key, rows::MailboxName{counters_.next_mailbox++, counters_.last_uid_validity, 1})
                    .first;
            counters_are_written_ = false;
        } else {
            return std::unexpected(to_error("cannot read the row of a mailbox", status));
        }
    }
    return &found->second;
}

Result<> Committer::write(const Database::Use& use) {
    // Also after a batch that failed: a number given out in this process is never given out again.
    if (!counters_are_written_) {
        const auto status =
            batch_.Put(use[MailTable::meta], rocksdb::Slice(rows::counters_key), rows::encode(counters_));
        if (!status.ok()) return check(status, "cannot add to a batch");
    }
    if (batch_.Count() == 0) return {};
    auto written = database_.write(use, batch_, sync_);
    if (written)
        counters_are_written_ = true;
    else
        note_failure(written.error());
    return written;
}

Result<> Committer::add_message(
    const Database::Use& use, rocksdb::WriteBatch& batch, std::set<RecordId>& ids, const Waiting& one
) {
    const Delivery& delivery = one.delivery;
    const std::string_view id = rows::id_key(delivery.id);
    std::string present;
    const auto known = use->Get({}, use[MailTable::messages], rocksdb::Slice(id), &present);
    if (known.ok() || !ids.insert(delivery.id).second)
        return failure(
            ErrorCode::exists, "there is a message with id " + delivery.id.to_string() + " already"
        );
    if (!known.IsNotFound()) return std::unexpected(to_error("cannot read the row of a message", known));
    rows::Message message;
    message.references = static_cast<std::uint32_t>(delivery.rows.size());
    message.place = one.place;
    message.size_octets = delivery.body->size();
    message.sha256 = delivery.body->sha256();
    auto status = batch.Put(use[MailTable::messages], rocksdb::Slice(id), rows::encode(message));
    if (status.ok() && one.place == rows::BodyPlace::row) {
        std::string copy;
        std::string_view octets;
        if (delivery.body->is_in_memory()) {
            octets = delivery.body->view();
        } else {
            auto read = delivery.body->read(0, delivery.body->size());
            if (!read) return std::unexpected(read.error());
            copy = std::move(*read);
            octets = copy;
        }
        const rocksdb::Slice key(id);
        const std::array<rocksdb::Slice, 2> value{rocksdb::Slice(&version_octet, 1), rocksdb::Slice(octets)};
        status = batch.Put(
            use[MailTable::bodies],
            rocksdb::SliceParts(&key, 1),
            rocksdb::SliceParts(value.data(), value.size())
        );
    }
    return check(status, "cannot add to a batch");
}

// An account may be removed while a message to it is on its way. What is in mailboxes_ need not be looked up:
// the removal of an account takes its mailboxes out.
Result<> Committer::check_owners(const Database::Use& use, const Delivery& delivery) const {
    for (const MailboxDelivery& row : delivery.rows) {
        if (row.owner == MailboxOwner::nobody) continue;
        if (mailboxes_.contains(rows::mailbox_name_key(row.account, row.mailbox))) continue;
        std::string value;
        const auto status = use->Get({}, use[MailTable::accounts], row.account, &value);
        if (status.IsNotFound())
            return failure(ErrorCode::not_found, "the account " + row.account + " was removed meanwhile");
        if (!status.ok()) return std::unexpected(to_error("cannot read the row of an account", status));
    }
    return {};
}

Result<> Committer::add(
    const Database::Use& use, rocksdb::WriteBatch& batch, std::set<RecordId>& ids, Waiting& one
) {
    const Delivery& delivery = one.delivery;
    if (delivery.body && !delivery.rows.empty()) {
        if (auto checked = check_owners(use, delivery); !checked) return checked;
        if (auto added = add_message(use, batch, ids, one); !added) return added;
        for (const MailboxDelivery& row : delivery.rows) {
            const auto size = rows::served_size(delivery.body->size(), row.prefix.size(), row.cuts);
            if (!size) return failure(ErrorCode::invalid, "the cuts of a delivery do not fit its body");
            const std::string key = rows::mailbox_name_key(row.account, row.mailbox);
            const auto name = mailbox(use, key);
            if (!name) return std::unexpected(name.error());
            if ((*name)->next_uid == std::numeric_limits<Uid>::max())
                return failure(ErrorCode::no_space, "a mailbox has no UIDs left");
            const Uid uid = (*name)->next_uid++;
            one.uids.push_back(uid);
            auto status = batch.Put(use[MailTable::mailboxes], key, rows::encode(**name));
            if (status.ok()) {
                status = batch.Put(
                    use[MailTable::mailboxes],
                    rows::mailbox_entry_key((*name)->number, uid),
                    rows::encode(rows::MailboxEntry{delivery.id, *size, delivery.time})
                );
            }
            if (status.ok()) {
                status = batch.Put(
                    use[MailTable::views],
                    rows::view_key((*name)->number, uid),
                    rows::encode_view(row.prefix, row.cuts)
                );
            }
            if (!status.ok()) return check(status, "cannot add to a batch");
        }
    }
    if (delivery.record.empty()) return {};
    const std::string head = rows::encode_decision_head(delivery.record_keys);
    const rocksdb::Slice key(rows::id_key(delivery.id));
    const std::array<rocksdb::Slice, 2> value{rocksdb::Slice(head), rocksdb::Slice(delivery.record)};
    return check(
        batch.Put(
            use[MailTable::decisions],
            rocksdb::SliceParts(&key, 1),
            rocksdb::SliceParts(value.data(), value.size())
        ),
        "cannot add to a batch"
    );
}

void Committer::commit(std::vector<Waiting>& group) {
    Result<> written;
    if (auto now = writable(); !now && now.error().code != ErrorCode::unavailable) written = now;
    std::vector<std::pair<Waiting*, Error>> misfits;
    if (written) {
        const auto use = database_.use();
        if (!use) {
            written = failure(ErrorCode::unavailable, "the store is closed");
        } else {
            batch_.Clear();
            std::set<RecordId> ids;
            for (Waiting& one : group) {
                // One that cannot be stored is taken out again, and the others go on.
                batch_.SetSavePoint();
                if (auto added = add(use, batch_, ids, one); !added) {
                    batch_.RollbackToSavePoint().PermitUncheckedError();
                    misfits.emplace_back(&one, std::move(added.error()));
                } else {
                    batch_.PopSavePoint().PermitUncheckedError();
                }
            }
            written = write(use);
        }
    }
    if (!written) {
        const std::lock_guard lock(mutex_);
        for (const Waiting& one : group) {
            if (one.place == rows::BodyPlace::file) doubtful_blobs_.push_back(one.delivery.id);
        }
    }
    for (Waiting& one : group) {
        const auto misfit = std::ranges::find(misfits, &one, &std::pair<Waiting*, Error>::first);
        if (misfit == misfits.end() || !written) {
            finish(one, written);
            continue;
        }
        if (one.place == rows::BodyPlace::file && misfit->second.code != ErrorCode::exists)
            blobs_.remove(one.delivery.id);
        finish(one, std::unexpected(std::move(misfit->second)));
    }
}

void Committer::perform(WaitingTask& task) {
    Result<> outcome;
    Aftermath aftermath;
    if (auto now = writable(); !now && now.error().code != ErrorCode::unavailable) {
        outcome = now;
    } else if (const auto use = database_.use(); !use) {
        outcome = failure(ErrorCode::unavailable, "the store is closed");
    } else {
        batch_.Clear();
        outcome = task.task(*this, use, batch_, aftermath);
        if (outcome) outcome = write(use);
    }
    if (outcome) {
        for (const RecordId& id : aftermath.blobs)
            blobs_.remove(id);
        for (const std::string& key : aftermath.forgotten_mailboxes)
            mailboxes_.erase(key);
    }
    task.done(std::move(outcome));
}

void Committer::resolve_doubtful_blobs() {
    std::vector<RecordId> ids;
    {
        const std::lock_guard lock(mutex_);
        ids.swap(doubtful_blobs_);
    }
    const auto use = database_.use();
    if (!use) return;
    for (const RecordId& id : ids) {
        std::string value;
        if (use->Get({}, use[MailTable::messages], rocksdb::Slice(rows::id_key(id)), &value).IsNotFound())
            blobs_.remove(id);
    }
}

void Committer::try_to_recover() {
    {
        const std::lock_guard lock(mutex_);
        if (!failure_ && !database_.has_failed()) return;
        if (!failure_) failure_ = Error{ErrorCode::io, "the disk refused a write in the background"};
    }
    if (auto recovered = database_.recover(sync_); !recovered) {
        const std::lock_guard lock(mutex_);
        failure_ = recovered.error();
        return;
    }
    resolve_doubtful_blobs();
    {
        const std::lock_guard lock(mutex_);
        failure_.reset();
    }
    log_info("the disk takes writes again");
}

}  // namespace wicket
