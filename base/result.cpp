#include "base/result.hpp"

#include <cerrno>
#include <system_error>

namespace wicket {
namespace {

ErrorCode code_of(int error_number) {
    switch (error_number) {
        case ENOSPC:
        case EDQUOT: return ErrorCode::no_space;
        case ENOENT: return ErrorCode::not_found;
        case EEXIST: return ErrorCode::exists;
        default: return ErrorCode::io;
    }
}

}  // namespace

std::unexpected<Error> system_failure(std::string_view what, int error_number) {
    std::string message(what);
    message.append(": ").append(std::system_category().message(error_number));
    return failure(code_of(error_number), std::move(message));
}

}  // namespace wicket
