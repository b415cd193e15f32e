// `quarantine`: what is kept for people to look at.
#include "base/log.hpp"
#include "policy/json_line.hpp"
#include "server/aftermath_service.hpp"
#include "server/command_output.hpp"
#include "server/commands.hpp"
#include "server/exit_codes.hpp"
#include "server/record_marks.hpp"
#include "server/record_scan.hpp"
#include "server/terminal.hpp"
#include "store/store.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <fmt/format.h>
#include <optional>
#include <vector>

namespace wicket {
namespace {

namespace json = boost::json;

// So many ids are read at a time, and the records of no more are held than of one.
constexpr std::size_t kept_at_once = 1024;

struct KeptRow {
    KeptMessage kept;
    std::optional<StoredRecord> stored;  // none: its time was over before the message's
    WallTime expires{};
    std::optional<RecordMark> label = {};
    std::optional<RecordMark> released = {};
};

/// Whom it was kept from.
std::vector<std::string> kept_from(const KeptRow& row) {
    if (!row.kept.recipients.empty() || !row.stored) return row.kept.recipients;
    std::vector<std::string> recipients;
    for (const RecordRecipient& recipient : row.stored->record.recipients)
        if (recipient.mailbox.empty()) recipients.push_back(recipient.address);
    return recipients;
}

std::string shown_size(std::uint64_t octets) {
    if (octets < 1024) return fmt::format("{} B", octets);
    double size = static_cast<double>(octets) / 1024;
    for (const char unit : {'K', 'M'}) {
        if (size < 1024) return fmt::format("{:.1f} {}iB", size, unit);
        size /= 1024;
    }
    return fmt::format("{:.1f} GiB", size);
}

std::string shown_minute(WallTime time) {
    std::string text = to_rfc3339(time).substr(0, 16);
    text[10] = ' ';
    return text;
}

void print_kept_json(const RecordId& id, const KeptRow& row) {
    json::array to;
    for (const std::string& recipient : kept_from(row))
        to.emplace_back(json_text(recipient));
    json::object object{
        {"id",       id.to_string()               },
        {"time",     to_rfc3339(row.kept.received)},
        {"expires",  to_rfc3339(row.expires)      },
        {"size",     row.kept.size_octets         },
        {"to",       std::move(to)                },
        {"verdict",  nullptr                      },
        {"rule",     nullptr                      },
        {"from",     nullptr                      },
        {"client",   nullptr                      },
        {"released", nullptr                      },
        {"label",    nullptr                      }
    };
    if (row.stored) {
        const DecisionRecord& record = row.stored->record;
        object["verdict"] = to_string(record.verdict.action);
        object["rule"] = json_text(record.verdict.rule);
        object["from"] = json_text(record.from);
        if (is_client_known(record)) object["client"] = record.client_ip.to_string();
    }
    if (row.released) object["released"] = to_rfc3339(row.released->time);
    if (row.label) object["label"] = row.label->what;
    fmt::print("{}\n", json_line(object));
}

void print_kept_heading() {
    fmt::print(
        "{:<20}  {:<16}  {:<16}  {:>10}  {:<10}  {}\n",
        "id",
        "received",
        "expires",
        "size",
        "verdict",
        "from, kept from, rule"
    );
}

void print_kept_line(const RecordId& id, const KeptRow& row) {
    std::string rest = "the record of its decision is gone, or cannot be read";
    std::string_view verdict = "-";
    if (row.stored) {
        const DecisionRecord& record = row.stored->record;
        verdict = to_string(record.verdict.action);
        rest = fmt::format("<{}>", escape_between_angles(record.from));
    }
    const char* before = " -> ";
    for (const std::string& recipient : kept_from(row)) {
        rest += fmt::format("{}<{}>", before, escape_between_angles(recipient));
        before = ",";
    }
    if (row.stored) {
        rest += " rule=" + escape_for_log(row.stored->record.verdict.rule);
    }
    if (row.label) rest += " label=" + row.label->what;
    if (row.released) rest += " released";
    fmt::print(
        "{:<20}  {:<16}  {:<16}  {:>10}  {:<10}  {}\n",
        id.to_string(),
        shown_minute(row.kept.received),
        shown_minute(row.expires),
        shown_size(row.kept.size_octets),
        verdict,
        rest
    );
}

/// Goes through the quarantine by id, some ids at a time.
class QuarantineListing {
public:
    QuarantineListing(const Config& config, Store& store, const RecordQuery& query, OutputForm form)
        : config_(config),
          store_(store),
          query_(query),
          form_(form),
          progress_(system_clock()),
          scan_(store, form, &progress_),
          marks_(store) {}

