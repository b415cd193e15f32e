// One job of the pool from its first question to its facts: rounds of DNS and passes through workers, within
// deadline and budgets. One loop.
#pragma once

#include "filters/scan/frames.hpp"
#include "filters/scan_pool.hpp"
#include "filters/scan_pool_crashes.hpp"
#include "filters/scan_pool_memory.hpp"
#include "filters/scan_pool_workers.hpp"

#include <atomic>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <variant>
#include <vector>

namespace wicket {

// RFC 7208 lets ten terms follow one another, of which the last may be an mx with hosts to look up, before
// them the first record, after them an explanation that asks for the client's name (two more). The HELO
// identity comes after the reverse-path and may need as many.
inline constexpr std::uint32_t scan_round_limit = 28;
// Questions of one job for one check: threats B6 and B8. The keys of eight signatures, twice.
inline constexpr std::size_t spf_question_budget = 40;
inline constexpr std::size_t dkim_question_budget = 16;

/// What all jobs of a pool share.
struct ScanPoolParts {
    ScanPoolParts(boost::asio::io_context& hub, DnsResolver& resolver, ScanPoolOptions the_options)
        : loop(hub),
          dns(resolver),
          options(std::move(the_options)),
          senders(options.questions_per_sender),
          workers(std::make_shared<ScanWorkers>(hub, options)) {}

    boost::asio::io_context& loop;
    DnsResolver& dns;
    ScanPoolOptions options;
    SenderQuestions senders;
    std::shared_ptr<ScanWorkers> workers;
    FactDictionary dictionary;
    ScanCrashLedger crashes;
    QuestionMemory memory;
    std::atomic<std::uint64_t> jobs = 0;
    std::atomic<std::uint64_t> passes = 0;
    std::atomic<std::uint64_t> crash_count = 0;
    std::atomic<std::uint64_t> questions = 0;
};

class ScanJobRun : public std::enable_shared_from_this<ScanJobRun> {
public:
    ScanJobRun(std::shared_ptr<ScanPoolParts> parts, ScanJob job)
        : parts_(std::move(parts)), job_(std::move(job)) {}

    boost::asio::awaitable<ScanOutcome> run();

    /// Every fact of `check` as unknown, results by their word for it; the others tell the reason.
    static void make_unknown(
        const FactDictionary& dictionary,
        const std::string& check,
        const std::string& reason,
        ScanOutcome& outcome
    );

private:
    using PassResult = std::variant<std::vector<CheckResult>, WorkerFault>;

    void leave_out_switched_off();
    /// What is known to crash workers takes no further one with it.
    void leave_out_poison();
    std::vector<DnsQuestion> first_questions();
    boost::asio::awaitable<void> resolve(std::vector<DnsQuestion> questions);
    boost::asio::awaitable<void> resolve_one(DnsQuestion question, std::shared_ptr<const ScanCountdown> all);
    void take_answer(DnsQuestion question, DnsAnswer answer);
    /// The domain that makes us ask: the signer's for a key, else the sender's.
    std::string cause_of(const DnsQuestion& question) const;
    /// Runs `checks` once more, takes their facts, and returns the questions that are still open.
    boost::asio::awaitable<std::vector<DnsQuestion>> round();
    /// One check alone, again in fresh workers if one crashes.
    boost::asio::awaitable<std::vector<DnsQuestion>> round_alone(std::string check);
    boost::asio::awaitable<PassResult> pass(
        std::vector<std::string> checks, std::shared_ptr<ScanWorkerHandle> worker
    );
    std::vector<DnsQuestion> take(std::vector<CheckResult> results);
    /// Counts a fault; true if the check may be tried again.
    bool note_fault(const std::string& check, WorkerFault fault, bool was_fresh);
    void fail(const std::string& check, const std::string& reason);
    void learn(const std::string& check);
    bool is_about_client(const DnsQuestion& question) const;
    std::string memory_key(const std::string& check) const;
    std::string network() const;
    Sha256 inputs_hash(const std::string& check) const;
    void call_poison(const std::string& check);
    const FactDictionary& dictionary() const {
        return job_.dictionary ? *job_.dictionary : parts_->dictionary;
    }
    Result<FileDescriptor> message_file() const;
    bool is_late() const { return system_clock().steady() >= job_.deadline; }

    std::shared_ptr<ScanPoolParts> parts_;
    ScanJob job_;
    std::vector<std::string> pending_;  // checks without facts yet
    DnsAnswers answers_;
    std::map<std::string, std::set<DnsQuestion>> asked_;  // by check
    std::set<std::string> learnt_;                        // checks that asked something new
    ScanOutcome outcome_;
};

}  // namespace wicket
