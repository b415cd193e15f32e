#include "access/line_buffer.hpp"

#include "auth/secret.hpp"

namespace wicket {

void LineBuffer::append(std::string_view octets) {
    drop_given();
    // A fresh buffer each time: growing in place would leave copies behind. What is carried over is part of a
    // line.
    std::string fresh;
    fresh.reserve(octets_.size() - begin_ + octets.size());
    fresh.append(octets_, begin_);
    fresh += octets;
    scanned_ -= begin_;
    begin_ = 0;
    wipe(octets_);
    octets_.swap(fresh);
}

void LineBuffer::drop_given() {
    // An idle session keeps no buffer.
    if (begin_ == octets_.size()) clear();
}

LineBuffer::Line LineBuffer::next(std::size_t limit_octets) {
    drop_given();
    const std::size_t line_feed = octets_.find('\n', scanned_);
    if (line_feed == std::string::npos) {
        scanned_ = octets_.size();
        const std::size_t waiting = octets_.size() - begin_;
        // A lone CR at the limit may be the CR of a line that just fits.
        if (is_discarding_ || waiting >= limit_octets) {
            is_discarding_ = true;
            discarded_ += waiting;
            begin_ = octets_.size();
            if (discarded_ > discard_limit_octets_) return {Kind::flood, {}};
        }
        return {Kind::none, {}};
    }
    const std::string_view line = std::string_view(octets_).substr(begin_, line_feed + 1 - begin_);
    begin_ = scanned_ = line_feed + 1;
    if (is_discarding_ || line.size() > limit_octets) {
        is_discarding_ = false;
        discarded_ = 0;
        return {Kind::too_long, {}};
    }
    if (!line.ends_with("\r\n")) return {Kind::bare_lf, {}};
    return {Kind::line, line.substr(0, line.size() - 2)};
}

bool LineBuffer::is_empty() const {
    return begin_ == octets_.size();
}

void LineBuffer::clear() {
    wipe(octets_);
    std::string().swap(octets_);
    begin_ = scanned_ = 0;
}

}  // namespace wicket
