// Macro strings of SPF (RFC 7208 section 7): the strict grammar and the expansion. libspf2 never sees a
// macro: its own expansion is where most of its memory errors were found. Values; any thread.
#pragma once

#include "base/ip.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace wicket {

/// One piece of a macro string: a text, or a variable with its transformers.
struct SpfMacroPiece {
    char letter = '\0';  // in lower case; NUL: `text` stands for itself
    std::string text = {};
    bool is_url_escaped = false;  // the letter stood in upper case
    bool is_reversed = false;
    std::size_t keep_right = 0;  // parts kept, from the right; 0: all
    std::string delimiters = {};
};

using SpfMacroString = std::vector<SpfMacroPiece>;

enum class SpfMacroUse : std::uint8_t {
    domain,       // a domain-spec: no spaces, no %{c}, %{r}, %{t}
    explanation,  // the text that exp= leads to
};

// A domain-spec longer than a domain name can be is an attack on the evaluator, not a policy.
inline constexpr std::size_t spf_domain_spec_limit_octets = 255;
// RFC 7208 section 6.2 says nothing; SMTP replies have 512 octets, and libspf2's own buffers end near here.
inline constexpr std::size_t spf_explanation_limit_octets = 420;
// An expanded explanation goes into a reply line.
inline constexpr std::size_t spf_expansion_limit_octets = 512;
// RFC 1035 section 2.3.4 without the root's length octet (RFC 7208 section 7.3).
inline constexpr std::size_t domain_name_limit_octets = 253;

/// nullopt if the text does not follow the grammar of RFC 7208 section 7.1 or is over its limit.
std::optional<SpfMacroString> parse_spf_macros(std::string_view text, SpfMacroUse use);
/// RFC 7208 section 7.1, domain-spec: a macro string that ends in a valid toplabel or in a macro.
std::optional<SpfMacroString> parse_spf_domain_spec(std::string_view text);

/// What the variables stand for.
struct SpfMacroValues {
    std::string sender;  // local@domain
    std::string domain;  // that is being evaluated: %{d}
    std::string helo;
    IpAddress client_ip;
    std::string receiver;
    std::int64_t unix_time = 0;
    /// %{p}; nullopt while the DNS has not answered. Asked only if the letter stands there.
    std::function<std::optional<std::string>()> validated_name;
};

/// nullopt if validated_name gave none. At most spf_expansion_limit_octets beyond the text's own length times
/// the longest variable, since the text is bounded.
std::optional<std::string> expand_spf_macros(const SpfMacroString& text, const SpfMacroValues& values);

/// Makes an expanded domain-spec a name to ask for: lower case, no trailing dot, cut from the left to 253
/// octets (RFC 7208 section 7.3). nullopt: it is no name that the DNS could hold (section 4.3).
std::optional<std::string> spf_name_to_ask(std::string_view expanded);

/// RFC 7208 section 4.3: a domain that can be checked at all; address literals and single labels cannot.
bool is_spf_domain(std::string_view domain);

}  // namespace wicket
