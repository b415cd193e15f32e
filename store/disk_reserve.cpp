#include "store/disk_reserve.hpp"

#include "base/log.hpp"
#include "store/quarantine.hpp"

#include <algorithm>
#include <string>

namespace wicket {
namespace {

// Between two looks at most this much is written: others fill the disk too.
constexpr std::int64_t allowance_limit_octets = 4 << 20;

// Mail comes in again when there is this much more than where it stopped.
constexpr std::int64_t return_octets = 1 << 20;

// Less than this is not worth a flush: each makes a file of every table.
constexpr std::uint64_t flush_octets = 1U << 20U;

}  // namespace

DiskReserve::DiskReserve(Database& mail, Database& refusals) : mail_(mail), refusals_(refusals) {
    look();
}

Result<> DiskReserve::take(std::uint64_t octets) {
    const auto wanted = static_cast<std::int64_t>(octets);
    if (!is_low_.load(std::memory_order_relaxed) && allowance_.fetch_sub(wanted) >= wanted) return {};
    look();
    if (auto allowed = writable(); !allowed) return allowed;
    allowance_.fetch_sub(wanted);
    const std::lock_guard lock(mutex_);
    if (wanted > room_)
        return failure(ErrorCode::no_space, "the disk has no room for a message of this size");
    return {};
}

Result<> DiskReserve::writable() const {
    if (!is_low_.load(std::memory_order_relaxed)) return {};
    return failure(ErrorCode::no_space, "the disk is nearly full: the rest is for what is stored already");
}

void DiskReserve::look() {
    const std::lock_guard lock(mutex_);
    const auto free = mail_.free_octets();
    const std::uint64_t in_mail = mail_.unflushed_octets();
    const std::uint64_t in_refusals = refusals_.unflushed_octets();
    // A file system that does not tell: nothing but its refusals can be gone by.
    if (!free) {
        room_ = allowance_limit_octets;
        allowance_ = allowance_limit_octets;
        has_spare_room_ = true;
        mail_.set_compaction(Database::Compaction::on);
        return;
    }
    const std::uint64_t kept = in_mail + in_refusals + disk_margin_octets;
    room_ = static_cast<std::int64_t>(*free) - static_cast<std::int64_t>(kept);
    if (*free < 2 * kept) {
        if (in_mail >= flush_octets) mail_.begin_flush();
        if (in_refusals >= flush_octets) refusals_.begin_flush();
    }
    mail_.set_compaction(
        room_ >= static_cast<std::int64_t>(mail_.compaction_octets()) ? Database::Compaction::on
                                                                      : Database::Compaction::off
    );
    const bool was_low = is_low_;
    const bool is_low = room_ < (was_low ? return_octets : 0);
    is_low_ = is_low;
    is_scarce_ = room_ < -static_cast<std::int64_t>(disk_margin_octets / 2);
    has_spare_room_ = room_ >= static_cast<std::int64_t>(quarantine_reserve_octets);
    allowance_ = is_low ? 0 : std::min(room_ / 4, allowance_limit_octets);
    if (is_low == was_low) return;
    const std::string octets = std::to_string(*free);
    if (is_low)
        log_error(
            "the disk is nearly full: mail is refused for now; reading and deleting go on",
            {
                {"folder", mail_.folder()      },
                {"free",   octets              },
                {"kept",   std::to_string(kept)}
        }
        );
    else
        log_info(
            "the disk has room for mail again",
            {
                {"free", octets}
        }
        );
}

}  // namespace wicket
