#include "receiver/esmtp_parameters.hpp"

#include "base/text.hpp"

#include <algorithm>
#include <charconv>

namespace wicket {
namespace {

// RFC 1870 section 3: size-value = 1*20DIGIT.
constexpr std::size_t size_digits_limit = 20;
// RFC 1035 section 2.3.4, and more than any HELO needs.
constexpr std::size_t xclient_name_limit_octets = 255;
// A line has at most this many without being nonsense; it bounds the search for repeated keywords.
constexpr std::size_t parameters_limit = 32;

constexpr std::string_view unavailable = "[UNAVAILABLE]";
constexpr std::string_view temporarily_unavailable = "[TEMPUNAVAIL]";

// RFC 5321 section 4.1.2: esmtp-keyword = (ALPHA / DIGIT) *(ALPHA / DIGIT / "-")
bool is_keyword(std::string_view text) {
    return !text.empty() && text.front() != '-' &&
           std::ranges::all_of(text, [](char c) { return is_letter_or_digit(c) || c == '-'; });
}

// RFC 5321 section 4.1.2: esmtp-value = 1*(%d33-60 / %d62-126); RFC 6531 section 3.3 adds UTF-8.
bool is_value(std::string_view text) {
    if (text.empty()) return false;
    for (std::size_t at = 0; at < text.size();) {
        const char c = text[at];
        if (is_ascii(c)) {
            if (c <= ' ' || c == '=' || c > '~') return false;
            ++at;
            continue;
        }
        const std::size_t length = utf8_length(text.substr(at));
        if (length == 0) return false;
        at += length;
    }
    return true;
}

/// nullopt if `text` is not digits alone, or does not fit.
template <class Integer>
std::optional<Integer> parse_digits(std::string_view text) {
    if (text.empty() || !std::ranges::all_of(text, is_digit)) return std::nullopt;
    Integer number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc()) return std::nullopt;
    return number;
}

/// The text up to the next space, taken off the front of `rest` with the spaces after it.
std::string_view take_word(std::string_view& rest) {
    const std::string_view word = rest.substr(0, rest.find(' '));
    rest.remove_prefix(word.size());
    rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
    return word;
}

std::optional<std::uint64_t> parse_size(const EsmtpParameter& parameter) {
    if (!parameter.value || parameter.value->size() > size_digits_limit) return std::nullopt;
    if (!std::ranges::all_of(*parameter.value, is_digit)) return std::nullopt;
    // RFC 1870 section 3 allows twenty digits, of which some numbers are too large: larger than any limit,
    // then.
    return parse_digits<std::uint64_t>(*parameter.value).value_or(UINT64_MAX);
}

std::optional<ParameterFault> apply_mail_parameter(const EsmtpParameter& parameter, MailParameters& mail) {
    const auto& [keyword, value] = parameter;
    if (equal_ignoring_case(keyword, "SIZE")) {
        const auto size = parse_size(parameter);
        if (!size) return ParameterFault::malformed;
        mail.size_octets = *size;
        return std::nullopt;
    }
    if (equal_ignoring_case(keyword, "BODY")) {
        if (!value) return ParameterFault::malformed;
        mail.is_8bit = equal_ignoring_case(*value, "8BITMIME");
        if (mail.is_8bit || equal_ignoring_case(*value, "7BIT")) return std::nullopt;
        // RFC 3030 section 3: BINARYMIME may be used only where it is offered.
        if (equal_ignoring_case(*value, "BINARYMIME")) return ParameterFault::unsupported;
        return ParameterFault::malformed;
    }
    if (equal_ignoring_case(keyword, "SMTPUTF8")) {
        // RFC 6531 section 3.4: it has no value.
        if (value) return ParameterFault::malformed;
        mail.is_smtputf8 = true;
        return std::nullopt;
    }
    return ParameterFault::unsupported;
}

int hex_value(char c) {
    if (is_digit(c)) return c - '0';
    // RFC 3461 section 4: upper case only.
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

// RFC 3461 section 4: xtext. What comes out must be printable ASCII, whatever it was encoded as.
std::optional<std::string> decode_xtext(std::string_view text) {
    std::string plain;
    for (std::size_t at = 0; at < text.size(); ++at) {
        char c = text[at];
        if (c == '+') {
            const int high = at + 2 < text.size() ? hex_value(text[at + 1]) : -1;
            const int low = at + 2 < text.size() ? hex_value(text[at + 2]) : -1;
            if (high < 0 || low < 0) return std::nullopt;
            c = static_cast<char>(high * 16 + low);
            at += 2;
        }
        if (c <= ' ' || c > '~') return std::nullopt;
        plain += c;
    }
    if (plain.empty() || plain.size() > xclient_name_limit_octets) return std::nullopt;
    return plain;
}

bool is_host_name(std::string_view name) {
    return std::ranges::all_of(name, [](char c) {
        return is_letter_or_digit(c) || c == '-' || c == '.' || c == '_';
    });
}

std::optional<IpAddress> parse_client_address(std::string_view text) {
    constexpr std::string_view ipv6_tag = "IPV6:";
    if (!starts_with_ignoring_case(text, ipv6_tag)) {
        const auto address = IpAddress::parse(text);
        return address && address->is_ipv4() ? address : std::nullopt;
    }
    return IpAddress::parse(text.substr(ipv6_tag.size()));
}

enum class Applied : std::uint8_t { yes, no };

Applied apply_attribute(std::string_view name, std::string value, Peer& peer) {
    const bool is_unavailable = equal_ignoring_case(value, unavailable);
    const bool is_temporary = equal_ignoring_case(value, temporarily_unavailable);
    if (equal_ignoring_case(name, "NAME")) {
        if (!is_unavailable && !is_temporary && !is_host_name(value)) return Applied::no;
        peer.claimed_name = is_unavailable ? std::string(unavailable)
                            : is_temporary ? std::string(temporarily_unavailable)
                                           : std::move(value);
        return Applied::yes;
    }
    if (equal_ignoring_case(name, "ADDR")) {
        const bool is_known = !is_unavailable && !is_temporary;
        const auto address = is_known ? parse_client_address(value) : IpAddress();
        if (!address) return Applied::no;
        peer.ip = *address;
        peer.ip_known = is_known         ? AddressKnown::yes
                        : is_unavailable ? AddressKnown::no
                                         : AddressKnown::not_for_now;
        return Applied::yes;
    }
    if (equal_ignoring_case(name, "PORT")) {
        const auto port =
            is_unavailable || is_temporary ? std::uint16_t{0} : parse_digits<std::uint16_t>(value);
        if (!port) return Applied::no;
        peer.port = *port;
        return Applied::yes;
    }
    if (equal_ignoring_case(name, "HELO")) {
        peer.claimed_helo = is_unavailable || is_temporary ? std::string() : std::move(value);
        return Applied::yes;
    }
    return Applied::no;
}

}  // namespace

std::expected<std::vector<EsmtpParameter>, ParameterFault> parse_esmtp_parameters(std::string_view text) {
    std::vector<EsmtpParameter> parameters;
    if (text.empty()) return parameters;
    // RFC 5321 section 4.1.1.2: a space stands between the path and its parameters.
    if (text.front() != ' ') return std::unexpected(ParameterFault::malformed);
    take_word(text);
    while (!text.empty()) {
        const std::string_view word = take_word(text);
        const std::size_t equals = word.find('=');
        EsmtpParameter parameter{.keyword = word.substr(0, equals), .value = std::nullopt};
        if (equals != std::string_view::npos) parameter.value = word.substr(equals + 1);
        if (!is_keyword(parameter.keyword) || (parameter.value && !is_value(*parameter.value)) ||
            parameters.size() == parameters_limit)
            return std::unexpected(ParameterFault::malformed);
        // RFC 5321 section 4.1.1.11: a parameter must not come twice.
        const bool is_repeated = std::ranges::any_of(parameters, [&](const EsmtpParameter& earlier) {
            return equal_ignoring_case(earlier.keyword, parameter.keyword);
        });
        if (is_repeated) return std::unexpected(ParameterFault::malformed);
        parameters.push_back(parameter);
    }
    return parameters;
}

std::expected<MailParameters, ParameterFault> parse_mail_parameters(std::string_view text) {
    const auto parameters = parse_esmtp_parameters(text);
    if (!parameters) return std::unexpected(parameters.error());
    MailParameters mail;
    for (const EsmtpParameter& parameter : *parameters) {
        if (const auto fault = apply_mail_parameter(parameter, mail)) return std::unexpected(*fault);
    }
    return mail;
}

std::optional<ParameterFault> check_rcpt_parameters(std::string_view text) {
    const auto parameters = parse_esmtp_parameters(text);
    if (!parameters) return parameters.error();
    if (!parameters->empty()) return ParameterFault::unsupported;
    return std::nullopt;
}

std::expected<ChunkSize, ChunkFault> parse_chunk_size(std::string_view text) {
    const std::string_view digits = take_word(text);
    const bool is_last = equal_ignoring_case(text, "LAST");
    const bool is_number =
        !digits.empty() && digits.find_first_not_of("0123456789") == std::string_view::npos;
    if (!is_number || (!text.empty() && !is_last)) return std::unexpected(ChunkFault::malformed);
    const auto octets = parse_digits<std::uint64_t>(digits);
    if (!octets) return std::unexpected(ChunkFault::too_large);
    return ChunkSize{.octets = *octets, .is_last = is_last};
}

std::optional<Peer> apply_xclient(std::string_view text, const Peer& peer) {
    Peer changed = peer;
    changed.claimed_name.clear();
    changed.claimed_helo.clear();
    while (!text.empty()) {
        const std::string_view word = take_word(text);
        const std::size_t equals = word.find('=');
        if (equals == std::string_view::npos) return std::nullopt;
        auto value = decode_xtext(word.substr(equals + 1));
        if (!value) return std::nullopt;
        if (apply_attribute(word.substr(0, equals), std::move(*value), changed) == Applied::no)
            return std::nullopt;
    }
    return changed;
}

}  // namespace wicket
