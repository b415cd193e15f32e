// Keeps mail from filling the disk to its end. What the databases hold in memory must still fit beside their
// logs as tables, with a margin: else no log could be dropped, no owner could delete anything, and the store
// would not open again. Any thread.
#pragma once

#include "base/result.hpp"
#include "store/database.hpp"

#include <atomic>
#include <cstdint>
#include <mutex>

namespace wicket {

// Beside what recovery needs: deletions and changes of accounts go on in it, and records of refusals in half.
inline constexpr std::uint64_t disk_margin_octets = 8U << 20U;

class DiskReserve {
public:
    DiskReserve(Database& mail, Database& refusals);

    /// Whether so many octets of mail may go to the disk: no_space. Looks at the disk only when what the last
    /// look allowed is used up.
    Result<> take(std::uint64_t octets);
    /// As of the last look: no_space while mail is refused. Never blocks.
    Result<> writable() const;
    /// As of the last look: records of refusals must wait, so that deletions have what is left.
    bool is_scarce() const { return is_scarce_.load(std::memory_order_relaxed); }
    /// As of the last look: there is room for what is only wanted (quarantine.hpp). Never blocks.
    bool has_spare_room() const { return has_spare_room_.load(std::memory_order_relaxed); }
    /// The keeper's, besides take(): looks now. Has the databases flush early where room gets short, since
    /// that frees their logs.
    void look();

private:
    Database& mail_;
    Database& refusals_;
    std::atomic<std::int64_t> allowance_{0};  // octets until the next look
    std::atomic<bool> is_low_{false};
    std::atomic<bool> is_scarce_{false};
    std::atomic<bool> has_spare_room_{true};
    std::mutex mutex_;       // one look at a time
    std::int64_t room_ = 0;  // of the last look, under mutex_
};

}  // namespace wicket
