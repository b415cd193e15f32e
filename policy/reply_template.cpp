#include "policy/reply_template.hpp"

#include "base/diagnostic.hpp"

#include <algorithm>
#include <utility>

namespace wicket {
namespace {

bool is_printable(char c) {
    return c >= 0x20 && c < 0x7F;
}

/// A value as it may stand in a reply: RFC 5321 section 4.2 allows printable ASCII.
void append_cleaned(std::string& out, std::string_view value) {
    const auto head = value.substr(0, template_value_limit_octets);
    for (const char c : head)
        out += is_printable(c) ? c : '?';
    if (head.size() < value.size()) out += "...";
}

}  // namespace

std::expected<ReplyTemplate, std::vector<TemplateMistake>> ReplyTemplate::compile(
    std::string_view text, const FactDictionary& dictionary
) {
    std::vector<TemplateMistake> mistakes;
    if (text.size() > template_limit_octets)
        mistakes.push_back({0, "longer than " + std::to_string(template_limit_octets) + " octets", {}});
    const auto odd = std::ranges::find_if_not(text, is_printable);
    if (odd != text.end())
        mistakes.push_back(
            {static_cast<std::size_t>(odd - text.begin()), "only printable ASCII can stand in a reply", {}}
        );
    ReplyTemplate made;
    std::string plain;
    const auto flush = [&] {
        if (!plain.empty()) made.pieces_.push_back({.text = std::exchange(plain, {})});
    };
    for (std::size_t at = 0; at < text.size(); ++at) {
        const char c = text[at];
        if (c == '}' && text.substr(at, 2) != "}}") {
            mistakes.push_back({at, "a closing brace without an opening one", "}}"});
            continue;
        }
        if (c != '{' || text.substr(at, 2) == "{{") {
            if (c == '{' || c == '}') ++at;
            plain += c;
            continue;
        }
        const auto end = text.find('}', at);
        if (end == std::string_view::npos) {
            mistakes.push_back({at, "this brace has no closing one", {}});
            break;
        }
        const std::string name(text.substr(at + 1, end - at - 1));
        const std::size_t begin = std::exchange(at, end) + 1;
        const auto fact = dictionary.find(name);
        if (!fact) {
            mistakes.push_back(
                {begin, "unknown fact \"" + name + '"', nearest_word(name, dictionary.names()), name}
            );
            continue;
        }
        flush();
        made.pieces_.push_back({.text = {}, .is_fact = true, .fact = *fact});
        made.uses_.push_back({*fact, begin});
    }
    flush();
    if (!mistakes.empty()) return std::unexpected(std::move(mistakes));
    return made;
}

void ReplyTemplate::append_to(std::string& out, const Facts& facts) const {
    for (const Piece& piece : pieces_) {
        if (!piece.is_fact) {
            out += piece.text;
            continue;
        }
        const FactValue& value = facts.get(piece.fact);
        if (const auto* text = std::get_if<std::string>(&value))
            append_cleaned(out, *text);
        else
            append_cleaned(out, fact_to_text(value));
    }
}

}  // namespace wicket
