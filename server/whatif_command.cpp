#include "base/log.hpp"
#include "base/parallel.hpp"
#include "policy/json_line.hpp"
#include "policy/record_query.hpp"
#include "policy/whatif.hpp"
#include "server/aftermath_service.hpp"
#include "server/command_output.hpp"
#include "server/commands.hpp"
#include "server/control.hpp"
#include "server/exit_codes.hpp"
#include "server/long_command.hpp"
#include "server/record_scan.hpp"
#include "server/reexamine.hpp"
#include "store/store.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <fmt/format.h>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

namespace wicket {
namespace {

namespace json = boost::json;

// The design: two cores judge the past. One is left to a server that is at work: good mail would wait.
constexpr std::size_t judging_threads = 2;
constexpr std::size_t judging_threads_beside_server = 1;
// Pieces of equal time: many, for mail does not come evenly.
constexpr std::size_t piece_count = 512;
// A person reads no more of the same; --json has all.
constexpr std::size_t shown_limit = 1000;

struct Unreadable {
    RecordId id;
    std::string message;
};

/// What one piece of the past came to.
struct Piece {
    std::vector<ChangedDecision> changed;
    std::vector<Unreadable> unreadable;
    std::vector<std::pair<RecordId, std::string>> differences;  // with --exact
    std::uint64_t records = 0;
    std::optional<Error> fault;
};

/// The rule sets of the past, as they are asked for by several threads.
class KeptRules {
public:
    explicit KeptRules(RuleArchive& archive) : archive_(archive) {}
    std::optional<RuleSetRecord> find(const std::string& hash) {
        const std::lock_guard lock(mutex_);
        const auto known = found_.find(hash);
        if (known != found_.end()) return known->second;
        const auto octets = archive_.find(hash);
        auto record = octets ? decode_rule_set(*octets) : std::nullopt;
        return found_.emplace(hash, std::move(record)).first->second;
    }

private:
    RuleArchive& archive_;
    std::mutex mutex_;
    std::map<std::string, std::optional<RuleSetRecord>> found_;
};

std::vector<RecordSpan> cut(const RecordId& first, const RecordId& last, std::size_t count) {
    std::vector<RecordSpan> spans;
    const auto begin = first.time();
    const auto step = (last.time() - begin) / static_cast<std::int64_t>(count) + std::chrono::milliseconds{1};
    for (std::size_t at = 0; at < count; ++at) {
        RecordSpan span;
        span.from = at == 0 ? first : RecordId::first_at(begin + step * static_cast<std::int64_t>(at));
        span.until = RecordId::first_at(begin + step * static_cast<std::int64_t>(at + 1));
        spans.push_back(span);
    }
    return spans;
}

std::size_t threads_beside(const std::string& state) {
    const auto answer = ask_server(state, R"({"do":"status"})");
    const bool is_served = answer || answer.error().code != ErrorCode::unavailable;
    return is_served ? judging_threads_beside_server : judging_threads;
}

class PastMail {
public:
    /// `reexaminer` may be nullptr.
    PastMail(
        std::size_t threads,
        const RuleSet& rules,
        Store& store,
        const RecordQuery* query,
        const WhatIfOptions& options,
        Reexaminer* reexaminer
    )
        : rules_(rules),
          store_(store),
          query_(query),
          options_(options),
          kept_(store.rule_sets()),
          reader_(rules.dictionary()) {
        const auto kept = [this](const std::string& hash) { return kept_.find(hash); };
        Reexamine reexamine;
        if (reexaminer != nullptr)
            reexamine = [reexaminer](const RecordedDecision& record, const MissingFacts& missing) {
                return reexaminer->examine(record, missing);
            };
        for (std::size_t thread = 0; thread < threads; ++thread)
            judges_.push_back(std::make_unique<WhatIf>(rules, kept, reexamine));
    }

    Piece judge(const RecordSpan& span, std::size_t thread) {
        Piece piece;
        const auto scanned =
            store_.decisions().scan(span, [&](const RecordId& id, Result<std::string_view> octets) {
                ++piece.records;
                auto read = octets ? judge_one(id, *octets, thread, piece)
                                   : Result<>(std::unexpected(octets.error()));
                if (!read) piece.unreadable.push_back({id, read.error().message});
                return true;
            });
        if (!scanned) piece.fault = scanned.error();
        return piece;
    }

    WhatIfTally tally() const {
        WhatIfTally sum;
        for (const auto& judge : judges_)
            sum.add(judge->tally());
        return sum;
    }

private:
    Result<> judge_one(const RecordId& id, std::string_view octets, std::size_t thread, Piece& piece) {
        if (query_ != nullptr) {
            auto stored = decode_record(octets);
            if (!stored) return std::unexpected(stored.error());
            if (!query_->matches_but_for_marks(*stored)) return {};
            if (query_->asks_for_marks()) {
                if (auto added = add_aftermath(store_, stored->record); !added) return added;
                if (!query_->matches(*stored)) return {};
            }
        }
        WhatIf& judge = *judges_[thread];
        if (auto read = judge.judge(octets, piece.changed); !read) return read;
        if (options_.is_exact) note_difference(id, octets, piece);
        return {};
    }

