// Whatever the octets: what is cut lies within the message, and what we write is one field that claims to be
// ours and holds the one result that we gave, wherever a peer's octets went.

#include "mail/authentication_results.hpp"

#include <cstdlib>
#include <vector>

namespace wicket {
namespace {

constexpr std::string_view our_id = "mx.example.test";

void require(bool holds) {
    if (!holds) std::abort();
}

/// How many ";" stand outside quoted strings and comments: one before each result.
std::size_t count_results(std::string_view value) {
    std::size_t count = 0;
    bool is_quoted = false;
    for (std::size_t at = 0; at < value.size(); ++at) {
        if (is_quoted && value[at] == '\\')
            ++at;
        else if (value[at] == '"')
            is_quoted = !is_quoted;
        else if (!is_quoted && value[at] == ';')
            ++count;
        else
            require(is_quoted || (value[at] != '(' && value[at] != ')'));
    }
    require(!is_quoted);
    return count;
}

}  // namespace
}  // namespace wicket

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer calls it by this name.
extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    using namespace wicket;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    for (const OctetRange& range : claimed_results(parse_header(text), our_id))
        require(range.length > 0 && range.offset + range.length <= text.size());
    claimed_results(parse_header("Authentication-Results:" + std::string(text)), our_id);

    const std::string value(text);
    const std::vector<AuthenticationResult> results = {
        {"spf", "fail", value, {{"smtp.mailfrom", value}, {"smtp.helo", value}}}
    };
    const std::string field = authentication_results_field(our_id, results);
    const HeaderBlock block = parse_header(field);
    require(block.fields.size() == 1 && !block.fault && !block.has_end && !block.has_too_long_line);
    require(count_results(block.fields[0].value) == 1);
    require(claimed_results(block, our_id).size() == 1);
    return 0;
}
