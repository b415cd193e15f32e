// A mail store in memory for the tests of access/: one mailbox, whose reads can be made to fail. Any thread.
#pragma once

#include "store/mail_store.hpp"

#include <atomic>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <utility>

namespace wicket {

class FakeMailStore : public MailStore {
public:
    /// Appends a message; its UID is its number unless messages were removed.
    Uid add(std::string octets) {
        const std::lock_guard lock(mutex_);
        messages_[next_uid_] = std::move(octets);
        return next_uid_++;
    }
    std::vector<Uid> uids() const {
        const std::lock_guard lock(mutex_);
        std::vector<Uid> uids;
        for (const auto& [uid, octets] : messages_)
            uids.push_back(uid);
        return uids;
    }
    bool is_locked() const { return lock_count_ != 0; }

    // Set before use.
    std::set<Uid> corrupt;                // the checksum is wrong: the read that reaches the end fails
    std::optional<ErrorCode> open_fails;  // open_message
    std::optional<ErrorCode> expunge_fails;
    std::optional<ErrorCode> lock_fails;
    std::optional<ErrorCode> list_fails;
    int opened = 0;
    std::atomic<std::uint32_t> uid_validity{42};  // may be set at any time: the account was made anew

    void deliver(Delivery, DeliverCallback callback) override {
        callback(failure(ErrorCode::unavailable, "not here"));
    }

    Result<MailboxListing> list(std::string_view, std::string_view) override {
        const std::lock_guard lock(mutex_);
        if (list_fails) return failure(*list_fails, "list");
        MailboxListing listing{uid_validity, next_uid_, {}};
        for (const auto& [uid, octets] : messages_)
            listing.rows.push_back({uid, octets.size(), WallTime{}, RecordId{}});
        return listing;
    }

    Result<std::unique_ptr<MessageReader>> open_message(const ListedMailbox& mailbox, Uid uid) override {
        const std::lock_guard lock(mutex_);
        ++opened;
        if (mailbox.uid_validity != uid_validity) return failure(ErrorCode::not_found, "another mailbox");
        if (open_fails) return failure(*open_fails, "open");
        const auto found = messages_.find(uid);
        if (found == messages_.end()) return failure(ErrorCode::not_found, "no such message");
        return std::make_unique<Reader>(found->second, corrupt.contains(uid));
    }

    Result<std::unique_ptr<MessageReader>> open_raw(const RecordId&) override {
        return failure(ErrorCode::not_found, "not here");
    }

    Result<> expunge(const ListedMailbox& mailbox, const std::vector<Uid>& uids) override {
        const std::lock_guard lock(mutex_);
        if (mailbox.uid_validity != uid_validity) return failure(ErrorCode::not_found, "another mailbox");
        if (expunge_fails) return failure(*expunge_fails, "expunge");
        for (const Uid uid : uids)
            messages_.erase(uid);
        return {};
    }

    Result<std::unique_ptr<MaildropLock>> lock_maildrop(std::string_view, std::string_view) override {
        if (lock_fails) return failure(*lock_fails, "lock");
        if (lock_count_ != 0) return failure(ErrorCode::busy, "in use");
        return std::make_unique<Lock>(lock_count_);
    }

    Result<> writable() const override { return {}; }
    Result<std::uint64_t> verify(const std::function<void(const std::string&)>&) override { return 0; }

private:
    class Reader : public MessageReader {
    public:
        Reader(std::string octets, bool is_corrupt) : octets_(std::move(octets)), is_corrupt_(is_corrupt) {}
        std::uint64_t size_octets() const override { return octets_.size(); }
        Result<std::string> next(std::size_t limit_octets) override {
            const std::string piece = octets_.substr(at_, limit_octets);
            at_ += piece.size();
            if (is_corrupt_ && at_ == octets_.size()) return failure(ErrorCode::corrupt, "checksum");
            return piece;
        }

    private:
        std::string octets_;
        bool is_corrupt_;
        std::size_t at_ = 0;
    };

    class Lock : public MaildropLock {
    public:
        explicit Lock(std::atomic<int>& count) : count_(count) { ++count_; }
        ~Lock() override { --count_; }
        Lock(const Lock&) = delete;
        Lock& operator=(const Lock&) = delete;

    private:
        std::atomic<int>& count_;
    };

    mutable std::mutex mutex_;  // protects what follows
    std::map<Uid, std::string> messages_;
    Uid next_uid_ = 1;
    std::atomic<int> lock_count_{0};
};

}  // namespace wicket
