// How often a message was deferred because something about it was not known: the memory behind the facts
// deferred.envelope and deferred.message, so that the third try passes (policy/rules.hpp). Kept in the
// store's expiring memory, which may forget: then a message is deferred once more, nothing worse. Any thread.
#pragma once

#include "base/clock.hpp"
#include "base/ip.hpp"
#include "base/keyed_memory.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace wicket {

// RFC 5321 section 4.5.4.1: a sender tries again for 4 to 5 days at least, at intervals that grow to hours.
inline constexpr std::chrono::hours deferral_memory{5 * 24};

class Deferrals {
public:
    Deferrals(KeyedMemory& memory, const Clock& clock) : memory_(memory), clock_(clock) {}

    /// Of a recipient before DATA; empty `recipient`: before RCPT.
    static std::string envelope_key(
        const IpAddress& client, std::string_view sender, std::string_view recipient
    );
    /// Of a whole message; the order of the recipients does not matter.
    static std::string message_key(
        const IpAddress& client,
        std::string_view sender,
        std::vector<std::string> recipients,
        std::string_view sha256
    );

    /// May block for a disk read.
    std::int64_t count(std::string_view key);
    /// One more. Two at the same moment may count as one.
    void add(std::string_view key);

private:
    KeyedMemory& memory_;
    const Clock& clock_;
};

}  // namespace wicket
