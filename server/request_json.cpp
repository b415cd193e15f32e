#include "server/request_json.hpp"

#include "server/command_output.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <utility>

namespace wicket {

namespace json = boost::json;

std::string request_text(const json::object& request, std::string_view key) {
    const json::value* value = request.if_contains(key);
    return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

std::string error_answer(const Error& error) {
    return json::serialize(json::object{
        {"error", error.message         },
        {"code",  error_word(error.code)}
    });
}

Result<json::object> read_answer(std::string_view line) {
    boost::system::error_code fault;
    json::value parsed = json::parse(line, fault);
    if (fault || !parsed.is_object()) return failure(ErrorCode::io, "the answer cannot be read");
    json::object& answer = parsed.get_object();
    if (!answer.contains("error")) return std::move(answer);
    return failure(error_of_word(request_text(answer, "code")), request_text(answer, "error"));
}

}  // namespace wicket
