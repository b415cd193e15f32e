// The front's side of the scan workers: queues jobs, keeps the workers alive and within their budgets,
// resolves the questions they leave open, and submits again. Lives on one loop (the hub); run() may be called
// from any loop and completes on the caller's. Never blocks. How workers are confined:
// filters/scan/sandbox.hpp.
#pragma once

#include "base/dns.hpp"
#include "base/ip.hpp"
#include "base/message_bytes.hpp"
#include "base/result.hpp"
#include "filters/dns_evidence.hpp"
#include "filters/scan_pool_senders.hpp"
#include "mail/fact_dictionary.hpp"
#include "mail/pattern.hpp"
#include "net/resolver.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace wicket {

/// What is to be scanned; the checks are names of ScanFilters ("spf", "dkim", "pattern").
struct ScanJob {
    std::vector<std::string> checks;
    IpAddress client_ip;
    std::string client_name;
    std::string helo;
    std::string mail_from;
    WallTime time;
    SharedMessage message;  // nullptr for SPF alone
    /// What the check "pattern" looks for; its facts are of `dictionary`.
    std::shared_ptr<const PatternSet> patterns = nullptr;
    /// That of the rule set in force; nullptr: the core facts alone.
    std::shared_ptr<const FactDictionary> dictionary = nullptr;
    /// Questions that a check will surely ask (keys of all signatures): resolved before the first pass.
    std::vector<std::pair<std::string, DnsQuestion>> hints = {};
    SteadyTime deadline;
    /// Where the job's questions are noted as they are asked; may be nullptr.
    std::shared_ptr<DnsEvidence> evidence = nullptr;
};

struct ScanOutcome {
    Observation observation;  // lookups: all that were answered for this job
    std::vector<std::string>
        failed;                // checks whose facts are unknown because of a fault, not because of the DNS
    std::uint32_t passes = 0;  // frames sent to a worker for this job
    /// The message's own octets have crashed three fresh workers: 554 5.6.0.
    bool is_poison = false;
};

struct ScanPoolOptions {
    std::string executable;  // our own binary; run as `EXECUTABLE scan`
    std::string hostname;
    std::size_t workers = 1;
    std::string sandbox = "full";                 // full | reduced
    std::chrono::milliseconds wall_budget{5000};  // per pass, then the worker is killed
    std::chrono::milliseconds cpu_budget{2000};   // per pass, of the worker's CPU clock
    // Then it is recycled, but not before it has lived for so long: a start takes 12 ms of CPU, which was 6 %
    // of all that mail cost when it came fast.
    std::uint32_t jobs_per_worker = 500;
    std::chrono::milliseconds least_life{2000};
    /// New questions of one sender's domain in a minute (filters/scan_pool_senders.hpp); what a record
    /// answers asks nobody.
    std::uint32_t questions_per_sender = sender_question_limit;
    std::string poison_folder;  // where samples of crashing messages are kept
    std::function<void(const std::string& reason)> on_poison = {};  // tells the administrator
};

struct ScanPoolStatus {
    std::vector<int> worker_pids;  // the spare is the last one
    std::uint64_t jobs = 0;
    std::uint64_t passes = 0;
    std::uint64_t crashes = 0;
    std::uint64_t questions = 0;
};

class ScanPool {
public:
    /// Starts the workers; an error if none can be made to run under the sandbox asked for.
    static Result<std::unique_ptr<ScanPool>> start(
        boost::asio::io_context& hub, DnsResolver& dns, ScanPoolOptions options
    );
    virtual ~ScanPool() = default;

    virtual boost::asio::awaitable<ScanOutcome> run(ScanJob job) = 0;
    virtual ScanPoolStatus status() const = 0;
    /// Ends the workers; jobs under way fail. On the hub's thread, or after it has stopped.
    virtual void stop() = 0;
};

/// The body of `mailwicket scan`: confines itself, serves jobs on descriptor 3 until it is closed.
int run_scan_worker(int argc, char** argv);

}  // namespace wicket
