#include "policy/json_line.hpp"
#include "policy/rule_hits.hpp"
#include "server/command_output.hpp"
#include "server/commands.hpp"
#include "server/exit_codes.hpp"
#include "server/review.hpp"
#include "server/terminal.hpp"
#include "store/store.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <fmt/format.h>

namespace wicket {
namespace {

namespace json = boost::json;

std::string last_text(WallTime last) {
    return last == WallTime{} ? "never" : to_rfc3339(last).substr(0, 16);
}

/// The others that hit most often beside it.
std::vector<std::pair<std::string, std::uint64_t>> overlaps_of(const ListHits::Row& row) {
    std::vector<std::pair<std::string, std::uint64_t>> others(row.with.begin(), row.with.end());
    std::ranges::sort(others, [](const auto& a, const auto& b) {
        return a.second != b.second ? a.second > b.second : a.first < b.first;
    });
    return others;
}

std::string overlap_text(const ListHits::Row& row) {
    constexpr std::size_t shown = 3;
    std::string text;
    for (const auto& [other, count] : overlaps_of(row)) {
        if (std::ranges::count(text, ',') + 1 >= static_cast<std::ptrdiff_t>(shown)) break;
        text += fmt::format(
            "{}{} {:.0f}%",
            text.empty() ? "" : ", ",
            other.substr(other.find('.') + 1),
            100.0 * static_cast<double>(count) / static_cast<double>(row.hits)
        );
    }
    return text;
}

void print_json(const RuleHits& rules, const ListHits& lists) {
    for (const RuleHits::Row& row : rules.rows())
        fmt::print(
            "{}\n",
            json_line(json::object{
                {"rule",     json_text(row.rule.id)                                                           },
                {"origin",   json_text(row.rule.origin)                                                       },
                {"mode",     row.is_in_force ? json::value(to_string(row.rule.mode)) : json::value(nullptr)   },
                {"hits",     row.hits                                                                         },
                {"deciding", row.deciding                                                                     },
                {"alone",    row.alone                                                                        },
                {"suspects", row.suspects                                                                     },
                {"last",     row.last == WallTime{} ? json::value(nullptr) : json::value(to_rfc3339(row.last))}
        })
        );
    for (const auto& [name, row] : lists.rows()) {
        json::object overlap;
        for (const auto& [other, count] : row.with)
            overlap[json_text(other)] = count;
        fmt::print(
            "{}\n",
            json_line(json::object{
                {"list",          json_text(name)   },
                {"known",         row.known         },
                {"hits",          row.hits          },
                {"alone",         row.alone         },
                {"overlap",       std::move(overlap)},
                {"answers",       row.waits.count() },
                {"median_micros", row.waits.at(0.5) },
                {"p99_micros",    row.waits.at(0.99)},
                {"timed_out",     row.timed_out     },
                {"refused",       row.refused       },
                {"off",           row.off           }
        })
        );
    }
}

void print_tables(const RuleHits& rules, const ListHits& lists) {
    const Terminal terminal = standard_output();
    fmt::print(
        "{:>9} {:>9} {:>9} {:>9}  {:<16}  {:<8} {}\n",
        "hits",
        "deciding",
        "alone",
        "suspects",
        "last",
        "mode",
        "rule"
    );
    for (const RuleHits::Row& row : rules.rows())
        fmt::print(
            "{:>9} {:>9} {:>9} {:>9}  {:<16}  {:<8} {}\n",
            row.hits,
            row.deciding,
            row.alone,
            row.suspects,
            last_text(row.last),
            row.is_in_force ? to_string(row.rule.mode) : "gone",
            cell(row.rule.id, terminal.columns)
        );
    if (lists.rows().empty()) return;
    fmt::print(
        "\n{:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}  {:<16} {}\n",
        "hits",
        "alone",
        "median",
        "p99",
        "time-out",
        "refused",
        "off",
        "list",
        "others that hit too"
    );
    const auto millis = [](std::uint32_t micros) {
        return micros == 0 ? std::string("-")
                           : fmt::format("{:.1f} ms", static_cast<double>(micros) / 1000.0);
    };
    for (const auto& [name, row] : lists.rows())
        fmt::print(
            "{:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}  {:<16} {}\n",
            row.hits,
            row.alone,
            millis(row.waits.at(0.5)),
            millis(row.waits.at(0.99)),
            row.timed_out,
            row.refused,
            row.off,
            name,
            overlap_text(row)
        );
}

}  // namespace

int rules_hits_command(const CommandContext& context, const std::string& since_text) {
    const auto config = config_for(context);
    if (!config) return exit_config;
    const auto since = parse_since(since_text);
    if (!since) return report(since.error(), context.form);
    const auto rules = rules_for(config->rules, context.form);
    if (!rules) return exit_config;
    yield_to_others();
    auto store = open_reader(*config);
    if (!store) return report_of_store(store.error(), context.form);
    Progress progress(system_clock());
    Review review(*config, (*store)->decisions(), progress);
    if (const auto learned = review.learn(); !learned) return report(learned.error(), context.form);
    RuleHits hits(briefs_of(*rules));
    ListZones zones;
    for (const DnsList& list : rules->dns_lists())
        zones.emplace(rules->dictionary().row(list.fact).name, list.shown_zone);
    ListHits lists(std::move(zones));
    RecordScan scan(**store, context.form, &progress, RecordScan::Depth::with_evidence);
    const auto scanned = scan.run(RecordQuery(), *since, [&](const StoredRecord& stored) {
        std::set<std::string> alone;
        bool is_suspect = false;
        if (is_refusal(stored.record, DeferredToo::no)) {
            alone = review.deciding_alone(stored);
            is_suspect = weight_of(review.signs(stored, alone)) >= suspect_weight;
        }
        hits.add(stored, alone, is_suspect);
        lists.add(stored);
        return true;
    });
    if (!scanned) return report(scanned.error(), context.form);
    progress.end();
    if (context.form == OutputForm::json)
        print_json(hits, lists);
    else
        print_tables(hits, lists);
    scan.tell_unreadable();
    return exit_ok;
}

}  // namespace wicket
