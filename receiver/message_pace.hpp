// Watches over how fast the text of one message comes, through all of its chunks: pure arithmetic. Each quota
// of rate x window octets has to be complete within one window of waiting for text, so no window passes on
// credit of earlier speed and a peer that sends one octet now and then is found out. The time in which the
// peer owes a command, or has announced text and not begun it, has a measure of its own per quota: a client
// may pause between two chunks as long as before any command, but not once per octet. The time that our
// answers take counts for nobody. A value; one thread.
#pragma once

#include "base/clock.hpp"
#include "receiver/options.hpp"
#include "receiver/session_step.hpp"

#include <chrono>
#include <cstdint>

namespace wicket {

class MessagePace {
public:
    // The average is taken over this: long enough for a lost segment or two, too short for a slow trickle.
    static constexpr std::chrono::seconds window{60};

    /// A least rate of 0: any is fine.
    explicit MessagePace(const ReceiverTimeouts& timeouts)
        : quota_octets_(std::uint64_t{timeouts.least_octets_per_second} * window.count()),
          pauses_(timeouts.command) {}

    /// A read ended that began `waited` ago with `awaiting`, and has brought `octets`.
    void received(Awaiting awaiting, SteadyTime::duration waited, std::uint64_t octets) {
        (awaiting == Awaiting::data_rest ? text_took_ : pauses_took_) += waited;
        octets_ += octets;
        if (octets_ < quota_octets_) return;
        octets_ = 0;
        text_took_ = pauses_took_ = {};
    }

    /// When the peer is too slow if a read that begins `now` has brought nothing.
    SteadyTime deadline(Awaiting awaiting, SteadyTime now) const {
        if (quota_octets_ == 0) return SteadyTime::max();
        return awaiting == Awaiting::data_rest ? now + window - text_took_ : now + pauses_ - pauses_took_;
    }

private:
    std::uint64_t quota_octets_;
    std::uint64_t octets_ = 0;
    std::chrono::seconds pauses_;
    SteadyTime::duration text_took_{};  // of this quota
    SteadyTime::duration pauses_took_{};
};

}  // namespace wicket
