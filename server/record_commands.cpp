#include "base/config_reader.hpp"
#include "policy/record.hpp"
#include "policy/rules.hpp"
#include "server/command_output.hpp"
#include "server/commands.hpp"
#include "server/exit_codes.hpp"
#include "server/log_follower.hpp"
#include "server/long_command.hpp"
#include "store/store.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <cstdio>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <optional>
#include <poll.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace wicket {
namespace {

namespace json = boost::json;

// Refusals are written in batches after the reply, some 50 ms later: `explain` waits a second for a young id.
constexpr int fresh_record_tries = 20;
// The refusal itself may be young although its transaction began long ago.
constexpr int slow_record_tries = 4;
constexpr int fresh_record_wait_milliseconds = 50;
constexpr std::chrono::minutes fresh_record_age{1};
// RFC 3339: 2026-01-31 or 2026-01-31T12:00:00Z.
constexpr std::size_t date_length = 10;

std::optional<WallTime> parse_moment(const std::string& text, WallTime now) {
    if (const auto duration = parse_duration(text)) return now - *duration;
    int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0;
    const int fields =
        std::sscanf(text.c_str(), "%4d-%2d-%2dT%2d:%2d:%2dZ", &year, &month, &day, &hour, &minute, &second);
    if (fields != 6 && (fields != 3 || text.size() != date_length)) return std::nullopt;
    const std::chrono::year_month_day date{
        std::chrono::year(year),
        std::chrono::month(static_cast<unsigned>(month)),
        std::chrono::day(static_cast<unsigned>(day))
    };
    if (!date.ok()) return std::nullopt;
    return WallTime(std::chrono::sys_days(date)) + std::chrono::hours(hour) + std::chrono::minutes(minute) +
           std::chrono::seconds(second);
}

bool is_missing(const Result<std::string>& octets) {
    return !octets && octets.error().code == ErrorCode::not_found;
}

/// What a follower wants to know anew when a transaction that was shown open has ended.
std::string told_of(const DecisionRecord& record) {
    std::string told = fmt::format(
        "{} {} {} {}",
        to_string(record.verdict.action),
        record.verdict.rule,
        record.reply.code,
        record.reply.text
    );
    for (const RecordRecipient& recipient : record.recipients)
        told += fmt::format(" {} {}", to_string(recipient.verdict.action), recipient.address);
    return told;
}

/// Prints what matches; counts what cannot be read.
class LogPrinter {
public:
    /// `follower` is nullptr if nothing is followed.
    LogPrinter(
        const RecordQuery& query, OutputForm form, DecisionLog& log, LogFollower* follower, Progress& progress
    )
        : query_(query), form_(form), log_(log), follower_(follower), progress_(progress) {}

    bool visit(const RecordId& id, const Result<std::string_view>& octets) {
        progress_.count();
        if (follower_ != nullptr && follower_->is_done(id)) return true;
        auto stored = octets ? decode_record(*octets) : Result<StoredRecord>(std::unexpected(octets.error()));
        if (!stored) {
            if (follower_ != nullptr && !follower_->shows(id, LogFollower::RecordState::ended, ""))
                return true;
            ++unreadable_;
            progress_.hide();
            print_error(
                {ErrorCode::corrupt,
                 fmt::format("the record {} cannot be read: {}", id.to_string(), stored.error().message)},
                form_
            );
            return true;
        }
        const bool matches = query_.matches(*stored);
        const bool is_open = stored->record.is_open;
        if (follower_ != nullptr && (matches || !is_open)) {
            const auto state = is_open ? LogFollower::RecordState::open : LogFollower::RecordState::ended;
            if (!follower_->shows(id, state, told_of(stored->record))) return true;
        }
        if (!matches) return true;
        if (const auto folded = log_.folded(id); folded && folded->count != 0) {
            stored->record.folded_count = folded->count + 1;
            stored->record.folded_last = folded->last;
        }
        const std::string line = form_ == OutputForm::json ? record_to_json(*stored, RecordJson::without_dns)
                                                           : record_to_line(*stored);
        progress_.hide();
        fmt::print("{}\n", line);
        return true;
    }

    std::uint64_t unreadable() const { return unreadable_; }

private:
    const RecordQuery& query_;
    OutputForm form_;
    DecisionLog& log_;
    LogFollower* follower_;
    Progress& progress_;
    std::uint64_t unreadable_ = 0;
};

}  // namespace

