// What an SmtpSession says to its driver: values without behaviour.
#pragma once

#include "receiver/gatekeeper.hpp"

#include <cstdint>
#include <variant>

namespace wicket {

// What the driver must do before it calls next() again.
struct ReadOctets {};    // send the output, then wait for octets
struct SendReplies {};   // send the output: the peer asks more than it reads
struct AskConnected {};  // ask the Visit, then answer()
struct ChangePeer {      // XCLIENT: tell the connection, then peer_changed()
    Peer peer;
};
struct AskHelo {
    HeloArguments arguments;
};
struct AskMail {
    MailArguments arguments;
};
struct AskRcpt {
    Mailbox recipient;
};
struct AskData {};
struct AskMessage {  // send the output first, for it may take long; then answer_message()
    SharedMessage message;
};
struct StartTls {};         // send the output, shake hands; then tls_started(), or end() if it failed
struct CloseConnection {};  // send the output, end(), close

using SmtpStep = std::variant<
    ReadOctets,
    SendReplies,
    AskConnected,
    ChangePeer,
    AskHelo,
    AskMail,
    AskRcpt,
    AskData,
    AskMessage,
    StartTls,
    CloseConnection>;

/// What the session waits for when it says ReadOctets: the driver chooses deadlines by it.
enum class Awaiting : std::uint8_t {
    command,       // and nothing of it has come
    command_rest,  // part of a line has come
    data,          // 354 was said, or a chunk was announced, and nothing of it has come
    data_rest,
};

/// Why the driver cannot go on.
enum class Interruption : std::uint8_t { timed_out, too_slow, draining, internal_error };

}  // namespace wicket