    /// Of a decision of the very rules: whatever was said and counted must come out again.
    void note_difference(const RecordId& id, std::string_view octets, Piece& piece) {
        const auto stored = decode_record(octets);
        RecordedDecision decision;
        if (!stored || !reader_.read(octets, decision)) return;
        if (stored->record.rules_hash != rules_.hash()) {
            piece.differences.emplace_back(id, "it was decided by other rules");
            return;
        }
        std::string found = difference(*stored, replay(rules_, decision, {}));
        if (!found.empty()) piece.differences.emplace_back(id, std::move(found));
    }

    const RuleSet& rules_;
    Store& store_;
    const RecordQuery* query_;
    const WhatIfOptions& options_;
    KeptRules kept_;
    DecisionReader reader_;
    std::vector<std::unique_ptr<WhatIf>> judges_;  // one for each thread
};

class WhatIfPrinter {
public:
    WhatIfPrinter(const WhatIfOptions& options, OutputForm form) : options_(options), form_(form) {}

    void take(const Piece& piece) {
        records_ += piece.records;
        for (const Unreadable& one : piece.unreadable) {
            ++unreadable_;
            print_error(unreadable_record(one.id, {ErrorCode::corrupt, one.message}), form_);
        }
        for (const ChangedDecision& one : piece.changed)
            print(one);
        for (const auto& [id, what] : piece.differences) {
            ++differences_;
            fmt::print(
                "{}\n",
                form_ == OutputForm::json ? json_line(json::object{
                                                {"id",         id.to_string()},
                                                {"difference", what          }
            })
                                          : fmt::format("{} differs: {}", id.to_string(), what)
            );
        }
    }

    void print_summary(const WhatIfTally& tally) const {
        form_ == OutputForm::json ? print_json(tally) : print_text(tally);
    }

    std::uint64_t unreadable() const { return unreadable_; }
    std::uint64_t differences() const { return differences_; }

private:
    void print(const ChangedDecision& one) {
        if (form_ == OutputForm::json) return print_json(one);
        if (++shown_ > shown_limit) return;
        const std::string outcome = one.undecidable.empty()
                                        ? fmt::format("{} by {}", to_string(one.after), one.rule)
                                        : "cannot be decided: " + one.undecidable;
        fmt::print(
            "{} <{}> {} -> {}\n",
            one.id.to_string(),
            shown_text(one.recipient),
            to_string(one.before),
            outcome
        );
    }

    void print_json(const ChangedDecision& one) const {
        if (!one.undecidable.empty() && !options_.tells_undecidable) return;
        json::object shown{
            {"id",        one.id.to_string()       },
            {"recipient", shown_text(one.recipient)},
            {"old",       to_string(one.before)    }
        };
        if (one.undecidable.empty()) {
            shown["new"] = to_string(one.after);
            shown["rule"] = one.rule;
        } else {
            shown["undecidable"] = one.undecidable;
        }
        fmt::print("{}\n", json_line(shown));
    }

    static std::string shown_text(std::string_view text) { return escape_for_log(text); }

    void print_json(const WhatIfTally& tally) const {
        json::object matrix;
        for (std::size_t before = 0; before < action_count; ++before) {
            json::object row;
            for (std::size_t after = 0; after < action_count; ++after)
                if (tally.matrix[before][after] != 0)
                    row[to_string(static_cast<Action>(after))] = tally.matrix[before][after];
            if (!row.empty()) matrix[to_string(static_cast<Action>(before))] = std::move(row);
        }
        json::object reasons;
        for (const auto& [reason, count] : tally.reasons)
            reasons[reason] = count;
        json::object summary{
            {"total",       tally.total      },
            {"changed",     tally.changed    },
            {"undecidable", tally.undecidable},
            {"matrix",      std::move(matrix)},
            {"lost_ham",    tally.lost_ham   },
            {"unreadable",  unreadable_      },
            {"records",     records_         }
        };
        if (!reasons.empty()) summary["undecidable_because"] = std::move(reasons);
        if (options_.is_exact) summary["differences"] = differences_;
        if (options_.reexamines) summary["reexamined"] = tally.reexamined;
        fmt::print(
            "{}\n",
            json_line(json::object{
                {"summary", std::move(summary)}
        })
        );
    }

