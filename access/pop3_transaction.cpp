// The TRANSACTION state: what is there, reading it, and marking it to be deleted.
#include "access/pop3_session.hpp"
#include "base/text.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

namespace wicket {
namespace {

/// Digits alone; nullopt for anything else and for what does not fit.
std::optional<std::uint64_t> parse_number(std::string_view text) {
    if (text.empty() || !std::ranges::all_of(text, is_digit)) return std::nullopt;
    std::uint64_t value = 0;
    const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (status != std::errc()) return std::nullopt;
    return value;
}

}  // namespace

bool Pop3Session::needs_sizes() {
    return sizes_.size() != messages_.size() && form_ == HeaderForm::downgraded;
}

std::uint64_t Pop3Session::size_of(std::size_t index) const {
    return form_ == HeaderForm::downgraded ? sizes_.at(index) : messages_[index].row.size_octets;
}

std::string Pop3Session::unique_id_of(const Message& message) const {
    return std::to_string(uid_validity_) + "." + std::to_string(message.row.uid);
}

std::optional<std::size_t> Pop3Session::find_message(std::string_view number) {
    const auto value = parse_number(number);
    if (!value || *value == 0 || *value > messages_.size()) {
        error("no such message");
        return std::nullopt;
    }
    const auto index = static_cast<std::size_t>(*value - 1);
    if (messages_[index].is_deleted) {
        error("that message is marked as deleted");
        return std::nullopt;
    }
    return index;
}

void Pop3Session::stat() {
    std::size_t count = 0;
    std::uint64_t octets = 0;
    // RFC 1939 section 5: messages marked as deleted are counted in neither.
    for (std::size_t index = 0; index < messages_.size(); ++index) {
        if (messages_[index].is_deleted) continue;
        ++count;
        octets += size_of(index);
    }
    ok(std::to_string(count) + " " + std::to_string(octets));
}

void Pop3Session::list(std::string_view number) {
    tell(Listing::sizes, number);
}

void Pop3Session::uidl(std::string_view number) {
    tell(Listing::ids, number);
}

void Pop3Session::tell(Listing what, std::string_view number) {
    if (number.empty()) {
        ok("the list follows");
        listing_ = what;
        listing_next_ = 0;
        return;
    }
    if (const auto index = find_message(number)) ok(listing_line(what, *index));
}

std::string Pop3Session::listing_line(Listing what, std::size_t index) const {
    return std::to_string(index + 1) + " " +
           (what == Listing::sizes ? std::to_string(size_of(index)) : unique_id_of(messages_[index]));
}

void Pop3Session::continue_listing() {
    while (listing_next_ < messages_.size() && out_.size() < options_.limits.reply_octets) {
        if (!messages_[listing_next_].is_deleted) out_ += listing_line(*listing_, listing_next_) + "\r\n";
        ++listing_next_;
    }
    if (listing_next_ < messages_.size()) return;
    out_ += ".\r\n";
    listing_.reset();
}

Pop3Session::Next Pop3Session::retr(std::string_view number) {
    const auto index = find_message(number);
    if (!index) return std::nullopt;
    return pop3::SendMessage{messages_[*index].row.uid, form_, std::nullopt, "+OK the message follows\r\n"};
}

Pop3Session::Next Pop3Session::top(std::string_view number, std::string_view lines) {
    const auto count = parse_number(lines);
    if (!count) {
        error("TOP needs a number of lines");
        return std::nullopt;
    }
    const auto index = find_message(number);
    if (!index) return std::nullopt;
    return pop3::SendMessage{
        messages_[*index].row.uid, form_, count, "+OK the top of the message follows\r\n"
    };
}

Pop3Step Pop3Session::on_message_refused(const Error& error) {
    // RFC 3206 section 4: what is damaged or gone stays so.
    if (error.code == ErrorCode::not_found)
        sorry("[SYS/PERM] that message is gone");
    else if (error.code == ErrorCode::corrupt)
        sorry("[SYS/PERM] that message is damaged");
    else
        sorry("[SYS/TEMP] that message cannot be read now");
    return advance();
}

Pop3Step Pop3Session::on_message_sent() {
    return advance();
}

void Pop3Session::dele(std::string_view number) {
    const auto index = find_message(number);
    if (!index) return;
    messages_[*index].is_deleted = true;
    ok("marked as deleted");
}

void Pop3Session::rset() {
    for (Message& message : messages_)
        message.is_deleted = false;
    ok("no message is marked as deleted");
}

// RFC 1939 section 6: this alone leads to the UPDATE state.
Pop3Session::Next Pop3Session::quit() {
    if (state_ == Pop3State::authorization) {
        ok("goodbye");
        return pop3::Close{};
    }
    pop3::Expunge expunge;
    for (const Message& message : messages_) {
        if (message.is_deleted) expunge.uids.push_back(message.row.uid);
    }
    return expunge;
}

Pop3Step Pop3Session::on_expunged(Result<> result) {
    if (result) {
        ok("goodbye");
    } else if (result.error().code == ErrorCode::not_found) {
        // RFC 3206 section 4: another login would find another maildrop.
        sorry("[SYS/PERM] the maildrop is gone, nothing was deleted");
    } else {
        sorry("[SYS/TEMP] the messages could not be deleted, all are still there");
    }
    return {std::exchange(out_, {}), pop3::Close{}};
}

}  // namespace wicket
