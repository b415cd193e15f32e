// A check of the scan worker: a pure function of the job and the DNS answers at hand. It never asks anything;
// it says which questions are still open, and is run again when they are answered. Runs in the worker's one
// thread, and in tests in process. Pure means: same input, same output, no state but caches of decoded keys.
#pragma once

#include "base/clock.hpp"
#include "base/dns.hpp"
#include "base/ip.hpp"
#include "mail/fact_dictionary.hpp"

#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace wicket {

class PatternMatcher;

/// What a job is about. Message filters see `message` whole; a job at MAIL has none.
struct ScanInput {
    IpAddress client_ip;
    std::string client_name;                   // verified PTR name, or empty
    std::string helo;                          // domain or literal as given
    std::string mail_from;                     // "local@domain", or empty for the null reverse-path
    std::string our_hostname;                  // for macros and explanations
    WallTime time;                             // of the transaction: signatures expire against it
    std::string_view message;                  // as received, CRLF lines; empty at MAIL
    const PatternMatcher* patterns = nullptr;  // what the check "pattern" looks for; nullptr: nothing
};

using DnsAnswers = std::map<DnsQuestion, DnsAnswer>;
using DnsQuestions = std::vector<DnsQuestion>;

class ScanFilter {
public:
    virtual ~ScanFilter() = default;
    virtual std::string_view name() const = 0;
    virtual std::vector<FactId> needs() const = 0;
    virtual std::vector<FactId> makes() const = 0;
    /// Facts, or the questions without which there are none. The facts' lookups need not be filled in: the
    /// front knows what it answered.
    virtual std::variant<Observation, DnsQuestions> scan(const ScanInput& input, const DnsAnswers& answers)
        const = 0;
};

}  // namespace wicket
