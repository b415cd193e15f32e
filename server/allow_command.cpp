#include "base/config_reader.hpp"
#include "base/file.hpp"
#include "base/log.hpp"
#include "policy/exception.hpp"
#include "policy/exception_trial.hpp"
#include "policy/json_line.hpp"
#include "server/command_output.hpp"
#include "server/commands.hpp"
#include "server/exit_codes.hpp"
#include "server/record_scan.hpp"
#include "store/store.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <fcntl.h>
#include <filesystem>
#include <fmt/format.h>
#include <optional>
#include <unistd.h>
#include <vector>

namespace wicket {
namespace {

namespace json = boost::json;

// A person looks at some; --json has as many as are asked for with -n.
constexpr mode_t rule_file_mode = 0644;

/// Where an exception is to stand, and what rules there would be then.
class TrialRules {
public:
    /// `name` empty: a file of its own, wherever it works.
    TrialRules(const RuleSet& rules, std::string name) : rules_(rules), name_(std::move(name)) {}

    struct Made {
        std::shared_ptr<const RuleSet> rules;
        std::string note;  // where it must stand
    };
    /// nullopt if it does not let the subject in; `reason` says why.
    std::optional<Made> try_out(const ExceptionText& text, const RecordSubject& subject, std::string& reason)
        const {
        const std::string added = text.rule + '\n' + text.test;
        if (!name_.empty()) {
            auto made = compiled(with_text(rules_.sources(), name_, added), reason);
            if (made == nullptr) return std::nullopt;
            if (is_let_in(*made, rules_, subject)) return Made{std::move(made), ""};
            reason = "other rules decide before it there: put it into a file that is read earlier";
            return std::nullopt;
        }
        for (const TrialPlace place : {TrialPlace::last, TrialPlace::first}) {
            auto made = compiled(with_file(rules_.sources(), place, added), reason);
            if (made == nullptr) return std::nullopt;
            if (!is_let_in(*made, rules_, subject)) continue;
            return Made{std::move(made), place == TrialPlace::first ? place_note(subject) : ""};
        }
        reason = fmt::format("{} decides before this is known", subject.verdict->rule);
        return std::nullopt;
    }

private:
    static std::shared_ptr<const RuleSet> compiled(
        const std::vector<RuleSource>& sources, std::string& reason
    ) {
        Diagnostics diagnostics;
        auto made = recompile_rules(sources, diagnostics);
        if (made != nullptr && !diagnostics.has_errors()) return made;
        reason = "the rules would not load";
        for (const Diagnostic& one : diagnostics.sorted()) {
            if (one.severity != Severity::error) continue;
            reason += ": " + render(one);
            break;
        }
        return nullptr;
    }

    std::string place_note(const RecordSubject& subject) const {
        const std::string origin = rules_.origin_of(subject.verdict->rule);
        return origin.empty() ? "It must be read before the other rules."
                              : fmt::format("It must be read before {} ({}).", origin, subject.verdict->rule);
    }

