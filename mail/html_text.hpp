// HTML as a person sees it, and where it leads: an own small tokenizer, after the HTML standard's section
// 13.2.5 where hiding text depends on it. No tree, no styles: text that styles hide is text. Pure; linear;
// any thread.
#pragma once

#include "mail/shown_text.hpp"

#include <string>
#include <string_view>

namespace wicket {

class HtmlVisitor {
public:
    virtual ~HtmlVisitor() = default;
    /// The value of an attribute that holds an address: href, src, action and the like.
    virtual void link(std::string_view value) = 0;
    /// Text that is not shown but may name addresses: scripts, styles, the content of meta.
    virtual void hidden(std::string_view text) = 0;
};

/// `html` is UTF-8. What is shown goes to `shown`: elements that stand alone end a line, others leave no
/// trace.
void read_html(std::string_view html, ShownText& shown, HtmlVisitor& visitor);

/// The charset that a meta element near the beginning names; "" without one.
std::string_view charset_in_html(std::string_view octets);

}  // namespace wicket
