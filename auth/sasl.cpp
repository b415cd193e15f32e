#include "auth/sasl.hpp"

#include "auth/base64.hpp"
#include "base/text.hpp"

#include <utility>

namespace wicket {
namespace {

bool is_utf8(std::string_view text) {
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t length = is_ascii(text[at]) ? 1 : utf8_length(text.substr(at));
        if (length == 0) return false;
        at += length;
    }
    return true;
}

}  // namespace

// RFC 4616 section 2: message = [authzid] UTF8NUL authcid UTF8NUL passwd
std::expected<PlainCredentials, SaslFault> parse_sasl_plain(std::string_view response) {
    if (response.size() > sasl_plain_limit_octets) return std::unexpected(SaslFault::too_long);
    auto decoded = decode_base64(response);
    if (!decoded) return std::unexpected(SaslFault::bad_base64);
    const Secret message(std::move(*decoded));

    const std::string_view text = message.view();
    const std::size_t first = text.find('\0');
    if (first == std::string_view::npos) return std::unexpected(SaslFault::bad_message);
    const std::size_t second = text.find('\0', first + 1);
    if (second == std::string_view::npos) return std::unexpected(SaslFault::bad_message);
    const std::string_view authorization = text.substr(0, first);
    const std::string_view login = text.substr(first + 1, second - first - 1);
    const std::string_view password = text.substr(second + 1);

    if (login.empty() || password.empty()) return std::unexpected(SaslFault::bad_message);
    if (password.find('\0') != std::string_view::npos) return std::unexpected(SaslFault::bad_message);
    if (authorization.size() > sasl_field_limit_octets || login.size() > sasl_field_limit_octets ||
        password.size() > password_limit_octets)
        return std::unexpected(SaslFault::too_long);
    for (const std::string_view field : {authorization, login, password})
        if (!is_utf8(field)) return std::unexpected(SaslFault::bad_message);
    if (!authorization.empty() && !equal_ignoring_case(authorization, login))
        return std::unexpected(SaslFault::other_identity);
    return PlainCredentials{std::string(login), Secret(password)};
}

}  // namespace wicket
