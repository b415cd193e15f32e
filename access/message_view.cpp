#include "access/message_view.hpp"

namespace wicket {

void MessageView::feed(std::string_view piece, std::string& out) {
    if (form_ == HeaderForm::as_stored || downgrader_.is_past_headers()) {
        cut(piece, out);
        return;
    }
    downgraded_.clear();
    downgrader_.feed(piece, downgraded_);
    cut(downgraded_, out);
    if (downgrader_.is_past_headers()) std::string().swap(downgraded_);
}

void MessageView::finish(std::string& out) {
    if (form_ == HeaderForm::downgraded) {
        downgraded_.clear();
        downgrader_.finish(downgraded_);
        cut(downgraded_, out);
    }
    // An added CRLF belongs to the terminator, not to the message: no size counts it.
    if (ending_ == Ending::carriage_return) out += "\n";
    if (ending_ == Ending::other) out += "\r\n";
    out += ".\r\n";
}

void MessageView::cut(std::string_view text, std::string& out) {
    if (!body_lines_) {
        stuff(text, out);
        return;
    }
    // RFC 1939 section 7, TOP: the headers, the empty line, and so many lines of the body.
    std::size_t at = 0;
    while (at < text.size()) {
        if (!is_in_headers_ && lines_given_ >= *body_lines_) break;
        const std::size_t line_feed = text.find('\n', at);
        const std::size_t end = line_feed == std::string_view::npos ? text.size() : line_feed + 1;
        const char before = at == end - 1 ? cut_before_ : text[end - 2];
        cut_before_ = text[end - 1];
        line_octets_ += end - at;
        if (line_feed != std::string_view::npos && before == '\r') {
            if (!is_in_headers_) ++lines_given_;
            if (line_octets_ == 2) is_in_headers_ = false;
            line_octets_ = 0;
        }
        at = end;
    }
    stuff(text.substr(0, at), out);
}

void MessageView::stuff(std::string_view text, std::string& out) {
    std::size_t done = 0;
    if (ending_ == Ending::line && text.starts_with('.')) out += '.';
    // A line that begins in this piece; one that begins with it is seen above.
    if (ending_ == Ending::carriage_return && text.starts_with("\n.")) {
        out += "\n.";
        done = 1;
    }
    for (;;) {
        const std::size_t dot = text.find("\r\n.", done);
        if (dot == std::string_view::npos) break;
        out += text.substr(done, dot + 2 - done);
        out += '.';
        done = dot + 2;
    }
    out += text.substr(done);
    if (text.empty()) return;
    const char last = text.back();
    const bool follows_cr =
        text.size() > 1 ? text[text.size() - 2] == '\r' : ending_ == Ending::carriage_return;
    if (last == '\r') {
        ending_ = Ending::carriage_return;
    } else {
        ending_ = last == '\n' && follows_cr ? Ending::line : Ending::other;
    }
}

}  // namespace wicket
