#include "filters/scan_pool_job.hpp"

#include "base/log.hpp"
#include "base/public_suffix.hpp"
#include "base/text.hpp"
#include "filters/scan_pool_poison.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include <algorithm>
#include <cerrno>
#include <sys/mman.h>
#include <unistd.h>

namespace wicket {
namespace {

// The first try and as many fresh workers as make a poison.
constexpr unsigned try_limit = poison_crash_count + 1;

std::size_t budget_of(const std::string& check) {
    return check == "dkim" ? dkim_question_budget : spf_question_budget;
}

/// Whose questions are worth remembering: those that the sender's domain makes it ask.
bool asks_about_sender(const std::string& check) {
    return check == "spf";
}

/// SPF is about the envelope alone.
bool reads_message(const std::string& check) {
    return check != "spf";
}

bool looks_for_patterns(const std::vector<std::string>& checks) {
    return std::ranges::find(checks, "pattern") != checks.end();
}

std::string domain_of(const std::string& mail_from) {
    const std::size_t at = mail_from.rfind('@');
    return at == std::string::npos ? std::string() : lower_case(mail_from.substr(at + 1));
}

}  // namespace

boost::asio::awaitable<ScanOutcome> ScanJobRun::run() {
    const auto self = shared_from_this();
    parts_->jobs.fetch_add(1, std::memory_order_relaxed);
    pending_ = job_.checks;
    if (job_.message && job_.message->size() > frame_body_limit_octets) {
        for (const std::string& check : job_.checks)
            if (reads_message(check)) fail(check, "the message is too large to be scanned");
    }
    leave_out_switched_off();
    std::vector<DnsQuestion> questions = first_questions();
    for (std::uint32_t count = 0; !pending_.empty(); ++count) {
        co_await resolve(std::move(questions));
        if (is_late() || count == scan_round_limit) {
            const std::string reason = is_late() ? "time-out" : "too many rounds of questions";
            for (const std::string& check : std::vector(pending_))
                fail(check, reason);
            break;
        }
        questions = co_await round();
    }
    for (auto& [question, answer] : answers_)
        outcome_.observation.lookups.push_back({question, std::move(answer)});
    co_return std::move(outcome_);
}

void ScanJobRun::leave_out_switched_off() {
    const SteadyTime now = system_clock().steady();
    const bool is_network_off = parts_->crashes.is_open(network(), network_crash_limit, now);
    for (const std::string& check : std::vector(pending_)) {
        if (is_network_off) {
            fail(check, "mail of this network has crashed too many scan workers");
        } else if (parts_->crashes.is_open(check, check_crash_limit, now)) {
            fail(check, "the check is switched off after too many crashes");
        }
    }
}

std::vector<DnsQuestion> ScanJobRun::first_questions() {
    std::vector<DnsQuestion> questions;
    const SteadyTime now = system_clock().steady();
    for (const std::string& check : pending_) {
        std::vector<DnsQuestion> wanted = parts_->memory.recall(memory_key(check), now);
        for (const auto& [of, question] : job_.hints)
            if (of == check) wanted.push_back(question);
        for (DnsQuestion& question : wanted) {
            if (asked_[check].size() == budget_of(check) || !is_acceptable_question(question)) continue;
            if (asked_[check].insert(question).second) questions.push_back(std::move(question));
        }
    }
    return questions;
}

boost::asio::awaitable<void> ScanJobRun::resolve(std::vector<DnsQuestion> questions) {
    std::erase_if(questions, [this](const DnsQuestion& question) { return answers_.contains(question); });
    std::ranges::sort(questions);
    const auto repeated = std::ranges::unique(questions);
    questions.erase(repeated.begin(), repeated.end());
    if (questions.empty()) co_return;
    parts_->questions.fetch_add(questions.size(), std::memory_order_relaxed);
    const auto answered = std::make_shared<ScanEvent>();
    auto all = std::make_shared<const ScanCountdown>(answered);
    for (DnsQuestion& question : questions) {
        if (job_.evidence) job_.evidence->asked(question, system_clock().steady());
        // A coroutine costs more than what is at hand.
        if (auto known = parts_->dns.recall(question)) {
            take_answer(std::move(question), std::move(*known));
            continue;
        }
        if (!parts_->senders.may_ask(cause_of(question), question, system_clock().steady())) {
            DnsAnswer refused;
            refused.reason = "this sender's domain asks for too many names";
            take_answer(std::move(question), std::move(refused));
            continue;
        }
        boost::asio::co_spawn(parts_->loop, resolve_one(std::move(question), all), boost::asio::detached);
    }
    all.reset();
    co_await wait_for(answered);
}

boost::asio::awaitable<void> ScanJobRun::resolve_one(
    DnsQuestion question, std::shared_ptr<const ScanCountdown> /*all*/
) {
    const auto self = shared_from_this();
    DnsAnswer answer = co_await parts_->dns.lookup(question, job_.deadline);
    parts_->senders.answered(question, answer);
    take_answer(std::move(question), std::move(answer));
}

void ScanJobRun::take_answer(DnsQuestion question, DnsAnswer answer) {
    if (job_.evidence) job_.evidence->answered(question, answer);
    answers_[std::move(question)] = std::move(answer);
}

std::string ScanJobRun::cause_of(const DnsQuestion& question) const {
    const auto asked = asked_.find("dkim");
    const bool is_key = asked != asked_.end() && asked->second.contains(question);
    std::string domain = is_key ? question.name : domain_of(job_.mail_from);
    if (domain.empty()) domain = lower_case(job_.helo);
    const std::string_view registered = registrable_domain(domain);
    return registered.empty() ? domain : std::string(registered);
}

void ScanJobRun::leave_out_poison() {
    if (!parts_->crashes.has_inputs()) return;
    const SteadyTime now = system_clock().steady();
    for (const std::string& check : std::vector(pending_))
        if (parts_->crashes.count_input(inputs_hash(check), now) >= poison_crash_count) call_poison(check);
}

boost::asio::awaitable<std::vector<DnsQuestion>> ScanJobRun::round() {
    leave_out_poison();
    const std::vector<std::string> checks = pending_;
    if (checks.size() > 1) {
        const auto worker = co_await parts_->workers->acquire(ScanWorkers::Freshness::any, job_.deadline);
        if (worker) {
            PassResult result = co_await pass(checks, worker);
            if (auto* const results = std::get_if<0>(&result)) co_return take(std::move(*results));
            // Which of them it was, each on its own will show; so the others go on.
        }
    }
    std::vector<DnsQuestion> questions;
    for (const std::string& check : checks) {
        auto more = co_await round_alone(check);
        questions.insert(questions.end(), more.begin(), more.end());
    }
    co_return questions;
}

boost::asio::awaitable<std::vector<DnsQuestion>> ScanJobRun::round_alone(std::string check) {
    WorkerFault fault = WorkerFault::crashed;
    for (unsigned count = 0; count < try_limit; ++count) {
        const auto freshness = count == 0 ? ScanWorkers::Freshness::any : ScanWorkers::Freshness::fresh;
        const auto worker = co_await parts_->workers->acquire(freshness, job_.deadline);
        if (!worker) {
            fail(check, "no scan worker was free in time");
            co_return std::vector<DnsQuestion>();
        }
        const bool was_fresh = worker->jobs_done() == 0;
        PassResult result = co_await pass({check}, worker);
        if (auto* const results = std::get_if<0>(&result)) co_return take(std::move(*results));
        fault = std::get<WorkerFault>(result);
        if (parts_->workers->is_stopped() || !note_fault(check, fault, was_fresh) || is_late()) {
            if (!outcome_.is_poison) fail(check, std::string(describe(fault)));
            co_return std::vector<DnsQuestion>();
        }
    }
    fail(check, std::string(describe(fault)));
    co_return std::vector<DnsQuestion>();
}

boost::asio::awaitable<ScanJobRun::PassResult> ScanJobRun::pass(
    std::vector<std::string> checks, std::shared_ptr<ScanWorkerHandle> worker
) {
    JobFrame frame;
    frame.checks = checks;
    if (job_.patterns && looks_for_patterns(checks)) {
        frame.patterns = job_.patterns->hash;
        if (const auto fault = co_await worker->teach(job_.patterns)) {
            parts_->crash_count.fetch_add(1, std::memory_order_relaxed);
            parts_->workers->discard(worker);
            co_return *fault;
        }
    }
    frame.input = {
        .client_ip = job_.client_ip,
        .client_name = job_.client_name,
        .helo = job_.helo,
        .mail_from = job_.mail_from,
        .our_hostname = parts_->options.hostname,
        .time = job_.time,
        .message = {},
    };
    frame.answers = std::exchange(answers_, {});
    const bool wants_message = job_.message && std::ranges::any_of(checks, reads_message);
    FileDescriptor own;
    int file = -1;
    if (!wants_message) {
        // The envelope alone.
    } else if (job_.message->is_in_memory() && job_.message->size() <= message_inline_limit_octets) {
        frame.input.message = job_.message->view();
    } else {
        frame.file_size = job_.message->size();
        file = job_.message->fd();
        if (file < 0) {
            auto made = message_file();
            if (made) own = std::move(*made);
            file = own.get();
        }
    }
    auto octets = encode_job(frame);
    answers_ = std::move(frame.answers);
    if (!octets || (frame.file_size && file < 0)) {
        parts_->workers->give_back(worker);
        co_return WorkerFault::not_sent;
    }
    ++outcome_.passes;
    parts_->passes.fetch_add(1, std::memory_order_relaxed);
    auto answer = co_await worker->exchange(std::move(*octets), file);
    if (const auto* const fault = std::get_if<WorkerFault>(&answer)) {
        parts_->crash_count.fetch_add(1, std::memory_order_relaxed);
        parts_->workers->discard(worker);
        co_return *fault;
    }
    auto results = decode_result(std::get<std::string>(answer), checks, dictionary());
    if (!results) {
        parts_->crash_count.fetch_add(1, std::memory_order_relaxed);
        parts_->workers->discard(worker);
        co_return WorkerFault::bad_answer;
    }
    parts_->workers->give_back(worker);
    co_return std::move(*results);
}

std::vector<DnsQuestion> ScanJobRun::take(std::vector<CheckResult> results) {
    std::vector<DnsQuestion> open;
    for (CheckResult& result : results) {
        if (auto* const facts = std::get_if<0>(&result.outcome)) {
            for (auto& fact : *facts)
                outcome_.observation.facts.push_back(std::move(fact));
            std::erase(pending_, result.check);
            learn(result.check);
            continue;
        }
        auto& asked = asked_[result.check];
        bool is_anything_new = false;
        for (DnsQuestion& question : std::get<DnsQuestions>(result.outcome)) {
            is_anything_new = is_anything_new || !answers_.contains(question);
            asked.insert(question);
            open.push_back(std::move(question));
        }
        learnt_.insert(result.check);
        if (asked.size() <= budget_of(result.check) && is_anything_new) continue;
        std::erase_if(open, [&](const DnsQuestion& question) { return asked.contains(question); });
        parts_->memory.forget(memory_key(result.check));
        fail(result.check, is_anything_new ? "too many questions" : "the check asks for what it has");
    }
    return open;
}

bool ScanJobRun::note_fault(const std::string& check, WorkerFault fault, bool was_fresh) {
    log_warning(
        describe(fault),
        {
            {"check",  check                     },
            {"client", job_.client_ip.to_string()},
            {"from",   job_.mail_from            }
    }
    );
    // Whoever sends SIGKILL is not the message.
    if (fault == WorkerFault::killed || fault == WorkerFault::not_sent) return true;
    const SteadyTime now = system_clock().steady();
    parts_->crashes.add(check, now);
    // The patterns are ours, and the message was not looked at yet.
    if (fault == WorkerFault::not_taught) return false;
    parts_->crashes.add(network(), now);
    // A worker that ran over its budget may do so again, and the client waits.
    if (!is_crash(fault)) return false;
    if (was_fresh && parts_->crashes.add_input(inputs_hash(check), now) >= poison_crash_count) {
        call_poison(check);
        return false;
    }
    return true;
}

void ScanJobRun::call_poison(const std::string& check) {
    fail(check, "its input crashes the scan worker");
    if (!job_.message || !reads_message(check)) return;
    outcome_.is_poison = true;
    const std::string reason = keep_poison_sample(parts_->options.poison_folder, *job_.message, check);
    log_error(
        reason,
        {
            {"check",  check                     },
            {"client", job_.client_ip.to_string()},
            {"from",   job_.mail_from            }
    }
    );
    if (parts_->options.on_poison) parts_->options.on_poison(reason);
}

void ScanJobRun::fail(const std::string& check, const std::string& reason) {
    if (std::erase(pending_, check) == 0) return;
    make_unknown(dictionary(), check, reason, outcome_);
}

void ScanJobRun::make_unknown(
    const FactDictionary& dictionary,
    const std::string& check,
    const std::string& reason,
    ScanOutcome& outcome
) {
    for (std::size_t id = 0; id < dictionary.rows().size(); ++id) {
        // What crashed is said by the outcome itself.
        if (dictionary.rows()[id].filter != check || id == id_of(CoreFact::message_poisonous)) continue;
        outcome.observation.facts.emplace_back(
            static_cast<FactId>(id), unknown_value(dictionary.rows()[id], reason)
        );
    }
    outcome.failed.push_back(check);
}

void ScanJobRun::learn(const std::string& check) {
    if (!learnt_.contains(check) || !asks_about_sender(check)) return;
    std::vector<DnsQuestion> questions;
    for (const DnsQuestion& question : asked_[check]) {
        if (!is_about_client(question)) questions.push_back(question);
    }
    parts_->memory.learn(memory_key(check), std::move(questions), system_clock().steady());
}

bool ScanJobRun::is_about_client(const DnsQuestion& question) const {
    if (question.type == DnsType::ptr) return true;
    if (question.name.contains(job_.client_ip.to_string()) ||
        question.name.contains(job_.client_ip.reversed_labels()))
        return true;
    const std::string local = lower_case(job_.mail_from.substr(0, job_.mail_from.rfind('@')));
    return !local.empty() && ("." + question.name).contains("." + local + ".");
}

std::string ScanJobRun::memory_key(const std::string& check) const {
    // Another family of address asks for other records.
    return check + (job_.client_ip.is_ipv4() ? "|4|" : "|6|") + domain_of(job_.mail_from) + "|" +
           lower_case(job_.helo);
}

std::string ScanJobRun::network() const {
    return neighbourhood(job_.client_ip).to_string();
}

Sha256 ScanJobRun::inputs_hash(const std::string& check) const {
    std::string inputs =
        check + '\n' + job_.helo + '\n' + job_.mail_from + '\n' + job_.client_ip.to_string() + '\n';
    if (job_.message && reads_message(check)) {
        const Sha256& body = job_.message->sha256();
        // The message's own octets are what is asked about, whoever brings them.
        inputs = check + '\n';
        inputs.append(reinterpret_cast<const char*>(body.data()), body.size());
    }
    if (check == "pattern") {
        // No answer of the DNS is looked at; other patterns may crash otherwise.
        const Sha256 patterns = job_.patterns ? job_.patterns->hash : Sha256{};
        inputs.append(reinterpret_cast<const char*>(patterns.data()), patterns.size());
        return sha256_of(inputs);
    }
    const auto asked = asked_.find(check);
    for (const auto& [question, answer] : answers_) {
        // What other checks of the job wanted to know is about the sender, not about this check's inputs.
        if (asked == asked_.end() || !asked->second.contains(question)) continue;
        inputs += question.name + '\n' + to_string(question.type) + std::string(to_string(answer.status));
        for (const std::string& record : answer.records)
            inputs += '\n' + record;
    }
    return sha256_of(inputs);
}

Result<FileDescriptor> ScanJobRun::message_file() const {
    FileDescriptor file(memfd_create("message", MFD_CLOEXEC));
    if (!file.is_open()) return system_failure("make a memfd", errno);
    std::string_view left = job_.message->view();
    while (!left.empty()) {
        const ssize_t written = write(file.get(), left.data(), left.size());
        if (written <= 0) return system_failure("fill a memfd", errno);
        left.remove_prefix(static_cast<std::size_t>(written));
    }
    return file;
}

}  // namespace wicket
