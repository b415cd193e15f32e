// Since when a network has been trying to send from one address to another: the memory behind the fact
// greylist.age, so that who comes again passes (RFC 6647 section 4). Kept in the store's expiring memory,
// which may forget: then a sender waits once more, nothing worse. Any thread.
#pragma once

#include "base/clock.hpp"
#include "base/ip.hpp"
#include "base/keyed_memory.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace wicket {

// RFC 6647 section 5: a sender that does not come again within two days is a stranger as before; one that did
// is known for as long as monthly mail needs.
inline constexpr std::chrono::hours greylist_window{2 * 24};
inline constexpr std::chrono::hours greylist_pass{35 * 24};

class Greylist {
public:
    Greylist(KeyedMemory& memory, const Clock& clock) : memory_(memory), clock_(clock) {}

    /// Of the client's /24 or /64, since large senders try again from another host.
    static std::string key_of(const IpAddress& client, std::string_view sender, std::string_view recipient);

    /// Seconds since the first greylisting; nullopt if there was none. May block for a disk read.
    std::optional<std::int64_t> age(std::string_view key);
    /// It is greylisted now: the clock starts if it has not. Two at the same moment count as one.
    void begin(std::string_view key);
    /// It has waited: known from now on for greylist_pass.
    void keep(std::string_view key);

private:
    KeyedMemory& memory_;
    const Clock& clock_;
};

}  // namespace wicket