    void print_text(const WhatIfTally& tally) const {
        if (shown_ > shown_limit) fmt::print("... and {} more (--json has all)\n", shown_ - shown_limit);
        std::vector<std::size_t> rows;
        std::vector<std::size_t> columns;
        for (std::size_t action = 0; action < action_count; ++action) {
            std::uint64_t of_row = 0;
            std::uint64_t of_column = 0;
            for (std::size_t other = 0; other < action_count; ++other) {
                of_row += tally.matrix[action][other];
                of_column += tally.matrix[other][action];
            }
            if (of_row != 0) rows.push_back(action);
            if (of_column != 0) columns.push_back(action);
        }
        fmt::print("\n{:>12}", "old \\ new");
        for (const std::size_t after : columns)
            fmt::print(" {:>11}", to_string(static_cast<Action>(after)));
        fmt::print("\n");
        for (const std::size_t before : rows) {
            fmt::print("{:>12}", to_string(static_cast<Action>(before)));
            for (const std::size_t after : columns)
                fmt::print(" {:>11}", tally.matrix[before][after]);
            fmt::print("\n");
        }
        fmt::print(
            "\n{} decisions, {} would have come out otherwise, {} that were accepted would not have reached "
            "INBOX\n",
            tally.total,
            tally.changed,
            tally.lost_ham
        );
        if (tally.undecidable != 0) fmt::print("{} cannot be decided:\n", tally.undecidable);
        for (const auto& [reason, count] : tally.reasons)
            fmt::print("{:>12} {}\n", count, reason);
        if (options_.reexamines) fmt::print("{} records were examined again\n", tally.reexamined);
        if (options_.is_exact) fmt::print("{} differ in what was said or counted\n", differences_);
        if (unreadable_ != 0) fmt::print("{} records could not be read\n", unreadable_);
    }

    const WhatIfOptions& options_;
    OutputForm form_;
    std::uint64_t records_ = 0;
    std::uint64_t shown_ = 0;
    std::uint64_t unreadable_ = 0;
    std::uint64_t differences_ = 0;
};

bool is_over(const std::optional<std::uint64_t>& budget, std::uint64_t count, std::string_view what) {
    if (!budget || count <= *budget) return false;
    std::fprintf(stderr, "%s", fmt::format("{} {}, and the budget is {}\n", count, what, *budget).c_str());
    return true;
}

}  // namespace

int whatif_command(const CommandContext& context, const WhatIfOptions& options) {
    const auto config = config_for(context);
    if (!config) return exit_config;
    const auto rules = rules_for(options.rules.empty() ? config->rules : options.rules, context.form);
    if (!rules) return exit_config;
    std::optional<RecordQuery> query;
    if (!options.query.empty()) {
        auto parsed = RecordQuery::parse(options.query, system_clock().wall());
        if (!parsed) return report(parsed.error(), context.form);
        query = std::move(*parsed);
    }
    const auto since = parse_since(options.since);
    if (!since) return report(since.error(), context.form);
    const RecordId from = RecordId::first_at(*since);
    yield_to_others();
    auto store = open_reader(*config);
    if (!store) return report_of_store(store.error(), context.form);
    const auto bounds = (*store)->decisions().bounds();
    if (!bounds) return report(bounds.error(), context.form);
    std::unique_ptr<Reexaminer> reexaminer;
    if (options.reexamines) {
        auto started = Reexaminer::start(*config, rules, (*store)->decisions());
        if (!started) return report(started.error(), context.form);
        reexaminer = std::move(*started);
    }
    const std::size_t threads = threads_beside(config->state);
    PastMail replaying(threads, *rules, **store, query ? &*query : nullptr, options, reexaminer.get());
    WhatIfPrinter printer(options, context.form);
    Progress progress(system_clock());
    std::optional<Error> fault;
    if (*bounds && (*bounds)->second >= from) {
        const auto spans = cut(std::max((*bounds)->first, from), (*bounds)->second, piece_count);
        std::vector<Piece> pieces(spans.size());
        work_in_order(
            spans.size(),
            threads,
            [&](std::size_t at, std::size_t thread) { pieces[at] = replaying.judge(spans[at], thread); },
            [&](std::size_t at) {
                const Piece piece = std::exchange(pieces[at], {});
                progress.count(piece.records);
                if (!piece.changed.empty() || !piece.unreadable.empty() || !piece.differences.empty())
                    progress.hide();
                printer.take(piece);
                if (piece.fault && !fault) fault = piece.fault;
            }
        );
    }
    progress.end();
    if (fault) return report(*fault, context.form);
    const WhatIfTally tally = replaying.tally();
    printer.print_summary(tally);
    flush_output();
    bool is_over_budget = is_over(options.budget, tally.changed, "decisions change");
    is_over_budget |= is_over(options.budget_lost_ham, tally.lost_ham, "accepted messages would be lost");
    if (options.is_exact && printer.differences() + tally.undecidable != 0) return exit_failed;
    return is_over_budget ? exit_failed : exit_ok;
}

}  // namespace wicket
