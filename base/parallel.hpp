// Pieces of work that follow one another, done by several threads and handed on in their order: for commands
// that read the whole past. No piece is begun long before its turn comes, so that memory stays flat.
#pragma once

#include <cstddef>
#include <functional>

namespace wicket {

/// Does the pieces 0 to `count` - 1: `work(piece, thread)` on one of `threads` threads, then `take(piece)` on
/// the calling thread, in order. An exception of either ends the rest and is thrown here. Blocks.
void work_in_order(
    std::size_t count,
    std::size_t threads,
    const std::function<void(std::size_t piece, std::size_t thread)>& work,
    const std::function<void(std::size_t piece)>& take
);

}  // namespace wicket