    const RuleSet& rules_;
    std::string name_;
};

/// Which file of the rules a path is; nullopt if it is in none of their folders.
std::optional<std::string> name_in_rules(const Config& config, const std::string& path) {
    std::error_code error;
    const std::filesystem::path file(path);
    const auto folder =
        std::filesystem::weakly_canonical(std::filesystem::absolute(file).parent_path(), error);
    for (std::size_t at = 0; at < config.rules.size(); ++at)
        if (std::filesystem::weakly_canonical(config.rules[at], error) == folder)
            return source_name(at, file.filename().string());
    return std::nullopt;
}

struct OtherMail {
    RecordId id;
    WallTime time;
    std::string from;
    std::string to;
    Action verdict = Action::none;
    std::string rule;
};

struct Proposal {
    ExceptionCandidate candidate;
    ExceptionText text;
    TrialRules::Made trial;
    std::vector<std::pair<ExceptionKind, std::string>> failed;  // surer ones, and why they do not help
    std::uint64_t others_count = 0;
    std::vector<OtherMail> others;
};

/// The first candidate that lets the subject in.
Result<Proposal> propose(
    const StoredRecord& stored,
    const RecordSubject& subject,
    const RuleSet& rules,
    const TrialRules& trial,
    std::chrono::year_month_day expires
) {
    Proposal made;
    for (ExceptionCandidate& candidate : exception_candidates(stored, subject)) {
        if (!candidate.in_vain.empty()) {
            made.failed.emplace_back(candidate.kind, candidate.in_vain);
            continue;
        }
        ExceptionText text = exception_to_toml(candidate, stored, subject, rules, expires);
        std::string reason;
        auto tried = trial.try_out(text, subject, reason);
        if (!tried) {
            made.failed.emplace_back(candidate.kind, std::move(reason));
            continue;
        }
        made.candidate = std::move(candidate);
        made.text = std::move(text);
        made.trial = std::move(*tried);
        return made;
    }
    std::string message = "no exception lets it in";
    for (const auto& [kind, reason] : made.failed)
        message += fmt::format("; by {}: {}", to_string(kind), reason);
    return failure(ErrorCode::not_found, std::move(message));
}

/// What of the past it would have let in besides.
Result<> find_others(
    RecordScan& scan,
    WallTime since,
    const StoredRecord& stored,
    const RuleSet& in_force,
    std::size_t limit,
    Proposal& proposal
) {
    const RuleSet& rules = *proposal.trial.rules;
    return scan.run(RecordQuery(), since, [&](const StoredRecord& other) {
        if (other.record.id == stored.record.id) return true;
        for (const RecordSubject& subject : subjects_of(other, rules.dictionary())) {
            const Verdict& then = *subject.verdict;
            if (then.action == Action::none || then.action == Action::accept || is_builtin_rule(then.rule))
                continue;
            if (!is_let_in(rules, in_force, subject)) continue;
            proposal.others_count += std::max<std::uint64_t>(other.record.folded_count, 1);
            if (proposal.others.size() < limit)
                proposal.others.push_back(
                    {other.record.id,
                     other.record.time,
                     other.record.from,
                     subject.address,
                     then.action,
                     then.rule}
                );
        }
        return true;
    });
}

void print_text(const Proposal& proposal, const std::string& since) {
    fmt::print("# Lets in {}, until it expires.\n", escape_for_log(proposal.candidate.about));
    for (const auto& [kind, reason] : proposal.failed)
        fmt::print("# Not by {}: {}.\n", to_string(kind), escape_for_log(reason));
    if (!proposal.trial.note.empty()) fmt::print("# {}\n", proposal.trial.note);
    fmt::print(
        "# Of the refusals of the last {} it would have let in {} more{}\n",
        since,
        proposal.others_count,
        proposal.others_count == 0 ? "." : ":"
    );
    for (const OtherMail& other : proposal.others)
        fmt::print(
            "#   {} {} <{}> to <{}> {} by {}\n",
            other.id.to_string(),
            to_rfc3339(other.time).substr(0, 16),
            escape_between_angles(other.from),
            escape_between_angles(other.to),
            to_string(other.verdict),
            escape_for_log(other.rule)
        );
    if (proposal.others.size() < proposal.others_count) fmt::print("#   ...\n");
    fmt::print("\n{}\n{}", proposal.text.rule, proposal.text.test);
}

void print_json(const StoredRecord& stored, const Proposal& proposal, const std::string& written) {
    json::array others;
    for (const OtherMail& other : proposal.others)
        others.push_back(json::object{
            {"id",      other.id.to_string()    },
            {"time",    to_rfc3339(other.time)  },
            {"from",    json_text(other.from)   },
            {"to",      json_text(other.to)     },
            {"verdict", to_string(other.verdict)},
            {"rule",    json_text(other.rule)   }
        });
    json::array failed;
    for (const auto& [kind, reason] : proposal.failed)
        failed.push_back(json::object{
            {"kind",   to_string(kind)  },
            {"reason", json_text(reason)}
        });
    fmt::print(
        "{}\n",
        json_line(json::object{
            {"id",        stored.record.id.to_string()                                            },
            {"kind",      to_string(proposal.candidate.kind)                                      },
            {"rule",      json_text(proposal.candidate.rule_id)                                   },
            {"when",      json_text(proposal.candidate.condition)                                 },
            {"about",     json_text(proposal.candidate.about)                                     },
            {"toml",      json_text(proposal.text.rule + '\n' + proposal.text.test)               },
            {"place",     proposal.trial.note                                                     },
            {"tried",     std::move(failed)                                                       },
            {"others",    proposal.others_count                                                   },
            {"other_ids", std::move(others)                                                       },
            {"written",   written.empty() ? json::value(nullptr) : json::value(json_text(written))}
    })
    );
}

/// Nobody reloads rules that fail their own tests.
Result<> check_tests(const RuleSet& rules) {
    for (const RuleTestResult& test : run_rule_tests(rules))
        if (!test.passed)
            return failure(
                ErrorCode::exists,
                fmt::format("nothing was written: the test \"{}\" would fail: {}", test.name, test.difference)
            );
    return {};
}

/// The same exception twice would keep rules from loading, and so would what stands below half a table: of a
/// file that nothing reads yet nobody else says so.
Result<> check_file(const std::string& path, const ExceptionCandidate& candidate, const std::string& added) {
    const auto before = read_file(path);
    if (!before && before.error().code != ErrorCode::not_found) return std::unexpected(before.error());
    const std::string content = before ? *before + "\n\n" + added : added;
    Diagnostics diagnostics;
    const auto document = ConfigDocument::parse(content, path, diagnostics);
    for (const Diagnostic& one : diagnostics.sorted())
        if (one.severity == Severity::error)
            return failure(ErrorCode::invalid, "nothing was written: " + render_line(one));
    std::size_t same = 0;
    ConfigTable root = document->root();
    for (const auto& [kind, key] : {std::pair("rule", "id"), std::pair("test", "name")})
        for (ConfigTable& table : root.tables(kind))
            if (const auto name = table.text(key); name && name->starts_with(candidate.rule_id)) ++same;
    // A rule with its test, or the test of an override.
    const std::size_t own = candidate.kind == ExceptionKind::client ? 1 : 2;
    if (same > own)
        return failure(
            ErrorCode::exists, fmt::format("nothing was written: {} has {} already", path, candidate.rule_id)
        );
    return {};
}

/// One write at the end of the file, which is made if it is not there; what stands in it stays.
Result<> append(const std::string& path, std::string text) {
    const int file =
        ::open(path.c_str(), O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, rule_file_mode);
    if (file < 0) return system_failure("cannot write " + path, errno);
    char last = '\n';
    const off_t size = ::lseek(file, 0, SEEK_END);
    if (size > 0 && ::pread(file, &last, 1, size - 1) == 1) text.insert(0, last == '\n' ? "\n" : "\n\n");
    const ssize_t written = ::write(file, text.data(), text.size());
    const int error =
        written == static_cast<ssize_t>(text.size()) && ::fsync(file) == 0 ? 0 : (errno != 0 ? errno : EIO);
    // Half an exception is none: what stood there before stands there again.
    if (error != 0 && ::ftruncate(file, size) != 0) {
        ::close(file);
        return system_failure("cannot write all of " + path, error);
    }
    ::close(file);
    if (error != 0) return system_failure("cannot write " + path, error);
    return {};
}

int refuse(std::string message, OutputForm form) {
    print_error({ErrorCode::invalid, std::move(message)}, form);
    return exit_failed;
}

/// Why nothing can be allowed, or empty.
std::string why_not(const RecordSubject& subject, const DecisionRecord& record, const RuleSet& rules) {
    const std::string& rule = subject.verdict->rule;
    if (is_builtin_rule(rule))
        return fmt::format(
            "{} was decided by {}: no rule can allow that ({})",
            record.id.to_string(),
            rule,
            escape_for_log(subject.verdict->reply.text)
        );
    if (subject.verdict->action == Action::none || subject.verdict->action == Action::accept)
        return fmt::format("{} was not refused: there is nothing to allow", record.id.to_string());
    if (subject.address.empty())
        return fmt::format(
            "{} has no recipient: an exception could not be kept to a domain", record.id.to_string()
        );
    if (judge(rules, subject).action <= Action::accept)
        return fmt::format("the rules in force let {} in: there is nothing to allow", record.id.to_string());
    return {};
}

}  // namespace

int allow_command(const CommandContext& context, const AllowOptions& options) {
    const auto config = config_for(context);
    if (!config) return exit_config;
    const auto since = parse_since(options.since);
    if (!since) return report(since.error(), context.form);
    const auto rules = rules_for(config->rules, context.form);
    if (!rules) return exit_config;
    std::string name;
    if (!options.file.empty()) {
        if (!options.file.ends_with(".toml"))
            return refuse(options.file + ": rules stand in *.toml files", context.form);
        const auto found = name_in_rules(*config, options.file);
        if (found)
            name = *found;
        else
            print_error(
                {ErrorCode::invalid,
                 options.file + " is in none of the folders of `rules`: nothing reads it there"},
                context.form
            );
    }
    yield_to_others();
    auto store = open_reader(*config);
    if (!store) return report_of_store(store.error(), context.form);
    const auto stored = find_record(**store, options.id);
    if (!stored) {
        const int code = report(stored.error(), context.form);
        return stored.error().code == ErrorCode::invalid ? exit_failed : code;
    }
    const auto subjects = subjects_of(*stored, rules->dictionary());
    const RecordSubject& subject = leading_subject(subjects, stored->record);
    if (std::string reason = why_not(subject, stored->record, *rules); !reason.empty())
        return refuse(std::move(reason), context.form);

    const auto today = std::chrono::floor<std::chrono::days>(system_clock().wall());
    const std::chrono::year_month_day expires{today + std::chrono::days(options.days)};
    auto proposal = propose(*stored, subject, *rules, TrialRules(*rules, name), expires);
    if (!proposal) return report(proposal.error(), context.form);
    Progress progress(system_clock());
    RecordScan scan(**store, context.form, &progress);
    const auto scanned = find_others(scan, *since, *stored, *rules, options.count, *proposal);
    if (!scanned) return report(scanned.error(), context.form);
    progress.end();
    if (!options.file.empty()) {
        if (const auto good = check_tests(*proposal->trial.rules); !good)
            return report(good.error(), context.form);
        const std::string added = proposal->text.rule + '\n' + proposal->text.test;
        if (const auto good = check_file(options.file, proposal->candidate, added); !good)
            return refuse(good.error().message, context.form);
        const auto written = append(options.file, added);
        if (!written) return report(written.error(), context.form);
    }
    if (context.form == OutputForm::json)
        print_json(*stored, *proposal, options.file);
    else
        print_text(*proposal, options.since);
    if (!options.file.empty() && context.form == OutputForm::text)
        std::fprintf(
            stderr,
            "appended to %s%s\n",
            options.file.c_str(),
            name.empty() ? "" : "; SIGHUP makes the server read it"
        );
    scan.tell_unreadable();
    return exit_ok;
}

}  // namespace wicket
