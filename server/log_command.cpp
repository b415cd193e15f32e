#include "policy/json_line.hpp"
#include "policy/record_groups.hpp"
#include "server/command_output.hpp"
#include "server/commands.hpp"
#include "server/exit_codes.hpp"
#include "server/log_follower.hpp"
#include "server/record_scan.hpp"
#include "server/terminal.hpp"
#include "store/store.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <cstdio>
#include <fmt/format.h>
#include <poll.h>
#include <vector>

namespace wicket {
namespace {

namespace json = boost::json;

// A table for reading; --json prints all values.
constexpr std::size_t shown_groups = 40;
// As many rows fit a terminal with its prompt.
constexpr std::size_t chart_rows = 48;

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

void print_record(const StoredRecord& stored, OutputForm form) {
    fmt::print(
        "{}\n",
        form == OutputForm::json ? record_to_json(stored, RecordJson::without_dns) : record_to_line(stored)
    );
}

/// Prints what matches and was not shown yet; counts what cannot be read.
class FollowingPrinter {
public:
    FollowingPrinter(
        const RecordQuery& query, OutputForm form, DecisionLog& log, RecordScan& scan, Progress& progress
    )
        : query_(query), form_(form), log_(log), scan_(scan), progress_(progress) {}

    WallTime look() { return follower_.look(system_clock().wall(), system_clock().steady()); }

