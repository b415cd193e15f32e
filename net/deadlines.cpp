#include "net/deadlines.hpp"

#include <algorithm>

namespace wicket {

DeadlineWheel::DeadlineWheel(SteadyTime now) : start_(now) {
    for (auto& head : slots_)
        head.previous_ = head.next_ = &head;
}

void DeadlineWheel::link(DeadlineNode& head, DeadlineNode& node) {
    node.previous_ = head.previous_;
    node.next_ = &head;
    head.previous_->next_ = &node;
    head.previous_ = &node;
}

void DeadlineWheel::put(DeadlineNode& node) {
    // Rounded up, so that the slot is swept when the deadline has passed; never into a slot already swept.
    const auto slot = std::max(tick_of(node.deadline_ + tick - SteadyTime::duration(1)), last_tick_ + 1);
    link(slots_[static_cast<std::size_t>(slot) % slot_count], node);
}

void DeadlineWheel::add(DeadlineNode& node, SteadyTime deadline) {
    remove(node);
    // Far enough from the end of time for the arithmetic above.
    if (deadline > SteadyTime::max() - std::chrono::hours(1)) return;
    node.deadline_ = std::max(deadline, start_);
    put(node);
    ++size_;
}

void DeadlineWheel::remove(DeadlineNode& node) {
    if (!node.is_waiting()) return;
    node.previous_->next_ = node.next_;
    node.next_->previous_ = node.previous_;
    node.previous_ = node.next_ = nullptr;
    --size_;
}

void DeadlineWheel::advance(SteadyTime now) {
    const auto until = tick_of(now);
    // After a long sleep one whole turn sees every node.
    last_tick_ = std::max(last_tick_, until - static_cast<std::int64_t>(slot_count));
    while (last_tick_ < until) {
        ++last_tick_;
        auto& slot = slots_[static_cast<std::size_t>(last_tick_) % slot_count];
        if (slot.next_ == &slot) continue;
        // The slot's nodes move to a list of their own, since callbacks may add to the slot.
        Head due;
        due.next_ = slot.next_;
        due.previous_ = slot.previous_;
        due.next_->previous_ = due.previous_->next_ = &due;
        slot.previous_ = slot.next_ = &slot;
        while (due.next_ != &due) {
            auto& node = *due.next_;
            remove(node);
            if (node.deadline_ <= now) {
                node.on_deadline();
            } else {
                // A later turn: into the slot of its own tick again.
                put(node);
                ++size_;
            }
        }
    }
}

Deadlines::Deadlines(boost::asio::io_context& loop, const Clock& clock)
    : clock_(clock), wheel_(clock.steady()), timer_(std::in_place, loop) {}

void Deadlines::add(DeadlineNode& node, SteadyTime deadline) {
    // An unarmed wheel is empty and may have stood still for long; so nothing can expire inside this call.
    if (!is_armed_) wheel_.advance(clock_.steady());
    wheel_.add(node, deadline);
    if (wheel_.size() != 0 && !is_armed_) arm();
}

void Deadlines::stop() {
    timer_.reset();
}

void Deadlines::arm() {
    if (!timer_) return;
    is_armed_ = true;
    timer_->expires_after(DeadlineWheel::tick);
    timer_->async_wait([this](boost::system::error_code error) {
        is_armed_ = false;
        if (error) return;
        wheel_.advance(clock_.steady());
        if (wheel_.size() != 0 && !is_armed_) arm();
    });
}

}  // namespace wicket
