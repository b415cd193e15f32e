// What RFC 5321, RFC 3030 and RFC 3207 say of the octets of an SMTP session, written down as plainly as can
// be: which of them are commands and which are text, in what order replies are owed, what a message holds,
// and what may be accepted when. The oracle that a session is held against: it sees what the session consumed
// and what it replied, knows no limits but that of a line, and aborts where the two disagree.
#pragma once

#include "base/text.hpp"
#include "tests/unit/receiver/naive_data_reader.hpp"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace wicket {

class WireModel {
public:
    WireModel(BareNewline mode, std::size_t line_limit_octets)
        : mode_(mode), line_limit_octets_(line_limit_octets) {
        owed_.push_back({Unit::Kind::line, "", false});  // the banner
    }

    /// Cuts them into commands, chunks and messages, each of which is owed one reply.
    void consumed(std::string_view octets) {
        for (const char c : octets) {
            part_ += c;
            if (in_ == In::line && part_.ends_with("\r\n")) end_line();
            if (in_ == In::chunk && part_.size() == chunk_octets_) end_unit(Unit::Kind::chunk);
            if (in_ == In::data && (part_ == ".\r\n" || part_.ends_with("\r\n.\r\n")))
                end_unit(Unit::Kind::data);
        }
    }

    /// Whole replies, in order; those of a session that is closing may hold one more than was asked for.
    void replied(std::string_view replies) {
        for (; !replies.empty(); replies.remove_prefix(replies.find("\r\n") + 2)) {
            if (replies[3] == '-') continue;
            require(!has_extra_);
            int code = 0;
            std::from_chars(replies.data(), replies.data() + 3, code);
            if (owed_.empty() && has_bare_lf() && !is_part_answered_) {
                // Whatever the line becomes, it is refused; this is its reply.
                is_part_answered_ = true;
                require(code >= 400);
                continue;
            }
            if (owed_.empty() && in_ == In::data && !must_close_) {
                // Text that is far too much is refused before its end, which will not be read.
                must_close_ = true;
                require(code >= 400);
                continue;
            }
            if (owed_.empty()) {
                has_extra_ = true;
                require(code == 421 || code >= 500);
                continue;
            }
            const Unit unit = std::move(owed_.front());
            owed_.pop_front();
            match(unit, code);
        }
    }

    /// Nothing is left to be answered: so before more is read.
    void is_quiet() const {
        require(owed_.empty() && !has_extra_ && !must_close_);
        require(!has_bare_lf() || is_part_answered_);
    }
    void is_closing() const { require(owed_.empty()); }
    bool is_between_commands() const { return in_ == In::line && part_.empty(); }

    /// A message is handed over: by the octets that were consumed last, and it is what they say.
    void delivers(std::string_view text) {
        require(owed_.size() == 1 && owed_.front().is_end && accepts_text_);
        const NaiveMessage want = content_with(owed_.front());
        require(!want.is_refused && text == want.text);
        is_delivered_ = true;
    }

    /// RFC 3207 section 4.2: nothing that came before is known, and no octet of it is left.
    void tls_started() {
        require(in_ == In::line && part_.empty());
        is_quiet();
        forget();
        is_tls_ = true;
    }

private:
    struct Unit {
        enum class Kind : std::uint8_t { line, chunk, data };
        Kind kind;
        std::string text;
        bool is_end;  // of a message
    };
    enum class In : std::uint8_t { line, chunk, data };

    static void require(bool holds) {
        if (!holds) std::abort();
    }

    void end_unit(Unit::Kind kind) {
        owed_.push_back(
            {kind,
             std::exchange(part_, {}),
             kind == Unit::Kind::data || (kind == Unit::Kind::chunk && is_last_)}
        );
        in_ = In::line;
    }

    bool is_sound(std::string_view line) const {
        return line.size() <= line_limit_octets_ &&
               line.find_first_of(std::string_view("\r\n\0", 3)) == line.size() - 2;
    }

    /// RFC 3030 section 2: BDAT SP size [SP LAST]; as many octets follow, whatever is replied.
    void end_line() {
        std::string_view line = part_;
        if (is_sound(line) && starts_with_ignoring_case(line, "BDAT ")) {
            line.remove_prefix(5);
            line.remove_suffix(2);
            const std::size_t digits = std::min(line.find_first_not_of("0123456789"), line.size());
            std::uint64_t octets = 0;
            const auto read = std::from_chars(line.data(), line.data() + digits, octets);
            line.remove_prefix(digits);
            line = line.substr(0, line.find_last_not_of(" \t") + 1);
            const std::size_t spaces = std::min(line.find_first_not_of(' '), line.size());
            line.remove_prefix(spaces);
            if (digits != 0 && read.ec == std::errc() &&
                (line.empty() || (spaces != 0 && equal_ignoring_case(line, "LAST")))) {
                part_.clear();
                chunk_octets_ = octets;
                is_last_ = !line.empty();
                in_ = In::chunk;
                return;
            }
        }
        // How much text follows is not known, so nothing that follows may be a command.
        if (starts_with_ignoring_case(trimmed(part_), "BDAT")) must_close_ = true;
        if (std::exchange(is_part_answered_, false))
            part_.clear();
        else
            end_unit(Unit::Kind::line);
    }

