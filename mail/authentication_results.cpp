#include "mail/authentication_results.hpp"

#include "base/text.hpp"
#include "mail/field_writer.hpp"

#include <algorithm>
#include <optional>

namespace wicket {
namespace {

// One property is a name or address; one reason is a sentence.
constexpr std::size_t value_limit_octets = 320;
constexpr std::size_t reason_limit_octets = 512;

// RFC 2045 section 5.1: what no token may hold.
bool is_token_octet(char c) {
    return c > ' ' && c != '\x7F' && !std::string_view("()<>@,;:\\\"/[]?=").contains(c);
}

/// After white space and comments (RFC 5322 section 3.2.2), which may nest; nullopt if a comment is left
/// open.
std::optional<std::size_t> skip_cfws(std::string_view text, std::size_t at) {
    std::size_t depth = 0;
    for (; at < text.size(); ++at) {
        const char c = text[at];
        if (depth > 0 && c == '\\')
            ++at;
        else if (c == '(')
            ++depth;
        else if (depth > 0 && c == ')')
            --depth;
        else if (depth == 0 && !is_fws(c))
            break;
    }
    if (depth > 0) return std::nullopt;
    return std::min(at, text.size());
}

/// RFC 8601 section 2.2: authserv-id is a value, which is a token or a quoted-string; nullopt if none stands
/// there.
std::optional<std::string> read_authserv_id(std::string_view field_value) {
    const auto begin = skip_cfws(field_value, 0);
    if (!begin || *begin == field_value.size()) return std::nullopt;
    std::string id;
    std::size_t at = *begin;
    if (field_value[at] == '"') {
        for (++at; at < field_value.size() && field_value[at] != '"'; ++at) {
            if (field_value[at] == '\\') ++at;
            if (at < field_value.size() && field_value[at] != '\r' && field_value[at] != '\n')
                id += field_value[at];
        }
        if (at >= field_value.size()) return std::nullopt;
    } else {
        while (at < field_value.size() && (is_token_octet(field_value[at]) || !is_ascii(field_value[at])))
            id += field_value[at++];
    }
    if (id.empty()) return std::nullopt;
    return id;
}

/// The text before the first ";" as a careless reader might take it: without comments, white space and
/// quotes.
std::string collapsed_id(std::string_view field_value) {
    std::string id;
    std::size_t depth = 0;
    bool is_quoted = false;
    for (std::size_t at = 0; at < field_value.size(); ++at) {
        char c = field_value[at];
        const bool is_escaped = c == '\\' && at + 1 < field_value.size();
        if (is_escaped) c = field_value[++at];
        if (!is_escaped && !is_quoted && c == '(')
            ++depth;
        else if (!is_escaped && depth > 0 && c == ')')
            --depth;
        else if (!is_escaped && depth == 0 && c == '"')
            is_quoted = !is_quoted;
        else if (!is_escaped && depth == 0 && !is_quoted && c == ';')
            break;
        else if (depth == 0 && !is_fws(c))
            id += c;
    }
    return id;
}

std::string_view without_dot(std::string_view name) {
    if (name.ends_with('.')) name.remove_suffix(1);
    return name;
}

bool claims(std::string_view field_value, std::string_view our_id) {
    // A reader more lenient than we are might take what we cannot read for ours.
    const auto id = read_authserv_id(field_value);
    if (!id || equal_ignoring_case(without_dot(*id), without_dot(our_id))) return true;
    // Ours in careless reading, perhaps with a version after it.
    const std::string collapsed = collapsed_id(field_value);
    if (!starts_with_ignoring_case(collapsed, our_id)) return false;
    return std::ranges::all_of(std::string_view(collapsed).substr(our_id.size()), [](char c) {
        return is_digit(c) || c == '.';
    });
}

/// RFC 8601 section 2.2: pvalue is a value or an address without quoting; anything else is quoted.
std::string property_value(std::string_view value) {
    const auto is_plain = [](char c) { return is_token_octet(c) && is_ascii(c); };
    const std::size_t at_sign = value.find('@');
    const bool is_token =
        at_sign == std::string_view::npos && !value.empty() && std::ranges::all_of(value, is_plain);
    const bool is_address = at_sign != std::string_view::npos && at_sign + 1 < value.size() &&
                            std::ranges::all_of(value.substr(0, at_sign), is_plain) &&
                            std::ranges::all_of(value.substr(at_sign + 1), is_plain);
    if (value.size() <= value_limit_octets && (is_token || is_address)) return std::string(value);
    return quoted(value, value_limit_octets);
}

}  // namespace

std::vector<OctetRange> claimed_results(const HeaderBlock& header, std::string_view our_id) {
    std::vector<OctetRange> claimed;
    for (const HeaderField& field : header.fields) {
        if (!field.is("Authentication-Results")) continue;
        if (claims(field.value, our_id)) claimed.push_back(field.whole);
    }
    return claimed;
}

std::string authentication_results_field(
    std::string_view our_id, std::span<const AuthenticationResult> results
) {
    FieldWriter field("Authentication-Results");
    field.add(property_value(our_id));
    field.append(";");
    if (results.empty()) field.add("none");
    for (std::size_t at = 0; at < results.size(); ++at) {
        const AuthenticationResult& result = results[at];
        field.add(result.method + '=' + result.result);
        if (!result.reason.empty()) field.add("reason=" + quoted(result.reason, reason_limit_octets));
        for (const AuthenticationProperty& property : result.properties)
            field.add(property.name + '=' + property_value(property.value));
        if (at + 1 < results.size()) field.append(";");
    }
    return field.finish();
}

}  // namespace wicket
