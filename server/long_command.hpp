// What a command does that may read the whole store while the server works: it gets out of the server's way,
// and tells a person at a terminal how far it is. One thread.
#pragma once

#include "base/clock.hpp"

#include <cstdint>
#include <cstdio>
#include <string>

namespace wicket {

// A person wonders after a second; more often than this nobody reads.
inline constexpr std::chrono::seconds progress_patience{1};
inline constexpr std::chrono::milliseconds progress_interval{200};

/// CPU only where it is left over, and the disk only when nobody else wants it. For this thread and those
/// that it makes.
void yield_to_others();

/// A line that counts, from the first second on, and goes away.
class Progress {
public:
    /// How the line is taken back: by a control sequence, or (NO_COLOR) with blanks.
    enum class Erasing : std::uint8_t { control, blanks };

    /// `terminal` is nullptr if there is none. Both must outlive it.
    Progress(std::FILE* terminal, const Clock& clock, Erasing erasing);
    /// On standard error if that is a terminal.
    explicit Progress(const Clock& clock);
    ~Progress() { hide(); }
    Progress(const Progress&) = delete;
    Progress& operator=(const Progress&) = delete;

    /// So many records more.
    void count(std::uint64_t more = 1);
    /// Before anything else is written.
    void hide();
    /// Hides it for good.
    void end();

private:
    std::FILE* terminal_;
    const Clock& clock_;
    Erasing erasing_;
    SteadyTime next_;
    std::uint64_t count_ = 0;
    std::size_t shown_columns_ = 0;
};

}  // namespace wicket
