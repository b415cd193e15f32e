// Requests to the holder of the store and its answers, as JSON objects of one line: what all kinds of them
// share. Pure; any thread.
#pragma once

#include "base/result.hpp"

#include <boost/json/object.hpp>

#include <string>
#include <string_view>

namespace wicket {

/// A text of the request; empty if it is not there, or no text.
std::string request_text(const boost::json::object& request, std::string_view key);
/// {"error", "code"}.
std::string error_answer(const Error& error);
/// An answer read back: its error if it is one; io if it is no object.
Result<boost::json::object> read_answer(std::string_view line);

}  // namespace wicket