    Result<> run(const RecordId& from) {
        const QueryIds wanted = query_.ids();
        std::vector<RecordId> ids{std::max(from, wanted.first)};
        for (bool is_first = true;; is_first = false) {
            // The last one of before comes again at the front.
            auto next = store_.quarantine().noted(LedgerNote::kept, ids.back(), kept_at_once);
            if (!next) return std::unexpected(next.error());
            const bool is_last = next->size() < kept_at_once;
            if (!is_first && !next->empty() && next->front() == ids.back()) next->erase(next->begin());
            if (next->empty()) break;
            ids = std::move(*next);
            if (auto shown = show(ids, wanted.end); !shown) return shown;
            if (is_last || (wanted.end && ids.back() >= *wanted.end)) break;
        }
        progress_.end();
        scan_.tell_unreadable();
        return {};
    }
    std::uint64_t messages() const { return messages_; }
    std::uint64_t octets() const { return octets_; }

private:
    Result<> show(const std::vector<RecordId>& ids, const std::optional<RecordId>& end) {
        std::size_t next = 0;
        const auto is_wanted = [&](const RecordId& id) { return !end || id < *end; };
        // Those that no record is left of stand between the others.
        const auto show_until = [&](const RecordId* id) -> Result<> {
            for (; next < ids.size() && (id == nullptr || ids[next] < *id); ++next)
                if (query_.is_empty() && is_wanted(ids[next]))
                    if (auto shown = show_one(ids[next], std::nullopt); !shown) return shown;
            return {};
        };
        Result<> done;
        const auto looked =
            store_.decisions().look_up(ids, [&](const RecordId& id, const Result<std::string_view>& octets) {
                done = show_until(&id);
                if (!done) return false;
                progress_.count();
                auto stored =
                    octets ? decode_record(*octets) : Result<StoredRecord>(std::unexpected(octets.error()));
                if (!stored) {
                    scan_.note_unreadable(id, stored.error());
                    return true;
                }
                next =
                    std::max(next, static_cast<std::size_t>(std::ranges::upper_bound(ids, id) - ids.begin()));
                if (auto added = marks_.add_to(stored->record); !added)
                    scan_.note_unreadable(id, added.error());
                if (is_wanted(id) && query_.matches(*stored)) done = show_one(id, std::move(*stored));
                return done.has_value();
            });
        if (!done) return done;
        if (!looked) return looked;
        return show_until(nullptr);
    }

    Result<> show_one(const RecordId& id, std::optional<StoredRecord> stored) {
        auto kept = store_.quarantine().find(id);
        if (!kept) {
            // It may have gone meanwhile.
            if (kept.error().code == ErrorCode::not_found) return {};
            if (kept.error().code != ErrorCode::corrupt) return std::unexpected(kept.error());
            scan_.note_unreadable(id, kept.error());
            return {};
        }
        DecisionRecord lone;
        lone.id = id;
        if (!stored)
            if (auto added = add_aftermath(store_, lone); !added) scan_.note_unreadable(id, added.error());
        KeptRow row{std::move(*kept), std::move(stored)};
        const DecisionRecord& marked = row.stored ? row.stored->record : lone;
        row.label = marked.label;
        row.released = marked.released;
        row.expires = row.kept.received + config_.quarantine.age;
        progress_.hide();
        if (form_ == OutputForm::json) {
            print_kept_json(id, row);
        } else {
            if (messages_ == 0) print_kept_heading();
            print_kept_line(id, row);
        }
        messages_ += 1;
        octets_ += row.kept.size_octets;
        return {};
    }

    const Config& config_;
    Store& store_;
    const RecordQuery& query_;
    OutputForm form_;
    Progress progress_;
    RecordScan scan_;
    RecordMarks marks_;
    std::uint64_t messages_ = 0;
    std::uint64_t octets_ = 0;
};

}  // namespace

int quarantine_command(const CommandContext& context, const QuarantineOptions& options) {
    const auto config = config_for(context);
    if (!config) return exit_config;
    const auto query = RecordQuery::parse(options.query, system_clock().wall());
    if (!query) return report(query.error(), context.form);
    const auto since = parse_since(options.since);
    if (!since) return report(since.error(), context.form);
    yield_to_others();
    auto store = open_reader(*config);
    if (!store) return report_of_store(store.error(), context.form);
    QuarantineListing listing(*config, **store, *query, context.form);
    const auto listed = listing.run(RecordId::first_at(*since));
    if (!listed) return report(listed.error(), context.form);
    if (context.form == OutputForm::json) {
        fmt::print(
            "{}\n",
            json_line(json::object{
                {"summary", json::object{{"messages", listing.messages()}, {"octets", listing.octets()}}}
        })
        );
    } else {
        flush_output();
        std::fprintf(
            stderr,
            "%s",
            fmt::format("{} messages, {}\n", listing.messages(), shown_size(listing.octets())).c_str()
        );
    }
    return exit_ok;
}

}  // namespace wicket
