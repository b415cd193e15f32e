#include "access/surrogate_sizes.hpp"

#include "access/downgrade.hpp"

#include <algorithm>
#include <utility>

namespace wicket {
namespace {

std::string key_of(std::string_view account, std::string_view mailbox, std::uint32_t uid_validity) {
    std::string key(account);
    key += '\0';
    key += mailbox;
    key += '\0';
    key += std::to_string(uid_validity);
    return key;
}

}  // namespace

std::uint64_t SurrogateSizes::Known::size_of(const MailboxRow& row) const {
    const auto found = differences.find(row.uid);
    if (found == differences.end()) return row.size_octets;
    return row.size_octets + static_cast<std::uint64_t>(found->second);
}

SurrogateSizes::Known SurrogateSizes::recall(
    std::string_view account, std::string_view mailbox, std::uint32_t uid_validity
) const {
    const std::lock_guard lock(mutex_);
    const auto found = known_.find(key_of(account, mailbox, uid_validity));
    return found == known_.end() ? Known{} : found->second;
}

void SurrogateSizes::remember(
    std::string_view account, std::string_view mailbox, std::uint32_t uid_validity, Known known
) {
    const std::lock_guard lock(mutex_);
    auto [place, is_new] = known_.insert_or_assign(key_of(account, mailbox, uid_validity), std::move(known));
    if (!is_new || known_.size() <= maildrop_limit_) return;
    // Any other one: whose it is does not matter, as it is measured again at need.
    const auto next = std::next(place);
    known_.erase(next == known_.end() ? known_.begin() : next);
}

Result<bool> measure_surrogates(
    MailStore& store, const SurrogateSurvey& survey, std::size_t count, SurrogateSizes::Known& known
) {
    auto row = std::ranges::upper_bound(survey.rows, known.highest, {}, &MailboxRow::uid);
    for (; row != survey.rows.end() && count > 0; ++row, --count) {
        const auto reader = store.open_message(survey.mailbox, row->uid);
        const auto size =
            reader ? downgraded_size(**reader) : Result<std::uint64_t>(std::unexpected(reader.error()));
        if (size) {
            if (*size != row->size_octets)
                known.differences[row->uid] = static_cast<std::int64_t>(*size - row->size_octets);
        } else if (size.error().code != ErrorCode::corrupt && size.error().code != ErrorCode::not_found) {
            return std::unexpected(size.error());
        }
        known.highest = row->uid;
    }
    return row != survey.rows.end();
}

}  // namespace wicket
