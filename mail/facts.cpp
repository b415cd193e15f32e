#include "mail/facts.hpp"

#include <algorithm>

namespace wicket {
namespace {

// A session comes to a dozen facts one by one; doubling would leave half of its room empty.
constexpr std::size_t growth = 6;

template <typename Row>
void make_room(std::vector<Row>& rows) {
    if (rows.size() == rows.capacity()) rows.reserve(rows.size() + std::max(growth, rows.size() / 4));
}

}  // namespace

Facts::Facts(const Facts& other, std::size_t more) {
    order_.reserve(other.order_.size() + more);
    order_ = other.order_;
    values_.reserve(other.values_.size() + more);
    values_ = other.values_;
}

std::vector<Facts::Place>::iterator Facts::find(FactId id) {
    // A record's facts come by their ids.
    if (order_.empty() || order_.back().id < id) return order_.end();
    return std::ranges::lower_bound(order_, id, {}, &Place::id);
}

const FactValue& Facts::get(FactId id) const {
    static const FactValue absent;
    const auto place = std::ranges::lower_bound(order_, id, {}, &Place::id);
    return place != order_.end() && place->id == id ? values_[place->at] : absent;
}

void Facts::set(FactId id, FactValue value) {
    auto place = find(id);
    const bool is_there = place != order_.end() && place->id == id;
    if (std::holds_alternative<Absent>(value)) {
        if (is_there) erase(static_cast<std::size_t>(place - order_.begin()));
    } else if (is_there) {
        values_[place->at] = std::move(value);
    } else {
        const auto index = place - order_.begin();
        make_room(order_);
        make_room(values_);
        order_.insert(order_.begin() + index, {id, static_cast<std::uint16_t>(values_.size())});
        values_.push_back(std::move(value));
    }
}

void Facts::clear() {
    order_.clear();
    values_.clear();
}

void Facts::erase(std::size_t place) {
    const std::uint16_t gap = order_[place].at;
    order_.erase(order_.begin() + static_cast<std::ptrdiff_t>(place));
    const std::size_t last = values_.size() - 1;
    if (gap != last) {
        values_[gap] = std::move(values_.back());
        std::ranges::find(order_, last, &Place::at)->at = gap;
    }
    values_.pop_back();
}

bool Facts::operator==(const Facts& other) const {
    return std::ranges::equal(order_, other.order_, [&](const Place& a, const Place& b) {
        return a.id == b.id && values_[a.at] == other.values_[b.at];
    });
}

}  // namespace wicket
