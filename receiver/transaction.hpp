// What the session itself must know of a mail transaction: from MAIL to the end of the message, RSET or EHLO.
// Who sends to whom is the Visit's to keep, so this stays the same size however many recipients there are.
#pragma once

#include "mail/address.hpp"
#include "mail/smtp_reply.hpp"
#include "receiver/message_intake.hpp"

#include <cstdint>
#include <memory>

namespace wicket {

struct Transaction {
    AddressCharset charset = AddressCharset::ascii;  // of the recipients: that of MAIL
    std::uint64_t declared_size_octets = 0;          // 0: not declared
    std::uint32_t recipients_tried = 0;              // asked of the Visit
    std::uint32_t recipients_accepted = 0;
    bool has_permanent_refusal = false;     // of one that was asked about
    std::unique_ptr<SmtpReply> too_many;    // said to every recipient beyond the limit, recorded once
    std::unique_ptr<MessageIntake> intake;  // from DATA or the first BDAT on
};

}  // namespace wicket