int log_command(const CommandContext& context, const LogOptions& options) {
    const auto config = config_for(context);
    if (!config) return exit_config;
    const auto query = RecordQuery::parse(options.query);
    if (!query) return report(query.error(), context.form);
    WallTime since{};
    if (!options.since.empty()) {
        const auto moment = parse_moment(options.since, system_clock().wall());
        if (!moment)
            return report(
                {ErrorCode::invalid,
                 fmt::format(
                     "--since {}: a duration such as 90m, 2h, 7d, or a date such as 2026-01-31 is wanted",
                     options.since
                 )},
                context.form
            );
        since = *moment;
    }
    yield_to_others();
    auto store = open_reader(*config);
    if (!store) return report_of_store(store.error(), context.form);
    LogFollower follower;
    Progress progress(system_clock());
    LogPrinter printer(
        *query, context.form, (*store)->decisions(), options.follows ? &follower : nullptr, progress
    );
    for (bool is_first = true;; is_first = false) {
        const WallTime recent = follower.look(system_clock().wall(), system_clock().steady());
        const WallTime begin = is_first ? since : std::max(since, recent);
        const auto scanned =
            (*store)->decisions().scan(begin, [&](const RecordId& id, Result<std::string_view> octets) {
                return printer.visit(id, octets);
            });
        if (!scanned) return report(scanned.error(), context.form);
        progress.end();  // what follows comes as it happens
        flush_output();
        if (!options.follows) break;
        ::poll(nullptr, 0, static_cast<int>(follow_interval.count()));
        if (auto fresh = (*store)->refresh(); !fresh) return report(fresh.error(), context.form);
    }
    if (printer.unreadable() != 0)
        print_error(
            {ErrorCode::corrupt, fmt::format("{} records could not be read", printer.unreadable())},
            context.form
        );
    return exit_ok;
}

int explain_command(const CommandContext& context, const std::string& id_text) {
    const auto config = config_for(context);
    if (!config) return exit_config;
    const auto id = RecordId::parse(id_text);
    if (!id) {
        print_error(
            {ErrorCode::invalid,
             fmt::format(
                 "\"{}\" is no id: an id has {} letters and digits, the last word of a reply",
                 id_text,
                 RecordId::text_length
             )},
            context.form
        );
        return exit_failed;
    }
    auto store = open_reader(*config);
    if (!store) return report_of_store(store.error(), context.form);
    auto octets = (*store)->decisions().find(*id);
    // Somebody may ask for an id that was told a moment ago, while its record is on its way.
    const bool is_fresh = id->time() + fresh_record_age > system_clock().wall();
    const int tries_limit = is_fresh ? fresh_record_tries : slow_record_tries;
    for (int tries = 0; tries < tries_limit && is_missing(octets); ++tries) {
        ::poll(nullptr, 0, fresh_record_wait_milliseconds);
        if (auto fresh = (*store)->refresh(); !fresh) return report(fresh.error(), context.form);
        octets = (*store)->decisions().find(*id);
    }
    if (!octets) return report(octets.error(), context.form);
    auto stored = decode_record(*octets);
    if (!stored) return report(stored.error(), context.form);
    if (const auto folded = (*store)->decisions().folded(*id); folded && folded->count != 0) {
        stored->record.folded_count = folded->count + 1;
        stored->record.folded_last = folded->last;
    }
    if (context.form == OutputForm::json) {
        fmt::print("{}\n", record_to_json(*stored, RecordJson::full));
        return exit_ok;
    }
    Diagnostics ignored;
    const auto rules = load_rules(config->rules, ignored);
    const auto origin_of = [&rules](std::string_view rule) {
        return rules ? rules->origin_of(rule) : std::string();
    };
    fmt::print("{}", record_to_story(*stored, origin_of));
    return exit_ok;
}

int verify_command(const CommandContext& context) {
    const auto config = config_for(context);
    if (!config) return exit_config;
    yield_to_others();
    Result<std::uint64_t> read;
    std::vector<std::string> found;
    // What a server has replaced meanwhile is missing in one snapshot; damage is in the next one, too.
    for (int look = 0; look < 2 && (look == 0 || !found.empty()); ++look) {
        auto store = open_snapshot(*config);
        if (!store) return report_of_store(store.error(), context.form);
        const std::vector<std::string> before = std::exchange(found, {});
        read = (*store)->mail().verify([&](const std::string& fault) {
            if (look == 0 || std::ranges::find(before, fault) != before.end()) found.push_back(fault);
        });
        if (!read) return report(read.error(), context.form);
    }
    const std::size_t faults = found.size();
    for (const std::string& fault : found)
        fmt::print(
            "{}\n",
            context.form == OutputForm::json ? json::serialize(json::object{
                                                   {"fault", fault}
        })
                                             : fault
        );
    if (context.form == OutputForm::json)
        fmt::print(
            R"({{"summary":{{"messages":{},"faults":{}}}}}
)",
            *read,
            faults
        );
    else
        std::fprintf(stderr, "%s", fmt::format("{} messages read, {} faults\n", *read, faults).c_str());
    return faults == 0 ? exit_ok : exit_failed;
}

}  // namespace wicket
