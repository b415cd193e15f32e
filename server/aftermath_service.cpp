#include "server/aftermath_service.hpp"

#include "base/log.hpp"
#include "mail/address.hpp"
#include "mail/field_writer.hpp"
#include "policy/json_line.hpp"
#include "server/directory.hpp"
#include "server/record_scan.hpp"
#include "server/request_json.hpp"
#include "server/visit_transaction.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <fmt/format.h>

namespace wicket {
namespace {

namespace json = boost::json;

/// Why there is nothing to be released.
Error why_not_kept(Store& store, const RecordId& id) {
    const std::string name = id.to_string();
    const auto stored = read_record(store.decisions(), id);
    if (!stored) return stored.error();
    const RecordQuarantine& quarantine = stored->record.quarantine;
    switch (quarantine.state) {
        case RecordQuarantine::State::kept:
            return {
                ErrorCode::not_found, name + " is not in the quarantine any more: its time there is over"
            };
        case RecordQuarantine::State::not_kept:
            return {ErrorCode::not_found, name + " was not kept: " + quarantine.why_not};
        case RecordQuarantine::State::none: break;
    }
    return {
        ErrorCode::not_found,
        fmt::format("{} was never in the quarantine: {}", name, to_string(stored->record.verdict.action))
    };
}

/// Who did not get it, of a message that an older version has kept.
std::vector<std::string> recipients_of_record(Store& store, const RecordId& id) {
    std::vector<std::string> recipients;
    const auto stored = read_record(store.decisions(), id);
    if (!stored) return recipients;
    for (const RecordRecipient& recipient : stored->record.recipients)
        if (recipient.mailbox.empty()) recipients.push_back(recipient.address);
    return recipients;
}

Result<std::vector<ReleaseTarget>> targets_of(
    Store& store, const Config& config, const std::vector<std::string>& addresses
) {
    std::vector<ReleaseTarget> targets;
    std::string strangers;
    for (const std::string& address : addresses) {
        const auto mailbox = parse_mailbox(address, AddressCharset::utf8);
        if (!mailbox)
            return failure(
                ErrorCode::invalid,
                address + " is no address: " + std::string(describe(mailbox.error().fault))
            );
        const RecipientLookup found = look_up_recipient(config, store.accounts(), *mailbox);
        if (found.standing == RecipientStanding::temporary)
            return failure(ErrorCode::busy, address + " cannot be looked up for now");
        if (found.standing != RecipientStanding::ours) strangers += (strangers.empty() ? "" : ", ") + address;
        for (const std::string& account : found.accounts)
            targets.push_back(
                {account,
                 text_field("Delivered-To", account),
                 is_postmaster_account(account) ? MailboxOwner::nobody : MailboxOwner::account}
            );
    }
    if (targets.empty())
        return failure(
            ErrorCode::not_found,
            strangers.empty()
                ? std::string("nobody is known whom it could be released to; name one with --to")
                : "no such user here: " + strangers + "; name another one with --to"
        );
    return targets;
}

RecordMark mark_of(const LedgerMark& mark) {
    constexpr std::array words = {"", "released", "ham", "spam", ""};
    return {words.at(static_cast<std::size_t>(mark.kind)), mark.by, mark.time, mark.to};
}

/// All that was released so far: the first time by whom, and in `again` each further time.
std::optional<RecordMark> all_released(const std::vector<LedgerMark>& marks) {
    std::optional<RecordMark> all;
    for (const LedgerMark& mark : marks) {
        if (mark.kind != LedgerMark::Kind::released) continue;
        RecordMark one = mark_of(mark);
        if (!all) {
            all = std::move(one);
            continue;
        }
        all->to.insert(all->to.end(), one.to.begin(), one.to.end());
        all->again.push_back(std::move(one));
    }
    return all;
}

std::string release_answer(
    const RecordId& id, const std::vector<std::string>& delivered, const RecordMark& mark
) {
    return json::serialize(json::object{
        {"ok",        true                       },
        {"id",        id.to_string()             },
        {"delivered", json::value_from(delivered)},
        {"released",  json_mark(mark)            }
    });
}

std::string release(Store& store, const Config& config, const json::object& request, WallTime now) {
    const auto id = RecordId::parse(request_text(request, "id"));
    if (!id) return error_answer({ErrorCode::invalid, "an id is missing"});
    const auto kept = store.quarantine().find(*id);
    const auto before = store.quarantine().marks(*id);
    if (!before) return error_answer(before.error());
    if (!kept) {
        if (kept.error().code != ErrorCode::not_found) return error_answer(kept.error());
        const auto mark = all_released(*before);
        return mark ? release_answer(*id, {}, *mark) : error_answer(why_not_kept(store, *id));
    }
    std::vector<std::string> addresses = kept->recipients;
    if (const std::string to = request_text(request, "to"); !to.empty())
        addresses = {to};
    else if (addresses.empty())
        addresses = recipients_of_record(store, *id);
    const auto targets = targets_of(store, config, addresses);
    if (!targets) return error_answer(targets.error());
    LedgerMark mark;
    mark.time = now;
    mark.by = request_text(request, "by");
    const auto delivered = store.quarantine().release(*id, *targets, std::move(mark));
    if (!delivered) return error_answer(delivered.error());
    const auto marks = store.quarantine().marks(*id);
    if (!marks) return error_answer(marks.error());
    const auto all = all_released(*marks);
    if (!delivered->empty())
        log_info(
            id->to_string() + ": released from the quarantine",
            {
                {"to", fmt::format("{}", fmt::join(*delivered, ","))},
                {"by", all->again.empty() ? all->by : all->again.back().by}
        }
        );
    return release_answer(*id, *delivered, *all);
}

std::string feedback(
    Store& store,
    const json::object& request,
    WallTime now,
    const std::function<void(const DecisionRecord&)>& on_ham
) {
    const auto id = RecordId::parse(request_text(request, "id"));
    if (!id) return error_answer({ErrorCode::invalid, "an id is missing"});
    // Of what nobody knows there is nothing to be learnt.
    const auto kept = store.decisions().find(*id);
    if (!kept) return error_answer(kept.error());
    const std::string word = request_text(request, "label");
    LedgerMark mark;
    mark.kind = word == "ham"    ? LedgerMark::Kind::ham
                : word == "spam" ? LedgerMark::Kind::spam
                                 : LedgerMark::Kind::undone;
    mark.time = now;
    mark.by = request_text(request, "by");
    if (auto labelled = store.quarantine().label(*id, std::move(mark)); !labelled)
        return error_answer(labelled.error());
    if (on_ham && word == "ham")
        if (const auto record = decode_record(*kept)) on_ham(record->record);
    const auto marks = store.quarantine().marks(*id);
    if (!marks) return error_answer(marks.error());
    const LedgerMark label = label_of(*marks);
    const bool is_any = label.kind != LedgerMark::Kind::undone;
    return json::serialize(json::object{
        {"ok",    true                                                               },
        {"id",    id->to_string()                                                    },
        {"label", is_any ? json::value(mark_of(label).what) : json::value(nullptr)   },
        {"by",    is_any ? json::value(label.by) : json::value(nullptr)              },
        {"time",  is_any ? json::value(to_rfc3339(label.time)) : json::value(nullptr)}
    });
}

std::string forget(Store& store, const json::object& request) {
    const json::value* listed = request.if_contains("ids");
    if (listed == nullptr || !listed->is_array())
        return error_answer({ErrorCode::invalid, "ids are missing"});
    std::vector<RecordId> ids;
    for (const json::value& one : listed->get_array()) {
        const auto id = one.is_string() ? RecordId::parse(std::string_view(one.get_string())) : std::nullopt;
        if (!id) return error_answer({ErrorCode::invalid, "what is no id cannot be forgotten"});
        ids.push_back(*id);
    }
    const auto forgotten = forget_decisions(store, ids);
    if (!forgotten) return error_answer(forgotten.error());
    return json::serialize(json::object{
        {"ok",       true               },
        {"records",  forgotten->records },
        {"messages", forgotten->messages}
    });
}

}  // namespace

Result<Forgotten> forget_decisions(Store& store, const std::vector<RecordId>& ids) {
    Forgotten forgotten;
    std::vector<DecisionLog::Removal> removals;
    for (const RecordId& id : ids) {
        const auto stored = read_record(store.decisions(), id);
        if (!stored && stored.error().code == ErrorCode::not_found) continue;
        ++forgotten.records;
        // What cannot be read is removed all the same.
        removals.push_back({id, stored ? keys_of(stored->record) : RecordKeys()});
        if (stored) removals.push_back({id, keys_as_written(stored->record)});
    }
    // The messages first: what is cut short can be asked for again as long as the record leads to them.
    auto messages = store.quarantine().forget(ids);
    if (!messages) return std::unexpected(messages.error());
    forgotten.messages = *messages;
    if (auto removed = store.decisions().remove(removals); !removed) return std::unexpected(removed.error());
    // Nothing asked for: all has been.
    if (ids.empty())
        if (auto purged = store.decisions().purge(); !purged) return std::unexpected(purged.error());
    return forgotten;
}

std::optional<std::string> answer_aftermath_request(
    Store& store,
    const Config& config,
    const std::string& request,
    WallTime now,
    const std::function<void(const DecisionRecord&)>& on_ham
) {
    boost::system::error_code error;
    const json::value parsed = json::parse(request, error);
    if (error || !parsed.is_object()) return std::nullopt;
    const json::object& object = parsed.get_object();
    const std::string verb = request_text(object, "do");
    if (verb == "release") return release(store, config, object, now);
    if (verb == "feedback") return feedback(store, object, now, on_ham);
    if (verb == "forget") return forget(store, object);
    return std::nullopt;
}

Result<> add_aftermath(Store& store, DecisionRecord& record) {
    const auto marks = store.quarantine().marks(record.id);
    if (!marks) return std::unexpected(marks.error());
    record.released = all_released(*marks);
    if (const LedgerMark label = label_of(*marks); label.kind != LedgerMark::Kind::undone)
        record.label = mark_of(label);
    return {};
}

}  // namespace wicket