    bool has_bare_lf() const { return in_ == In::line && part_.contains('\n'); }

    static std::string_view trimmed(std::string_view text) {
        const std::size_t begin = std::min(text.find_first_not_of(" \t"), text.size());
        text.remove_prefix(begin);
        return text.substr(0, text.find_last_not_of(" \t") + 1);
    }

    void forget() {
        is_greeted_ = false;
        end_transaction();
    }
    void end_transaction() {
        has_sender_ = accepts_text_ = is_chunking_ = is_delivered_ = false;
        chunks_.clear();
    }

    NaiveMessage content_with(const Unit& last) const {
        if (last.kind == Unit::Kind::data) return naive_data(last.text, mode_);
        return naive_content(chunks_ + last.text, mode_);
    }

    void match(const Unit& unit, int code) {
        require((code == 354) == (code / 100 == 3));
        if (unit.kind == Unit::Kind::line) return match_line(unit.text, code);
        require(code != 354);
        require((code / 100 == 2) == (unit.is_end ? is_delivered_ : code == 250));
        if (code == 550 && unit.is_end && !is_delivered_ && accepts_text_)
            require(content_with(unit).is_refused);
        // A chunk out of its sequence changes nothing, be it the last or not.
        if (code == 503) return;
        if (unit.is_end || code != 250) return end_transaction();
        require(accepts_text_);
        is_chunking_ = true;
        chunks_ += unit.text;
        // Of a CR at the end, the next chunk says whether it is bare.
        const std::string_view sure(chunks_.data(), chunks_.size() - (chunks_.ends_with('\r') ? 1 : 0));
        require(!naive_content(sure, mode_).is_refused);
    }

    void match_line(std::string_view line, int code) {
        if (line.empty()) {
            is_turned_away_ = code >= 400;
            return;
        }
        if (!is_sound(line)) return require(code >= 400);
        // RFC 5321 section 4.1.1: white space at the end is tolerated, none is before the verb.
        const std::string_view command =
            line.substr(0, line.substr(0, line.size() - 2).find_last_not_of(" \t") + 1);
        const std::string verb = lower_case(command.substr(0, command.find(' ')));
        require((code == 354) <= (verb == "data"));
        // RFC 5321 section 3.1: after a banner that refuses, all but QUIT gets 503.
        require(!is_turned_away_ || verb == "quit" || code >= 400);
        if (verb == "noop" || command == "RSET" || command == "EHLO x")
            require(
                code == 250 || code == 421 || (is_turned_away_ && code == 503) ||
                (code == 521 && lower_case(command).contains(" http/"))
            );
        if (code / 100 > 3) {
            // What is refused changes nothing, but DATA that came in order ends the transaction, and XCLIENT
            // brings a banner.
            if (verb == "data" && accepts_text_ && code != 501 && code != 503 && code != 554)
                end_transaction();
            if (verb == "xclient" && code == 554) is_turned_away_ = true;
            return;
        }
        if (verb == "mail") {
            require(is_greeted_ && !has_sender_);
            has_sender_ = true;
        } else if (verb == "rcpt") {
            require(has_sender_ && !is_chunking_);
            accepts_text_ = true;
        } else if (verb == "data") {
            require(accepts_text_ && !is_chunking_ && part_.empty());
            in_ = In::data;
        } else if (verb == "ehlo" || verb == "helo") {
            forget();
            is_greeted_ = true;
        } else if (verb == "rset") {
            end_transaction();
        } else if (verb == "starttls") {
            require(is_greeted_ && !has_sender_ && !is_tls_);
        } else if (verb == "xclient") {
            require(is_greeted_ && !has_sender_);
            forget();
        } else {
            require(verb == "noop" || verb == "help" || verb == "vrfy" || verb == "quit");
        }
    }

    BareNewline mode_;
    std::size_t line_limit_octets_;
    std::deque<Unit> owed_;
    bool has_extra_ = false;
    bool must_close_ = false;
    bool is_part_answered_ = false;  // the line that has begun
    In in_ = In::line;
    std::string part_;  // of a unit
    std::uint64_t chunk_octets_ = 0;
    bool is_last_ = false;
    bool is_greeted_ = false;
    bool is_tls_ = false;
    bool is_turned_away_ = false;
    bool has_sender_ = false;
    bool accepts_text_ = false;  // a recipient was accepted
    bool is_chunking_ = false;
    bool is_delivered_ = false;
    std::string chunks_;  // that were accepted in this transaction
};

}  // namespace wicket
