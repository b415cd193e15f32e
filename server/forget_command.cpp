// `forget`: every record in which an address is sender or recipient. They are looked for here, at low
// priority, and removed by whoever has the store.
#include "base/clock.hpp"
#include "base/text.hpp"
#include "base/unicode_names.hpp"
#include "mail/address.hpp"
#include "policy/json_line.hpp"
#include "policy/redaction.hpp"
#include "server/aftermath_service.hpp"
#include "server/command_output.hpp"
#include "server/commands.hpp"
#include "server/exit_codes.hpp"
#include "server/long_command.hpp"
#include "server/record_scan.hpp"
#include "server/request_json.hpp"
#include "server/store_request.hpp"

#include <boost/json.hpp>

#include <fmt/format.h>

namespace wicket {
namespace {

namespace json = boost::json;

// As many ids as fit into a request of control_line_limit_octets.
constexpr std::size_t forget_chunk = 500;
// Records come while others are looked for; who still gets mail has more of them the next second.
constexpr int forget_passes = 3;

/// `names`: with domains in A-labels.
bool is_about(const DecisionRecord& record, const std::vector<std::string>& names) {
    const auto is_named = [&](std::string_view address) {
        const std::string ascii = ascii_domain_address(address);
        return std::ranges::any_of(names, [&](const std::string& name) {
            return equal_ignoring_case(name, ascii);
        });
    };
    if (is_named(record.from)) return true;
    for (const RecordRecipient& recipient : record.recipients)
        if (is_named(recipient.address)) return true;
    const auto* authors = std::get_if<TextList>(&record.facts.get(id_of(CoreFact::from_addresses)));
    return authors != nullptr && std::ranges::any_of(authors->items, is_named);
}

/// The ids of one pass over all records.
Result<std::vector<RecordId>> find_about(const Config& config, const std::string& address, OutputForm form) {
    auto store = open_reader(config);
    if (!store) return std::unexpected(store.error());
    std::vector<std::string> names = {ascii_domain_address(address)};
    if (const auto key = (*store)->quarantine().redaction_key())
        names.push_back(ascii_domain_address(Redactor(*key).address(address)));
    const auto all = RecordQuery::parse({}, system_clock().wall());
    if (!all) return std::unexpected(all.error());
    Progress progress(system_clock());
    RecordScan scan(**store, form, &progress);
    std::vector<RecordId> ids;
    const auto scanned = scan.run(*all, WallTime{}, [&](const StoredRecord& stored) {
        if (is_about(stored.record, names)) ids.push_back(stored.record.id);
        return true;
    });
    if (!scanned) return std::unexpected(scanned.error());
    scan.tell_unreadable();
    return ids;
}

/// In requests that the server takes one by one; without a server in one.
Result<Forgotten> forget_all(const Config& config, const std::vector<RecordId>& ids) {
    Forgotten sum;
    std::optional<Result<Forgotten>> by_ourselves;
    // The last is empty, and has the octets leave the disk.
    for (std::size_t from = 0; from <= ids.size() && !by_ourselves; from += forget_chunk) {
        const std::size_t end = std::min(from + forget_chunk, ids.size());
        json::array words;
        for (std::size_t at = from; at < end; ++at)
            words.push_back(json::string(ids[at].to_string()));
        const bool is_last = end == ids.size();
        for (const bool is_purge : {false, true}) {
            if (is_purge && !is_last) break;
            const std::string request = json_line(json::object{
                {"do",  "forget"                        },
                {"ids", is_purge ? json::array() : words}
            });
            const auto answer = ask_or_open(config, request, [&](Store& store) {
                by_ourselves = forget_decisions(store, ids);
                if (*by_ourselves)
                    if (auto purged = forget_decisions(store, {}); !purged)
                        by_ourselves = std::unexpected(purged.error());
                return std::string();
            });
            if (by_ourselves) return *by_ourselves;
            if (!answer) return std::unexpected(answer.error());
            const auto object = read_answer(*answer);
            if (!object) return std::unexpected(object.error());
            sum.records += object->at("records").to_number<std::uint64_t>();
            sum.messages += object->at("messages").to_number<std::uint64_t>();
        }
    }
    return sum;
}

}  // namespace

int forget_command(const CommandContext& context, const std::string& address) {
    const auto config = config_for(context);
    if (!config) return exit_config;
    if (const auto mailbox = parse_mailbox(address, AddressCharset::utf8); !mailbox)
        return report(
            {ErrorCode::invalid, fmt::format("{} is no address: {}", address, describe(mailbox.error().fault))
            },
            context.form
        );
    yield_to_others();
    Forgotten sum;
    for (int pass = 0; pass < forget_passes; ++pass) {
        const auto ids = find_about(*config, address, context.form);
        if (!ids) return report_of_store(ids.error(), context.form);
        if (ids->empty()) break;
        const auto forgotten = forget_all(*config, *ids);
        if (!forgotten) return report_of_store(forgotten.error(), context.form);
        sum.records += forgotten->records;
        sum.messages += forgotten->messages;
    }
    if (context.form == OutputForm::json)
        fmt::print(
            "{}\n",
            json_line(json::object{
                {"address",  address     },
                {"records",  sum.records },
                {"messages", sum.messages}
        })
        );
    else
        fmt::print("{}: {} records and {} kept messages are forgotten\n", address, sum.records, sum.messages);
    return exit_ok;
}

}  // namespace wicket
