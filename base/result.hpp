// What the machine refused: the second of the three kinds of failure. What a peer or the DNS did is a value,
// and our own bug is an exception; neither is ever an Error. Values: any thread.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace wicket {

enum class ErrorCode : std::uint8_t {
    io,           // the operating system or RocksDB refused, and another try may go better
    no_space,     // the disk or a quota is full: 452 4.3.1
    busy,         // a bounded queue or pool is full, or somebody else holds the lock
    timed_out,    // the deadline passed first
    not_found,    // no such account, message, record, file
    exists,       // it is there already
    corrupt,      // a checksum, version or length is wrong
    invalid,      // the caller's or administrator's value makes no sense
    unavailable,  // the part is not running
};

struct Error {
    ErrorCode code;
    std::string message;  // for the log: what was tried, on what, and why it failed
};

template <class T = void>
using Result = std::expected<T, Error>;

inline std::unexpected<Error> failure(ErrorCode code, std::string message) {
    return std::unexpected(Error{code, std::move(message)});
}

/// `what` followed by the text of `error_number` (errno). ENOSPC and EDQUOT give no_space, ENOENT not_found,
/// EEXIST exists, all others io.
std::unexpected<Error> system_failure(std::string_view what, int error_number);

}  // namespace wicket
