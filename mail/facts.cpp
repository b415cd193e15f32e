#include "mail/facts.hpp"

#include <algorithm>

namespace wicket {
namespace {

// A session comes to a dozen facts one by one; doubling would leave half of its room empty.
constexpr std::size_t growth = 6;

}  // namespace

const FactValue& Facts::get(FactId id) const {
    static const FactValue absent;
    const auto at = std::ranges::lower_bound(rows_, id, {}, &Row::id);
    return at != rows_.end() && at->id == id ? at->value : absent;
}

void Facts::set(FactId id, FactValue value) {
    auto at = std::ranges::lower_bound(rows_, id, {}, &Row::id);
    const bool is_there = at != rows_.end() && at->id == id;
    if (std::holds_alternative<Absent>(value)) {
        if (is_there) rows_.erase(at);
    } else if (is_there) {
        at->value = std::move(value);
    } else {
        if (rows_.size() == rows_.capacity()) {
            const auto index = at - rows_.begin();
            rows_.reserve(rows_.size() + std::max(growth, rows_.size() / 4));
            at = rows_.begin() + index;
        }
        rows_.insert(at, {id, std::move(value)});
    }
}

}  // namespace wicket
