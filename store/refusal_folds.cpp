#include "store/refusal_folds.hpp"

#include <chrono>

namespace wicket {

std::optional<RecordId> RefusalFolds::fold(const RefusalKind& kind, const RecordId& id, WallTime time) {
    const auto minute = std::chrono::floor<std::chrono::minutes>(time).time_since_epoch().count();
    const std::lock_guard lock(mutex_);
    const auto [at, is_new] = kinds_.try_emplace(Key{neighbourhood(kind.client_ip), kind.rule, kind.stage});
    Kind& entry = at->second;
    if (is_new) {
        by_use_.push_front(&at->first);
        entry.place = by_use_.begin();
        if (kinds_.size() > fold_kinds_limit) {
            kinds_.erase(kinds_.find(*by_use_.back()));
            by_use_.pop_back();
        }
    } else {
        by_use_.splice(by_use_.begin(), by_use_, entry.place);
    }
    if (is_new || entry.minute != minute) {
        entry.minute = minute;
        entry.in_minute = 0;
    }
    if (entry.in_minute < refusal_fold_limit_per_minute) {
        entry.in_minute += 1;
        entry.sample = id;
        return std::nullopt;
    }
    counts_[entry.sample] += {1, time};
    return entry.sample;
}

void RefusalFolds::unfold(const RecordId& sample) {
    const std::lock_guard lock(mutex_);
    counts_[sample].count -= 1;
}

RefusalFolds::Counts RefusalFolds::take() {
    const std::lock_guard lock(mutex_);
    return std::exchange(counts_, {});
}

void RefusalFolds::give_back(const Counts& counts) {
    const std::lock_guard lock(mutex_);
    for (const auto& [sample, folded] : counts)
        counts_[sample] += folded;
}

DecisionLog::Folded RefusalFolds::counted(const RecordId& sample) const {
    const std::lock_guard lock(mutex_);
    const auto found = counts_.find(sample);
    return found == counts_.end() ? DecisionLog::Folded() : found->second;
}

std::size_t RefusalFolds::kinds() const {
    const std::lock_guard lock(mutex_);
    return kinds_.size();
}

}  // namespace wicket
