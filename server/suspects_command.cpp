#include "base/log.hpp"
#include "policy/deciding_rules.hpp"
#include "policy/json_line.hpp"
#include "policy/suspicion.hpp"
#include "server/command_output.hpp"
#include "server/commands.hpp"
#include "server/exit_codes.hpp"
#include "server/record_scan.hpp"
#include "server/review.hpp"
#include "store/store.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <fmt/format.h>
#include <vector>

namespace wicket {
namespace {

namespace json = boost::json;

struct Suspect {
    StoredRecord stored;
    std::vector<Sign> signs;
    int weight = 0;
    const SenderHistory::Tries* tries = nullptr;
};

/// The heaviest so far, at most so many; of several tries of one message the one that was added last.
class Ranking {
public:
    explicit Ranking(std::size_t limit) : limit_(limit) {}

    void add(Suspect suspect) {
        const auto is_before = [](const Suspect& a, const Suspect& b) {
            return a.weight != b.weight ? a.weight > b.weight : a.stored.record.id > b.stored.record.id;
        };
        forget(suspect.tries);
        if (rows_.size() >= limit_ && !is_before(suspect, rows_.back())) return;
        const auto place = std::ranges::upper_bound(rows_, suspect, is_before);
        rows_.insert(place, std::move(suspect));
        if (rows_.size() > limit_) rows_.pop_back();
    }
    /// Takes out an earlier try of that message.
    void forget(const SenderHistory::Tries* tries) {
        if (tries != nullptr) std::erase_if(rows_, [&](const Suspect& one) { return one.tries == tries; });
    }
    const std::vector<Suspect>& rows() const { return rows_; }

private:
    std::size_t limit_;
    std::vector<Suspect> rows_;
};

json::object json_of(const Suspect& suspect) {
    const DecisionRecord& record = suspect.stored.record;
    json::array signs;
    for (const Sign& sign : suspect.signs)
        signs.push_back(json::object{
            {"sign",    row_of(sign.kind).word   },
            {"weight",  row_of(sign.kind).weight },
            {"detail",  json_text(sign.detail)   },
            {"meaning", row_of(sign.kind).meaning}
        });
    json::array to;
    for (const RecordRecipient& recipient : record.recipients)
        to.emplace_back(json_text(recipient.address));
    json::object made{
        {"id",      record.id.to_string()                                                                     },
        {"time",    to_rfc3339(record.time)                                                                   },
        {"verdict", to_string(record.verdict.action)                                                          },
        {"rule",    json_text(record.verdict.rule)                                                            },
        {"points",  json_number(record.verdict.points)                                                        },
        {"from",    record.has_from ? json::value(json_text(record.from)) : json::value(nullptr)              },
        {"to",      std::move(to)                                                                             },
        {"client",  is_client_known(record) ? json::value(record.client_ip.to_string()) : json::value(nullptr)
        },
        {"weight",  suspect.weight                                                                            },
        {"signs",   std::move(signs)                                                                          },
        {"tries",   suspect.tries != nullptr ? suspect.tries->count : 1                                       }
    };
    if (record.label) made["label"] = json_mark(*record.label);
    if (record.released) made["released"] = json_mark(*record.released);
    return made;
}

void print_suspect(const Suspect& suspect) {
    fmt::print("{:>3}  {}\n", suspect.weight, record_to_line(suspect.stored));
    for (const Sign& sign : suspect.signs)
        fmt::print(
            "     {:>3}  {}: {}\n",
            row_of(sign.kind).weight,
            row_of(sign.kind).meaning,
            escape_for_log(sign.detail)
        );
    const DecisionRecord& record = suspect.stored.record;
    if (record.label)
        fmt::print("          {}, says {}\n", record.label->what, escape_for_log(record.label->by));
    if (record.released) fmt::print("          released by {}\n", escape_for_log(record.released->by));
}

}  // namespace

int suspects_command(const CommandContext& context, const SuspectsOptions& options) {
    const auto config = config_for(context);
    if (!config) return exit_config;
    const auto query = RecordQuery::parse(options.query, system_clock().wall());
    if (!query) return report(query.error(), context.form);
    const auto since = parse_since(options.since);
    if (!since) return report(since.error(), context.form);
    yield_to_others();
    auto store = open_reader(*config);
    if (!store) return report_of_store(store.error(), context.form);

    Progress progress(system_clock());
    Review review(*config, (*store)->decisions(), progress);
    Ranking ranking(options.count);
    std::uint64_t refusals = 0;
    std::uint64_t judged = 0;
    if (const auto learned = review.learn(); !learned) return report(learned.error(), context.form);
    const DeferredToo deferred = options.deferred_too ? DeferredToo::yes : DeferredToo::no;
    RecordScan scan(**store, context.form, &progress);
    const auto scanned = scan.run(*query, *since, [&](const StoredRecord& stored) {
        if (!is_refusal(stored.record, deferred)) return true;
        refusals += std::max<std::uint64_t>(stored.record.folded_count, 1);
        std::vector<Sign> signs = review.signs(stored);
        const int weight = weight_of(signs);
        if (weight == 0) return true;
        const SenderHistory::Tries* tries = review.history().tries(stored.record);
        const bool is_judged = stored.record.label || stored.record.released;
        judged += is_judged ? 1 : 0;
        // Of those tries of one message that were asked for the latest stands for all.
        if (!is_judged || options.judged_too)
            ranking.add({stored, std::move(signs), weight, tries});
        else
            ranking.forget(tries);
        return true;
    });
    if (!scanned) return report(scanned.error(), context.form);
    progress.end();
    for (const Suspect& suspect : ranking.rows()) {
        if (context.form == OutputForm::json)
            fmt::print("{}\n", json_line(json_of(suspect)));
        else
            print_suspect(suspect);
    }
    if (context.form == OutputForm::json)
        fmt::print(
            "{}\n",
            json_line(json::object{
                {"summary",
                 json::object{
                     {"refusals", refusals},
                     {"judged", judged},
                     {"shown", ranking.rows().size()},
                     {"capped", review.history().is_capped()}
                 }}
        })
        );
    else
        std::fprintf(
            stderr,
            "%s",
            fmt::format(
                "{} refusals, {} shown{}{}\n",
                refusals,
                ranking.rows().size(),
                judged == 0 || options.judged_too
                    ? ""
                    : fmt::format(", {} left out that were judged already (--judged)", judged),
                review.history().is_capped() ? "; too many senders to remember all: signs may be missing" : ""
            )
                .c_str()
        );
    scan.tell_unreadable();
    return exit_ok;
}

}  // namespace wicket