    bool visit(const RecordId& id, const Result<std::string_view>& octets) {
        progress_.count();
        if (follower_.is_done(id)) return true;
        auto stored = octets ? decode_record(*octets) : Result<StoredRecord>(std::unexpected(octets.error()));
        if (!stored) {
            if (follower_.shows(id, LogFollower::RecordState::ended, ""))
                scan_.note_unreadable(id, stored.error());
            return true;
        }
        const bool matches = query_.matches(*stored);
        const bool is_open = stored->record.is_open;
        if (matches || !is_open) {
            const auto state = is_open ? LogFollower::RecordState::open : LogFollower::RecordState::ended;
            if (!follower_.shows(id, state, told_of(stored->record))) return true;
        }
        if (!matches) return true;
        if (form_ == OutputForm::json) scan_.complete(*octets, *stored);
        add_folds(log_, *stored);
        progress_.hide();
        print_record(*stored, form_);
        return true;
    }

private:
    const RecordQuery& query_;
    OutputForm form_;
    DecisionLog& log_;
    RecordScan& scan_;
    Progress& progress_;
    LogFollower follower_;
};

Result<> follow(Store& store, const RecordQuery& query, WallTime since, OutputForm form) {
    Progress progress(system_clock());
    RecordScan scan(store, form, &progress);
    FollowingPrinter printer(query, form, store.decisions(), scan, progress);
    for (bool is_first = true;; is_first = false) {
        const WallTime recent = printer.look();
        const auto scanned = store.decisions().scan(
            {RecordId::first_at(is_first ? since : std::max(since, recent))},
            [&](const RecordId& id, Result<std::string_view> octets) { return printer.visit(id, octets); }
        );
        if (!scanned) return scanned;
        progress.end();  // what follows comes as it happens
        flush_output();
        ::poll(nullptr, 0, static_cast<int>(follow_interval.count()));
        if (auto fresh = store.refresh(); !fresh) return fresh;
    }
}

std::string minute_text(WallTime time) {
    std::string text = to_rfc3339(time).substr(0, 16);
    text[10] = ' ';
    return text;
}

void print_groups(const RecordGroups& groups, const std::string& field, OutputForm form) {
    const std::vector<RecordGroups::Row> rows = groups.rows();
    const auto share = [&groups](std::uint64_t count) {
        return groups.total() == 0 ? 0.0 : static_cast<double>(count) / static_cast<double>(groups.total());
    };
    if (form == OutputForm::json) {
        for (const RecordGroups::Row& row : rows)
            fmt::print(
                "{}\n",
                json_line(json::object{
                    {"value", json_text(row.value) },
                    {"count", row.count            },
                    {"share", share(row.count)     },
                    {"first", to_rfc3339(row.first)},
                    {"last",  to_rfc3339(row.last) }
            })
            );
        fmt::print(
            "{}\n",
            json_line(json::object{
                {"summary",
                 json::object{{"by", field}, {"total", groups.total()}, {"others", groups.others()}}}
        })
        );
        return;
    }
    if (rows.empty()) return;
    const Terminal terminal = standard_output();
    const std::size_t value_columns = terminal.columns - std::min<std::size_t>(terminal.columns, 61);
    const std::size_t columns = std::clamp<std::size_t>(value_columns, 20, 80);
    fmt::print("{:>9} {:>6}  {:<16}  {:<16}  {}\n", "count", "share", "first", "last", cell(field, columns));
    for (std::size_t at = 0; at < rows.size() && at < shown_groups; ++at) {
        const RecordGroups::Row& row = rows[at];
        fmt::print(
            "{:>9} {:>5.1f}%  {:<16}  {:<16}  {}\n",
            row.count,
            100 * share(row.count),
            minute_text(row.first),
            minute_text(row.last),
            cell(row.value, columns)
        );
    }
    if (rows.size() > shown_groups) fmt::print("{} more; --json prints all\n", rows.size() - shown_groups);
    if (groups.others() != 0)
        fmt::print(
            "too many values to hold: {} are counted under none, and counts are lower bounds\n",
            groups.others()
        );
}

void print_chart(const RecordTimes& times, OutputForm form) {
    const RecordTimes::Chart chart = times.chart(chart_rows);
    if (form == OutputForm::json) {
        for (const RecordTimes::Row& row : chart.rows)
            fmt::print(
                "{}\n",
                json_line(json::object{
                    {"from",      to_rfc3339(row.begin)},
                    {"seconds",   chart.step.count()   },
                    {"count",     row.total()          },
                    {"taken",     row.taken            },
                    {"set_aside", row.set_aside        },
                    {"put_off",   row.put_off          },
                    {"refused",   row.refused          },
                    {"none",      row.nothing          }
            })
            );
        return;
    }
    if (chart.rows.empty()) return;
    std::uint64_t most = 0;
    for (const RecordTimes::Row& row : chart.rows)
        most = std::max(most, row.total());
    const Terminal terminal = standard_output();
    const bool are_days = chart.step >= std::chrono::days(1);
    constexpr std::size_t text_columns = 16 + 4 * 9 + 2;
    const std::size_t bar_columns =
        terminal.columns > text_columns + 10 ? terminal.columns - text_columns - 1 : 10;
    fmt::print("{:<16} {:>8} {:>8} {:>8} {:>8}  all\n", "from", "taken", "aside", "later", "refused");
    for (const RecordTimes::Row& row : chart.rows) {
        const std::string drawn =
            bar(static_cast<double>(row.total()), static_cast<double>(most), bar_columns - 8, terminal);
        fmt::print(
            "{:<16} {:>8} {:>8} {:>8} {:>8}  {}{}{}\n",
            are_days ? minute_text(row.begin).substr(0, 10) : minute_text(row.begin),
            row.taken,
            row.set_aside,
            row.put_off,
            row.refused,
            drawn,
            drawn.empty() ? "" : " ",
            row.total()
        );
    }
}

/// What the options ask for and cannot have together.
Result<> check_options(const LogOptions& options, const RecordQuery& query) {
    if (options.follows && (!options.by.empty() || options.charts))
        return failure(
            ErrorCode::invalid, "-f shows records as they come: it goes with neither --by nor --chart"
        );
    if (options.follows && query.asks_for_marks())
        return failure(
            ErrorCode::invalid,
            "-f shows records as they come, which nobody has labelled or released yet: it goes with neither "
            "label: nor released:"
        );
    if (!options.by.empty() && options.charts)
        return failure(ErrorCode::invalid, "--by and --chart are two answers: ask for one of them");
    return {};
}

}  // namespace

int log_command(const CommandContext& context, const LogOptions& options) {
    const auto config = config_for(context);
    if (!config) return exit_config;
    const auto query = RecordQuery::parse(options.query, system_clock().wall());
    if (!query) return report(query.error(), context.form);
    if (const auto checked = check_options(options, *query); !checked)
        return report(checked.error(), context.form);
    const auto since = parse_since(options.since);
    if (!since) return report(since.error(), context.form);
    auto groups = RecordGroups::by(options.by.empty() ? "rule" : options.by);
    if (!groups) return report(groups.error(), context.form);
    yield_to_others();
    auto store = open_reader(*config);
    if (!store) return report_of_store(store.error(), context.form);
    if (options.follows) {
        const auto followed = follow(**store, *query, std::max(*since, query->since()), context.form);
        return followed ? exit_ok : report(followed.error(), context.form);
    }

    Progress progress(system_clock());
    // JSON has the timeline, too.
    const bool is_whole = context.form == OutputForm::json && options.by.empty() && !options.charts;
    const auto depth = is_whole ? RecordScan::Depth::with_evidence : RecordScan::Depth::decision;
    RecordScan scan(**store, context.form, &progress, depth);
    RecordTimes times;
    const auto scanned = scan.run(*query, *since, [&](const StoredRecord& stored) {
        if (!options.by.empty()) {
            groups->add(stored);
        } else if (options.charts) {
            times.add(stored);
        } else {
            progress.hide();
            print_record(stored, context.form);
        }
        return true;
    });
    if (!scanned) return report(scanned.error(), context.form);
    progress.end();
    if (!options.by.empty()) print_groups(*groups, options.by, context.form);
    if (options.charts) print_chart(times, context.form);
    scan.tell_unreadable();
    return exit_ok;
}

}  // namespace wicket
