// Remembers how much longer or shorter downgraded messages are than stored ones, so that STAT and LIST tell
// what RETR will send without reading every header again at each login. UIDs never mean another message, so
// what is known stays true. Bounded; losing it costs only time. Any thread.
#pragma once

#include "base/result.hpp"
#include "store/mail_store.hpp"

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace wicket {

class SurrogateSizes {
public:
    /// What is known of one maildrop.
    struct Known {
        Uid highest = 0;                          // all messages up to it were measured
        std::map<Uid, std::int64_t> differences;  // those that are not served in their stored size
        /// Octets of a measured message as it will be served.
        std::uint64_t size_of(const MailboxRow& row) const;
    };

    // Some hundred octets each, as nearly all messages are plain ASCII.
    explicit SurrogateSizes(std::size_t maildrops = 10000) : maildrop_limit_(maildrops) {}

    Known recall(std::string_view account, std::string_view mailbox, std::uint32_t uid_validity) const;
    void remember(
        std::string_view account, std::string_view mailbox, std::uint32_t uid_validity, Known known
    );

private:
    std::size_t maildrop_limit_;
    mutable std::mutex mutex_;  // protects known_
    std::map<std::string, Known> known_;
};

/// Whose messages are measured, and which: a maildrop and some of its rows, sorted by UID.
struct SurrogateSurvey {
    ListedMailbox mailbox;
    std::vector<MailboxRow> rows;
};

/// Measures the next rows that `known` does not cover, at most `count` of them. A message that cannot be read
/// for good counts as it is; any other failure ends it. False if none was left. May block.
Result<bool> measure_surrogates(
    MailStore& store, const SurrogateSurvey& survey, std::size_t count, SurrogateSizes::Known& known
);

}  // namespace wicket
