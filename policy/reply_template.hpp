// The texts of rules that go into replies and headers: `{client.ip} is on the DROP list`. A fact in braces
// stands for its value; `{{` is a brace. What peers chose is cleaned on its way in. Immutable; any thread.
#pragma once

#include "mail/fact_dictionary.hpp"
#include "mail/facts.hpp"

#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace wicket {

// One fact fills no more of a reply than this: an address is shorter, a hostile HELO is not.
inline constexpr std::size_t template_value_limit_octets = 256;
// A rule's text before its facts are filled in: two lines of a reply (RFC 5321 section 4.5.3.1.5).
inline constexpr std::size_t template_limit_octets = 1000;

struct TemplateMistake {
    std::size_t offset;
    std::string message;
    std::string suggestion;
    std::string unknown_fact = {};  // the name, if that is the mistake
};

class ReplyTemplate {
public:
    ReplyTemplate() = default;
    /// All mistakes if there are any: braces without their pair, unknown facts, and the first of the octets
    /// that no reply may have.
    static std::expected<ReplyTemplate, std::vector<TemplateMistake>> compile(
        std::string_view text, const FactDictionary& dictionary
    );

    bool empty() const { return pieces_.empty(); }
    /// With offsets into the text, for messages.
    struct Use {
        FactId fact;
        std::size_t offset;
    };
    const std::vector<Use>& uses() const { return uses_; }
    /// Appends the text with values filled in: printable ASCII only.
    void append_to(std::string& out, const Facts& facts) const;

private:
    struct Piece {
        std::string text;
        bool is_fact = false;
        FactId fact = 0;
    };
    std::vector<Piece> pieces_;
    std::vector<Use> uses_;
};

}  // namespace wicket
