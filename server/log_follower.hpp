// What `log -f` has still to show. Records appear in the order in which transactions end, but their ids are
// fixed at MAIL, so a record may turn up far behind the latest one. So the last seconds are read again at
// every look, longer spans more and more seldom, and what was shown is remembered as long as a transaction
// may take: nothing is left out, nothing shown twice. Values; one thread.
#pragma once

#include "base/clock.hpp"
#include "base/record_id.hpp"

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <string_view>

namespace wicket {

// How often `log -f` looks for more.
inline constexpr std::chrono::milliseconds follow_interval{200};
// A refusal is shown after this long although its transaction goes on; most end sooner, and are shown once.
inline constexpr std::chrono::seconds follow_open_wait{1};
// The longest that is remembered: the largest message at the least rate takes 29 hours.
inline constexpr std::chrono::hours follow_span{30};

class LogFollower {
public:
    enum class RecordState : std::uint8_t { open, ended };

    /// Begins a look: from which time on to read. Whoever looks for the first time reads all they want.
    WallTime look(WallTime now, SteadyTime at);

    /// Whether the record is finished with: it need not be decoded again.
    bool is_done(const RecordId& id) const;
    /// Whether to show it. An ended record is shown again if it differs in `told` from the open one that was
    /// shown.
    bool shows(const RecordId& id, RecordState state, std::string_view told);
    std::size_t remembered() const { return seen_.size(); }

private:
    struct Seen {
        SteadyTime first;
        bool is_ended = false;
        bool is_shown = false;
        std::size_t told_hash = 0;  // of an open record that was shown
    };
    // A span is read again after a 25th of it: what took long is shown a little late.
    static constexpr std::array<std::chrono::seconds, 5> spans{
        std::chrono::seconds(5),
        std::chrono::minutes(1),
        std::chrono::minutes(12),
        std::chrono::hours(2),
        follow_span
    };
    static constexpr int looks_in_span = 25;

    std::map<RecordId, Seen> seen_;
    RecordId oldest_;  // of those remembered
    SteadyTime at_{};  // of this look
    std::array<SteadyTime, spans.size()> next_{};
};

}  // namespace wicket
