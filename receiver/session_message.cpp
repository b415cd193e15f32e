// DATA and BDAT: the message itself.

#include "receiver/esmtp_parameters.hpp"
#include "receiver/session.hpp"

#include <algorithm>
#include <limits>

namespace wicket {
namespace {

// What is read of a refused chunk for nothing, in messages of the greatest size.
constexpr std::uint64_t discarded_text_limit_messages = 2;

// Of text whose end is not known.
constexpr std::uint64_t unknown_octets = std::numeric_limits<std::uint64_t>::max();

struct MessageRefusal {
    std::string_view which;
    SmtpReply reply;
};

MessageRefusal refusal_for(MessageFault fault) {
    switch (fault) {
        case MessageFault::bare_newline:
            return {
                "protocol", {550, "5.5.2", "Bare CR or bare LF in the message; lines must end with CRLF"}
            };
        case MessageFault::nul:
            return {
                "protocol", {550, "5.5.2", "NUL in the message"}
            };
        // RFC 1870 section 6.3
        case MessageFault::too_large:
            return {
                "limit", {552, "5.3.4", "Message too large"}
            };
        case MessageFault::header_too_large:
            return {
                "limit", {552, "5.3.4", "Message header too large"}
            };
        // RFC 5321 section 4.5.3.1.6
        case MessageFault::line_too_long:
            return {
                "limit", {554, "5.6.0", "A line of the message is too long"}
            };
        // RFC 5321 section 6.3, RFC 3463 section 3.5
        case MessageFault::too_many_hops:
            return {
                "limit", {554, "5.4.6", "Too many hops: a mail loop"}
            };
        case MessageFault::budget_spent:
            return {
                "limit", {452, "4.3.1", "No room for it now"}
            };
        case MessageFault::no_space:
            return {
                "limit", {452, "4.3.1", "The disk is full"}
            };
        case MessageFault::none:
        case MessageFault::failed: break;
    }
    return {
        "limit", {451, "4.3.0", "The message could not be kept"}
    };
}

}  // namespace

SmtpSession::NextStep SmtpSession::on_data(Follows follows) {
    // RFC 2920 section 3.1: DATA ends a group, for what follows depends on its reply. A client that talks on
    // may be a web page or a relay that was fooled (RFC 5321 section 4.1.1.4 and the smuggling attacks).
    if (follows == Follows::octets) {
        notice_pipelining();
        drop_after_data();
        return std::nullopt;
    }
    if (!budget_.has_room_for(transaction_->declared_size_octets)) {
        refuse_recorded(Stage::data, "limit", {452, "4.3.1", "No room for it now"});
        reset_by_client();
        return std::nullopt;
    }
    return ask(Asked::data, AskData{});
}

void SmtpSession::drop_after_data() {
    drop(Stage::data, "Nothing may follow DATA before its reply");
}

void SmtpSession::data_answered(const StageAnswer& answer) {
    // Whatever the answer is: what came is meant to be text of a message, and must become neither that nor
    // commands.
    if (talked_after_data_) return drop_after_data();
    if (!may_answer(answer)) return reset_by_client();
    transaction_->intake = std::make_unique<MessageIntake>(DataReader::Framing::dots, options_, budget_);
    data_has_begun_ = false;
    phase_ = Phase::data;
    reply(354, "", "End with <CRLF>.<CRLF>");
}

SmtpSession::NextStep SmtpSession::read_data(std::string_view& input) {
    if (input.empty()) return ReadOctets{};
    data_has_begun_ = true;
    DataReader& reader = transaction_->intake->reader();
    input.remove_prefix(reader.feed(input));
    if (reader.has_ended()) {
        visit_.heard(".");
        return message_is_complete();
    }
    // A sender that does not look at SIZE shall read the reply, but not everything is read for it.
    if (reader.fault() == MessageFault::none ||
        reader.fed_octets() / discarded_text_limit_messages <= options_.limits.size_octets)
        return ReadOctets{};
    refuse_message(reader.fault());
    close_on_text();
    return std::nullopt;
}

/// What comes next is text, or may be, and there is no telling how much: none of it may be taken for
/// commands.
void SmtpSession::close_on_text() {
    chunk_left_octets_ = unknown_octets;
    close();
}

SmtpSession::NextStep SmtpSession::on_bdat(std::string_view argument) {
    const auto chunk = parse_chunk_size(argument);
    if (!chunk) {
        // How many of the octets behind it are text cannot be known, whether they have come or not. And a
        // message with a chunk lost would be another message.
        if (chunk.error() == ChunkFault::too_large)
            refuse_recorded(Stage::data, "limit", {552, "5.3.4", "Message too large"});
        else
            refuse_recorded(Stage::data, "protocol", {501, "5.5.4", "Syntax: BDAT size [LAST]"});
        close_on_text();
        return std::nullopt;
    }
    chunk_left_octets_ = chunk->octets;
    chunk_is_last_ = chunk->is_last;
    data_has_begun_ = false;
    if (chunk->octets == 0 && !chunk->is_last) count_idle();
    if (phase_ == Phase::closing) return std::nullopt;
    // RFC 3030 section 2: 503 if BDAT is out of sequence, which it is too once an earlier chunk has failed.
    if (state_ != SessionState::rcpt_given && state_ != SessionState::chunking)
        return refuse_chunk({503, "5.5.1", "Not now"});
    const std::uint64_t before =
        transaction_->intake ? transaction_->intake->reader().size_octets() : std::uint64_t{0};
    if (chunk->octets > options_.limits.size_octets - std::min(before, options_.limits.size_octets)) {
        auto reply = visit_.refused_by_session(Stage::data, "limit", {552, "5.3.4", "Message too large"});
        reset_by_client();
        return refuse_chunk(std::move(reply));
    }
    const std::uint64_t whole = std::max(before + chunk->octets, transaction_->declared_size_octets);
    if (!(transaction_->intake ? transaction_->intake->has_room_for(whole) : budget_.has_room_for(whole))) {
        auto reply = visit_.refused_by_session(Stage::data, "limit", {452, "4.3.1", "No room for it now"});
        reset_by_client();
        return refuse_chunk(std::move(reply));
    }
    if (!transaction_->intake) return ask(Asked::first_chunk, AskData{});
    phase_ = Phase::chunk;
    return std::nullopt;
}

void SmtpSession::first_chunk_answered(const StageAnswer& answer) {
    if (answer.refusal) {
        reset_by_client();
        refuse_chunk(*answer.refusal);
        // The octets of the chunk are of no interest then.
        if (answer.disconnect && phase_ == Phase::skip_chunk) {
            send(*answer.refusal);
            close();
        }
        return;
    }
    transaction_->intake = std::make_unique<MessageIntake>(DataReader::Framing::chunks, options_, budget_);
    state_ = SessionState::chunking;
    phase_ = Phase::chunk;
}

SmtpSession::NextStep SmtpSession::read_chunk(std::string_view& input) {
    const auto take = static_cast<std::size_t>(std::min<std::uint64_t>(chunk_left_octets_, input.size()));
    transaction_->intake->reader().feed(input.substr(0, take));
    input.remove_prefix(take);
    chunk_left_octets_ -= take;
    data_has_begun_ = data_has_begun_ || take != 0;
    if (chunk_left_octets_ != 0) return ReadOctets{};
    return chunk_is_complete();
}

SmtpSession::NextStep SmtpSession::chunk_is_complete() {
    DataReader& reader = transaction_->intake->reader();
    if (chunk_is_last_) {
        reader.finish();
        return message_is_complete();
    }
    phase_ = Phase::command;
    // RFC 3030 section 2: a chunk that has failed is refused at once, and the transaction with it.
    if (reader.fault() != MessageFault::none)
        refuse_message(reader.fault());
    else
        reply(250, "2.0.0", std::to_string(reader.size_octets()) + " octets so far");
    return std::nullopt;
}

SmtpSession::NextStep SmtpSession::message_is_complete() {
    phase_ = Phase::command;
    auto message = transaction_->intake->finish();
    transaction_->intake.reset();
    if (message) return ask(Asked::message, AskMessage{std::move(*message)});
    refuse_message(message.error());
    return std::nullopt;
}

void SmtpSession::refuse_message(MessageFault fault) {
    auto [which, reply] = refusal_for(fault);
    refuse_recorded(Stage::end, which, std::move(reply));
    reset_by_client();
}

/// RFC 3030 section 2: the octets of a refused chunk are passed over, and then comes the reply.
SmtpSession::NextStep SmtpSession::refuse_chunk(SmtpReply reply) {
    // A sender that did not look at SIZE may be far off, and shall read the reply. But not everything is
    // read.
    if (chunk_left_octets_ / discarded_text_limit_messages > options_.limits.size_octets) {
        send(reply);
        close();
        return std::nullopt;
    }
    chunk_refusal_ = std::make_unique<SmtpReply>(std::move(reply));
    phase_ = Phase::skip_chunk;
    return std::nullopt;
}

SmtpSession::NextStep SmtpSession::skip_chunk(std::string_view& input) {
    const auto take = static_cast<std::size_t>(std::min<std::uint64_t>(chunk_left_octets_, input.size()));
    input.remove_prefix(take);
    chunk_left_octets_ -= take;
    data_has_begun_ = data_has_begun_ || take != 0;
    if (chunk_left_octets_ != 0) return ReadOctets{};
    phase_ = Phase::command;
    send_refusal(*std::exchange(chunk_refusal_, nullptr));
    return std::nullopt;
}

}  // namespace wicket
