#include "store/committer.hpp"

#include "base/log.hpp"
#include "base/thread.hpp"

#include <algorithm>
#include <future>

namespace wicket {
namespace {

// Large bodies are rare; more threads would only make one disk seek more.
constexpr std::size_t blob_thread_count = 3;

/// Octets that the delivery holds in memory.
std::size_t octets_of(const Delivery& delivery) {
    std::size_t octets = delivery.record.size();
    if (delivery.body && delivery.body->is_in_memory()) octets += delivery.body->view().size();
    for (const MailboxDelivery& row : delivery.rows)
        octets += row.prefix.size() + row.cuts.size() * sizeof(CutRange);
    return octets;
}

}  // namespace

Committer::Committer(
    Database& database, BlobFiles& blobs, DiskReserve& reserve, const Clock& clock, Database::Sync sync
)
    : database_(database), blobs_(blobs), reserve_(reserve), clock_(clock), sync_(sync) {}

Result<std::unique_ptr<Committer>> Committer::start(
    Database& database, BlobFiles& blobs, DiskReserve& reserve, const Clock& clock, Database::Sync sync
) {
    std::unique_ptr<Committer> committer(new Committer(database, blobs, reserve, clock, sync));
    if (database.has_failed())
        committer->failure_ = Error{ErrorCode::no_space, "the disk had no room to open the store"};
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
        const bool is_mail = one.delivery.body && !one.delivery.rows.empty();
        const bool is_large = is_mail && one.delivery.body->size() > blob_file_limit_octets;
        if (is_large) one.place = rows::BodyPlace::file;
        const Result<> room = is_mail ? reserve_.writable() : Result<>();
        const std::lock_guard lock(mutex_);
        if (is_closing_) {
            refusal = Error{ErrorCode::unavailable, "the store is closed"};
        } else if (failure_) {
            refusal = *failure_;
        } else if (!room) {
            refusal = room.error();
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
    name_thread("answer");
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
    name_thread("blobs");
    std::unique_lock lock(mutex_);
    for (;;) {
        blob_work_.wait(lock, [this] { return is_closing_ || !blob_queue_.empty(); });
        if (blob_queue_.empty()) return;
        Waiting one = std::move(blob_queue_.front());
        blob_queue_.pop_front();
        blobs_in_work_ += 1;
        lock.unlock();
        auto written = is_working();
        if (written || written.error().code == ErrorCode::unavailable) {
            written = reserve_.take(one.delivery.body->size());
            if (written) {
                written = blobs_.write(one.delivery.id, *one.delivery.body);
                if (!written) note_failure(written.error());
            }
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
    name_thread("commit");
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
    if (auto working = is_working(); !working) return working;
    return reserve_.writable();
}

Result<> Committer::is_working() const {
    const std::lock_guard lock(mutex_);
    if (is_closing_) return failure(ErrorCode::unavailable, "the store is closed");
    if (failure_) return std::unexpected(*failure_);
    return {};
}

void Committer::commit(std::vector<Waiting>& group) {
    Result<> written;
    if (auto now = is_working(); !now && now.error().code != ErrorCode::unavailable) written = now;
    std::vector<std::pair<Waiting*, Error>> misfits;
    const auto fits = [&misfits](const Waiting& one) {
        return std::ranges::find(misfits, &one, &std::pair<Waiting*, Error>::first) == misfits.end();
    };
    if (written) {
        for (Waiting& one : group) {
            // In the log, and once more in the tables. Before the database is held: it is looked at here too.
            const bool is_mail = one.delivery.body && !one.delivery.rows.empty();
            if (auto taken = is_mail ? reserve_.take(2 * one.octets) : Result<>(); !taken)
                misfits.emplace_back(&one, std::move(taken.error()));
        }
        const auto use = database_.use();
        if (!use) {
            written = failure(ErrorCode::unavailable, "the store is closed");
        } else {
            batch_.Clear();
            std::set<RecordId> ids;
            for (Waiting& one : group) {
                if (!fits(one)) continue;
                // One that cannot be stored is taken out again, and the others go on.
                batch_.SetSavePoint();
                if (auto added = add(use, batch_, ids, one); !added) {
                    batch_.RollbackToSavePoint().PermitUncheckedError();
                    records_.forget();
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
    if (auto now = is_working(); !now && now.error().code != ErrorCode::unavailable) {
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
    reserve_.look();
    {
        const std::lock_guard lock(mutex_);
        failure_.reset();
    }
    log_info("the disk takes writes again");
}

}  // namespace wicket
