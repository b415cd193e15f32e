// How many questions one message may still put to DNS lists, those of its connection included. One loop, that
// of the session.
#pragma once

#include "mail/stage.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

namespace wicket {

class ListBudget {
public:
    // Each list is asked once, so only rules that name more lists than anybody can judge come here. Then all
    // that a client costs us is a connection, and what it costs others must not grow with our rules. Answers
    // from the cache count as well: what is known of a message must not hang on who came before it.
    static constexpr std::uint32_t limit = 60;

    /// Whether a question that became possible at `stage` may be asked; it is counted then.
    bool take(Stage stage) {
        std::uint32_t asked = 0;
        for (const std::uint32_t count : asked_)
            asked += count;
        if (asked >= limit) return false;
        ++asked_.at(static_cast<std::size_t>(stage));
        return true;
    }
    /// Another message of the same connection, or another greeting.
    void forget_from(Stage stage) {
        std::fill(asked_.begin() + static_cast<std::ptrdiff_t>(stage), asked_.end(), 0U);
    }

private:
    std::array<std::uint32_t, stage_count> asked_{};
};

}  // namespace wicket
