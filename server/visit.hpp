// The gatekeeper: one Visit per SMTP connection, which turns what the session tells into facts, lets the
// filters gather more, asks policy, hands what is taken to the store, and keeps the decision record of each
// transaction. A Visit lives on its connection's loop.
#pragma once

#include "base/clock.hpp"
#include "base/rate_budget.hpp"
#include "net/event_loops.hpp"
#include "net/resolver.hpp"
#include "policy/redaction.hpp"
#include "receiver/gatekeeper.hpp"
#include "server/policy_state.hpp"
#include "server/quarantine_budget.hpp"
#include "server/rule_guard.hpp"
#include "store/store.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <memory>

namespace wicket {

// RFC 5321 section 4.5.3.2.6 lets a client wait 10 minutes for the answer to end-of-data; people wait less.
inline constexpr std::chrono::seconds end_of_data_budget{15};
// What a client may wait for at RCPT until the rules that answer there have their facts.
inline constexpr std::chrono::seconds recipient_budget{10};
// As many Received fields with our own name mean that the message goes round in a circle.
inline constexpr std::size_t own_received_limit = 5;

// Before the end of data, checks that cost a scan are made only where an answer depends on them. Those
// refused by rules without them are looked at all the same, so that the record tells all; in a flood only so
// many a second.
inline constexpr std::uint32_t refusal_looks_per_second = 100;

/// What visits use and none of them owns.
struct VisitServices {
    CurrentPolicy& policy;
    Store& store;
    DnsResolver& dns;
    const Clock& clock;
    RateBudget& refusal_looks;
    RuleGuard& guard;
    QuarantineBudget& quarantine_budget;
    const Redactor* redactor;  // nullptr: records are written as they are
    std::uint16_t node = 0;
};

/// For a connection that was accepted on `executor` by the listener at `listener_index` of the configuration.
std::unique_ptr<Visit> make_visit(
    const VisitServices& services,
    std::size_t listener_index,
    const Peer& peer,
    const TlsDetails& tls,
    std::string listener_name,
    boost::asio::any_io_executor executor
);

}  // namespace wicket
