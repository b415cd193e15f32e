#include "mail/html_text.hpp"

#include "base/text.hpp"
#include "mail/html_entities.hpp"

#include <algorithm>
#include <array>

namespace wicket {
namespace {

// The HTML standard, section 13.2.3.2: so far a charset is looked for.
constexpr std::size_t charset_search_octets = 1024;

constexpr auto link_attributes =
    std::to_array<std::string_view>({"action", "background", "data", "formaction", "href", "poster", "src"});
constexpr auto hidden_attributes = std::to_array<std::string_view>({"content", "style"});

// Elements that begin and end on a line of their own.
constexpr auto block_elements = std::to_array<std::string_view>(
    {"address", "article",  "aside", "blockquote", "body",   "caption", "center", "dd",      "details",
     "div",     "dl",       "dt",    "fieldset",   "figure", "footer",  "form",   "h1",      "h2",
     "h3",      "h4",       "h5",    "h6",         "head",   "header",  "hr",     "html",    "legend",
     "li",      "main",     "nav",   "ol",         "option", "p",       "pre",    "section", "table",
     "tbody",   "textarea", "tfoot", "thead",      "title",  "tr",      "ul"}
);
// Elements that part words without ending a line.
constexpr auto spacing_elements =
    std::to_array<std::string_view>({"br", "button", "img", "input", "select", "td", "th"});
// Elements whose content is no markup and not shown.
constexpr auto unseen_elements = std::to_array<std::string_view>({"script", "style"});

static_assert(std::ranges::is_sorted(block_elements) && std::ranges::is_sorted(spacing_elements));

// Longer names are of no element or attribute that is asked for.
constexpr std::size_t html_name_limit = 16;

bool is_html_space(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

bool is_letter(char c) {
    return lower_case(c) >= 'a' && lower_case(c) <= 'z';
}

template <std::size_t count>
bool is_among(std::string_view name, const std::array<std::string_view, count>& names) {
    return std::ranges::binary_search(names, name);
}

class HtmlReader {
public:
    HtmlReader(std::string_view html, ShownText& shown, HtmlVisitor& visitor)
        : html_(html), shown_(shown), visitor_(visitor) {}

    void run() {
        while (at_ < html_.size()) {
            const std::size_t markup = std::min(html_.find('<', at_), html_.size());
            if (markup > at_)
                shown_.append(decode_html_entities(html_.substr(at_, markup - at_), HtmlPlace::text));
            at_ = markup;
            if (at_ < html_.size()) read_markup();
        }
    }

private:
    char peek(std::size_t ahead) const { return at_ + ahead < html_.size() ? html_[at_ + ahead] : '\0'; }

    /// At a "<".
    void read_markup() {
        if (is_letter(peek(1))) {
            at_ += 1;
            read_tag(true);
        } else if (peek(1) == '/' && is_letter(peek(2))) {
            at_ += 2;
            read_tag(false);
        } else if (html_.substr(at_, 4) == "<!--") {
            skip_comment();
        } else if (peek(1) == '!' || peek(1) == '?' || peek(1) == '/') {
            skip_past(">", at_ + 2);
        } else {
            shown_.append("<");
            ++at_;
        }
    }

    /// To behind the next `end`, or to the end of all.
    void skip_past(std::string_view end, std::size_t from) {
        const std::size_t found = html_.find(end, from);
        at_ = found == std::string_view::npos ? html_.size() : found + end.size();
    }

    /// Section 13.2.5.43 and after: "<!-->" and "<!--->" are comments, too, and "--!>" ends one.
    void skip_comment() {
        at_ += 4;
        if (peek(0) == '>' || html_.substr(at_, 2) == "->") {
            skip_past(">", at_);
            return;
        }
        for (std::size_t dashes = html_.find("--", at_); dashes != std::string_view::npos;
             dashes = html_.find("--", dashes + 1)) {
            const std::string_view rest = html_.substr(dashes + 2);
            if (!rest.starts_with('>') && !rest.starts_with("!>")) continue;
            at_ = dashes + 2 + (rest.starts_with('>') ? 1 : 2);
            return;
        }
        at_ = html_.size();
    }

    /// In lower case; "" for one that is too long to be known.
    std::string read_name() {
        const std::size_t begin = at_;
        while (at_ < html_.size() && !is_html_space(html_[at_]) && html_[at_] != '/' && html_[at_] != '>' &&
               (html_[at_] != '=' || at_ == begin))
            ++at_;
        return at_ - begin > html_name_limit ? std::string() : lower_case(html_.substr(begin, at_ - begin));
    }

    void skip_spaces() {
        while (at_ < html_.size() && is_html_space(html_[at_]))
            ++at_;
    }

    /// Behind the name's first letter's "<" or "</".
    void read_tag(bool is_start) {
        const std::string name = read_name();
        while (at_ < html_.size() && html_[at_] != '>') {
            skip_spaces();
            if (peek(0) == '/') {
                ++at_;
            } else if (at_ < html_.size() && html_[at_] != '>') {
                read_attribute(is_start);
            }
        }
        if (at_ < html_.size()) ++at_;
        if (is_among(name, block_elements))
            shown_.end_line();
        else if (is_among(name, spacing_elements))
            shown_.space();
        else if (is_start && is_among(name, unseen_elements))
            skip_unseen(name);
    }

    void read_attribute(bool is_start) {
        const std::string name = read_name();
        skip_spaces();
        if (peek(0) != '=' || at_ == html_.size()) return;
        ++at_;
        skip_spaces();
        std::size_t begin = at_;
        std::size_t end = begin;
        const char quote = peek(0);
        if (quote == '"' || quote == '\'') {
            ++begin;
            end = std::min(html_.find(quote, begin), html_.size());
            at_ = std::min(end + 1, html_.size());
        } else {
            while (end < html_.size() && !is_html_space(html_[end]) && html_[end] != '>')
                ++end;
            at_ = end;
        }
        if (!is_start) return;
        const bool is_link = is_among(name, link_attributes);
        if (!is_link && !is_among(name, hidden_attributes)) return;
        const std::string value =
            decode_html_entities(html_.substr(begin, end - begin), HtmlPlace::attribute);
        if (is_link)
            visitor_.link(value);
        else
            visitor_.hidden(value);
    }

    /// The content of a script or style, up to its end tag.
    void skip_unseen(std::string_view name) {
        const std::size_t begin = at_;
        std::size_t end = html_.find("</", begin);
        while (end != std::string_view::npos && !starts_with_ignoring_case(html_.substr(end + 2), name))
            end = html_.find("</", end + 2);
        at_ = std::min(end, html_.size());
        visitor_.hidden(html_.substr(begin, at_ - begin));
    }

    std::string_view html_;
    ShownText& shown_;
    HtmlVisitor& visitor_;
    std::size_t at_ = 0;
};

}  // namespace

void read_html(std::string_view html, ShownText& shown, HtmlVisitor& visitor) {
    HtmlReader(html, shown, visitor).run();
}

std::string_view charset_in_html(std::string_view octets) {
    octets = octets.substr(0, charset_search_octets);
    constexpr std::string_view word = "charset";
    for (std::size_t at = octets.find('='); at != std::string_view::npos; at = octets.find('=', at + 1)) {
        const std::string_view before = trimmed(octets.substr(0, at));
        if (before.size() < word.size() ||
            !equal_ignoring_case(before.substr(before.size() - word.size()), word))
            continue;
        std::string_view value = octets.substr(at + 1);
        while (!value.empty() &&
               (is_html_space(value.front()) || value.front() == '"' || value.front() == '\''))
            value.remove_prefix(1);
        return value.substr(0, value.find_first_of("\"' ;/>\t\r\n"));
    }
    return {};
}

}  // namespace wicket
