// The frame: lines in, replies out, which handler runs. The handlers stand beside, by the state they belong
// to.
#include "access/pop3_session.hpp"

#include <algorithm>
#include <utility>

namespace wicket {
namespace {

/// C0 and DEL.
bool is_control(char c) {
    return (c >= '\0' && c < ' ') || c == '\x7f';
}

}  // namespace

Pop3Session::Pop3Session(const Pop3Options& options, Pop3Channel channel)
    : options_(options), channel_(channel), lines_(options.limits.discard_octets) {}

void Pop3Session::ok(std::string_view text) {
    out_ += "+OK ";
    out_ += text;
    out_ += "\r\n";
}

void Pop3Session::error(std::string_view text) {
    ++errors_;
    sorry(text);
}

void Pop3Session::sorry(std::string_view text) {
    out_ += "-ERR ";
    out_ += text;
    out_ += "\r\n";
}

Pop3Session::Next Pop3Session::enough_errors() const {
    if (errors_ < options_.limits.errors) return std::nullopt;
    return pop3::Close{};
}

Pop3Step Pop3Session::start() {
    // RFC 1939 section 4. No timestamp: APOP is not offered.
    ok(options_.hostname + " Mailwicket POP3 ready");
    return advance();
}

Pop3Step Pop3Session::on_octets(std::string_view octets) {
    lines_.append(octets);
    return advance();
}

Pop3Step Pop3Session::on_written() {
    return advance();
}

Pop3Step Pop3Session::advance() {
    for (;;) {
        Next next;
        if (out_.size() >= options_.limits.reply_octets) {
            next = pop3::Continue{};
        } else if (listing_) {
            continue_listing();
        } else {
            next = enough_errors();
            if (!next) next = take_line();
        }
        if (next) return {std::exchange(out_, {}), std::move(*next)};
    }
}

Pop3Session::Next Pop3Session::take_line() {
    // RFC 5034 section 4: the length of a SASL response is not bound by that of commands.
    const auto limit = awaits_sasl_response_ ? options_.limits.sasl_octets : options_.limits.line_octets;
    const LineBuffer::Line line = lines_.next(limit);
    if (line.kind == LineBuffer::Kind::none) return pop3::Read{};
    ++lines_taken_;
    switch (line.kind) {
        case LineBuffer::Kind::line:
            return awaits_sasl_response_ ? on_sasl_response(line.text) : on_command(line.text);
        case LineBuffer::Kind::too_long: error("line too long"); break;
        case LineBuffer::Kind::bare_lf: error("lines end in CRLF"); break;
        case LineBuffer::Kind::flood: error("line too long"); return pop3::Close{};
        case LineBuffer::Kind::none: break;
    }
    awaits_sasl_response_ = false;
    return std::nullopt;
}

Pop3Session::Next Pop3Session::on_command(std::string_view line) {
    // RFC 1939 section 3: printable characters. A NUL must not end a name for anything that reads it later.
    if (std::ranges::any_of(line, is_control)) {
        error("control characters in a command");
        return std::nullopt;
    }
    const Pop3Command* command = find_pop3_command(line);
    if (command == nullptr) {
        error("unknown command");
        return std::nullopt;
    }
    if (!command->is_allowed_in(state_)) {
        error(state_ == Pop3State::authorization ? "log in first" : "already logged in");
        return std::nullopt;
    }
    const Pop3Words words = words_of(*command, line);
    if (!words.is_well_formed) {
        error("wrong number of arguments");
        return std::nullopt;
    }
    if ((command->verb == Pop3Verb::stat || command->verb == Pop3Verb::list) && needs_sizes()) {
        waiting_line_ = line;
        return pop3::Measure{};
    }
    return run(*command, words);
}

Pop3Session::Next Pop3Session::run(const Pop3Command& command, const Pop3Words& words) {
    switch (command.verb) {
        case Pop3Verb::capa: capa(); break;
        case Pop3Verb::user: user(words.first); break;
        case Pop3Verb::pass: return pass(words.first);
        case Pop3Verb::auth: return auth(words.first);
        case Pop3Verb::stls: return stls();
        case Pop3Verb::utf8: utf8(); break;
        case Pop3Verb::stat: stat(); break;
        case Pop3Verb::list: list(words.first); break;
        case Pop3Verb::uidl: uidl(words.first); break;
        case Pop3Verb::retr: return retr(words.first);
        case Pop3Verb::top: return top(words.first, words.second);
        case Pop3Verb::dele: dele(words.first); break;
        case Pop3Verb::noop: ok("nothing done"); break;
        case Pop3Verb::rset: rset(); break;
        case Pop3Verb::quit: return quit();
    }
    return std::nullopt;
}

Pop3Step Pop3Session::on_measured(Result<std::vector<std::uint64_t>> sizes) {
    const std::string line = std::exchange(waiting_line_, {});
    if (!sizes || sizes->size() != messages_.size()) {
        sorry("[SYS/TEMP] the sizes cannot be told now");
        return advance();
    }
    sizes_ = std::move(*sizes);
    const Pop3Command* command = find_pop3_command(line);
    if (command != nullptr) {
        if (Next next = run(*command, words_of(*command, line)))
            return {std::exchange(out_, {}), std::move(*next)};
    }
    return advance();
}

}  // namespace wicket
