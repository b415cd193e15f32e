#include "mail/trace_headers.hpp"

#include "base/text.hpp"
#include "mail/field_writer.hpp"

#include <algorithm>

namespace wicket {
namespace {

// RFC 5321 section 4.5.3.1.2 and .3: no domain and no path is longer, so what is longer is no loss.
constexpr std::size_t name_limit_octets = 255;
constexpr std::size_t path_limit_octets = 320;

// What names, address literals, versions of TLS and cipher suites are made of. Brackets are let through only
// where a literal has them.
bool is_name_octet(char c) {
    return is_letter_or_digit(c) || c == '.' || c == '-' || c == '_' || c == ':';
}

/// `text` as one word that can be read as nothing else in a Received field; `none` if it is empty.
std::string word(std::string_view text, std::string_view none) {
    if (text.empty()) return std::string(none);
    const bool is_literal = text.size() > 2 && text.starts_with('[') && text.ends_with(']');
    std::string safe = printable(text, name_limit_octets);
    for (std::size_t at = 0; at < safe.size(); ++at) {
        const bool is_bracket = is_literal && (at == 0 || at + 1 == safe.size());
        if (is_ascii(safe[at]) && !is_name_octet(safe[at]) && !is_bracket) safe[at] = '?';
    }
    return safe;
}

// RFC 5321 section 4.1.3
std::string literal(const IpAddress& address) {
    return (address.is_ipv4() ? "[" : "[IPv6:") + address.to_string() + ']';
}

}  // namespace

std::string return_path_field(std::string_view reverse_path) {
    FieldWriter field("Return-Path");
    field.add('<' + printable(reverse_path, path_limit_octets) + '>');
    return field.finish();
}

std::string with_protocol(const ReceivedTrace& trace) {
    if (trace.protocol == TraceProtocol::smtp) return "SMTP";
    std::string name = trace.protocol == TraceProtocol::lmtp ? "LMTP" : "ESMTP";
    // RFC 6531 section 4.3: UTF8SMTP stands for ESMTP.
    if (trace.is_smtputf8) name = trace.protocol == TraceProtocol::lmtp ? "UTF8LMTP" : "UTF8SMTP";
    if (!trace.tls_version.empty()) name += 'S';
    if (trace.is_authenticated) name += 'A';
    return name;
}

std::string received_field(const ReceivedTrace& trace) {
    FieldWriter field("Received");
    field.add("from " + word(trace.helo, "unknown"));
    const std::string client = word(trace.client_name, "unknown");
    field.add('(' + client + (trace.client_ip == IpAddress() ? "" : ' ' + literal(trace.client_ip)) + ')');
    if (!trace.tls_version.empty()) {
        field.add("(using " + word(trace.tls_version, "TLS"));
        field.add("with cipher " + word(trace.tls_cipher, "unknown") + ')');
    }
    field.add("by " + word(trace.hostname, "unknown"));
    field.add("with " + with_protocol(trace));
    field.add("id " + word(trace.id, "unknown"));
    if (!trace.recipient.empty()) field.add("for <" + printable(trace.recipient, path_limit_octets) + '>');
    field.append(";");
    field.add(to_rfc5322(trace.time));
    return field.finish();
}

}  // namespace wicket
