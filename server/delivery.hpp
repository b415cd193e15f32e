// From verdicts to mailbox rows: who gets the message, into which mailbox, and with which trace fields before
// it. Pure; any thread.
#pragma once

#include "mail/facts.hpp"
#include "net/peer.hpp"
#include "server/visit_transaction.hpp"
#include "store/mail_store.hpp"

#include <string>
#include <vector>

namespace wicket {

/// Whether [policy] mode = "shadow" delivers everything, whatever the verdict.
enum class ShadowPolicy : bool { off, on };

struct DeliveryTrace {
    const Peer& peer;
    const TlsDetails& tls;
    const std::string& hostname;
    const std::string& helo;
    bool is_esmtp;
    const VisitTransaction& transaction;
    const Facts& facts;
};

/// One row for each account, and one of the quarantine if any recipient's verdict (or a refusal beside
/// others' acceptance) asks for it. Sets the recipients' `mailbox`.
std::vector<MailboxDelivery> plan_rows(
    VisitTransaction& transaction,
    const DeliveryTrace& trace,
    const std::vector<CutRange>& cuts,
    ShadowPolicy shadow
);

/// Authentication-Results of what was found out (RFC 8601).
std::string results_field(const DeliveryTrace& trace);

}  // namespace wicket
