// Whatever the octets: no crash, and what was read as base64 or as PLAIN reads back the same when written
// again.

#include "auth/base64.hpp"
#include "auth/password.hpp"
#include "auth/sasl.hpp"

#include <cstdlib>

namespace wicket {
namespace {

void require(bool holds) {
    if (!holds) std::abort();
}

void check_plain(std::string_view response) {
    const auto read = parse_sasl_plain(response);
    if (!read) return;
    require(response.size() <= sasl_plain_limit_octets);
    require(!read->login.empty() && read->login.size() <= sasl_field_limit_octets);
    require(!read->password.view().empty() && read->password.view().size() <= password_limit_octets);
    std::string message(1, '\0');
    message += read->login;
    message += '\0';
    message += read->password.view();
    const auto again = parse_sasl_plain(encode_base64(message));
    require(
        again.has_value() && again->login == read->login && again->password.view() == read->password.view()
    );
}

}  // namespace
}  // namespace wicket

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer calls it by this name.
extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    wicket::require(wicket::decode_base64(wicket::encode_base64(text)) == text);
    if (const auto octets = wicket::decode_base64(text))
        wicket::require(wicket::encode_base64(*octets) == text);
    wicket::check_plain(text);
    wicket::check_plain(wicket::encode_base64(text));
    if (const auto prepared = wicket::prepare_password(text)) {
        const auto again = wicket::prepare_password(prepared->view());
        wicket::require(again.has_value() && again->view() == prepared->view());
    }
    return 0;
}
