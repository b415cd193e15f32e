#include "server/message_facts.hpp"

#include "base/unicode_names.hpp"
#include "mail/address.hpp"
#include "mail/authentication_results.hpp"
#include "mail/from.hpp"
#include "mail/header.hpp"
#include "store/accounts.hpp"

namespace wicket {
namespace {

// Pieces in which a message that is not in memory is searched for long lines.
constexpr std::size_t piece_octets = 1U << 18U;

void add_author(const HeaderBlock& header, MessageFacts& found) {
    const Author author = find_author(header);
    found.facts.emplace_back(id_of(CoreFact::from_count), static_cast<std::int64_t>(author.addresses.size()));
    TextList addresses;
    for (const FromAddress& address : author.addresses)
        addresses.items.push_back(address.to_string());
    found.facts.emplace_back(id_of(CoreFact::from_addresses), std::move(addresses));
    if (author.fault)
        found.facts.emplace_back(id_of(CoreFact::from_fault), std::string(to_word(*author.fault)));
    else
        found.facts.emplace_back(id_of(CoreFact::from_domain), ascii_domain(author.domain));
}

std::vector<std::string> canonical_accounts(const std::vector<std::string>& values) {
    std::vector<std::string> accounts;
    for (const std::string& value : values)
        if (const auto mailbox = parse_mailbox(value, AddressCharset::utf8))
            accounts.push_back(canonical_account_name(mailbox->local_part(), mailbox->domain()));
    return accounts;
}

FactValue has_too_long_line(const MessageBytes& message) {
    LineLengthScan scan;
    if (message.is_in_memory()) {
        scan.feed(message.view());
        return scan.has_too_long_line();
    }
    for (std::uint64_t at = 0; at < message.size() && !scan.has_too_long_line(); at += piece_octets) {
        const auto piece = message.read(at, piece_octets);
        if (!piece) return Unknown{piece.error().message};
        scan.feed(*piece);
    }
    return scan.has_too_long_line();
}

}  // namespace

MessageFacts examine_message(const MessageBytes& message, std::string_view hostname) {
    MessageFacts found;
    found.facts.emplace_back(id_of(CoreFact::header_too_long_line), has_too_long_line(message));
    std::string copy;
    std::string_view text = message.view();
    if (!message.is_in_memory()) {
        auto head = message.read(0, HeaderLimits{}.octets);
        if (!head) {
            for (const CoreFact fact :
                 {CoreFact::from_domain,
                  CoreFact::from_count,
                  CoreFact::from_addresses,
                  CoreFact::from_fault,
                  CoreFact::header_missing,
                  CoreFact::header_duplicate,
                  CoreFact::message_received_count})
                found.facts.emplace_back(id_of(fact), Unknown{head.error().message});
            return found;
        }
        copy = std::move(*head);
        text = copy;
    }
    const HeaderBlock header = parse_header(text);
    add_author(header, found);
    HeaderSanity sanity = check_fields(header);
    found.facts.emplace_back(id_of(CoreFact::header_missing), TextList{std::move(sanity.missing), ""});
    found.facts.emplace_back(id_of(CoreFact::header_duplicate), TextList{std::move(sanity.duplicate), ""});
    found.facts.emplace_back(
        id_of(CoreFact::message_received_count), static_cast<std::int64_t>(header.count("Received"))
    );
    for (const OctetRange& range : claimed_results(header, hostname))
        found.cuts.push_back({range.offset, range.length});
    found.delivered_to = canonical_accounts(delivered_to(header));
    found.own_received = count_received_by(header, hostname);
    return found;
}

}  // namespace wicket
