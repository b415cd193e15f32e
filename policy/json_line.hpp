// How every command prints JSON.
#pragma once

#include <boost/json/value.hpp>

#include <string>

namespace wicket {

struct RecordMark;

/// One line of JSON without its end. Senders choose much of what is in it, and it is read line by line and on
/// terminals: DEL and all that is_deceptive() (base/text.hpp) are escaped, as JSON escapes the other
/// controls.
std::string json_line(const boost::json::value& value);
/// {by, time, to} of a release, {by, time, label} of a label.
boost::json::value json_mark(const RecordMark& mark);
/// Whole numbers without a fraction, so that points read 5 and not 5E0.
boost::json::value json_number(double number);

}  // namespace wicket
