#include "filters/scan/worker.hpp"

#include "base/file.hpp"
#include "filters/scan/dkim_filter.hpp"
#include "filters/scan/frames.hpp"
#include "filters/scan/pattern_filter.hpp"
#include "filters/scan/spf_filter.hpp"
#include "filters/scan_pool.hpp"
#include "mail/pattern_matcher.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <ctime>
#include <optional>
#include <string_view>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

namespace wicket {
namespace {

// sysexits.h: a fault of the channel or of the front.
constexpr int exit_protocol = 76;
constexpr int exit_configuration = 78;

struct ReceivedFrame {
    char kind = '\0';
    std::string octets;
    FileDescriptor file;
};

/// The next frame; nullopt at the end of the channel or if it cannot be read.
std::optional<ReceivedFrame> receive(std::string& buffer) {
    iovec part{.iov_base = buffer.data(), .iov_len = buffer.size()};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    ssize_t got = 0;
    do {
        got = recvmsg(scan_channel_descriptor, &message, MSG_CMSG_CLOEXEC);
    } while (got < 0 && errno == EINTR);
    if (got <= 0) return std::nullopt;
    ReceivedFrame frame;
    for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
         header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
        int fd = -1;
        std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
        frame.file = FileDescriptor(fd);
    }
    if ((message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) return std::nullopt;
    frame.kind = buffer.front();
    frame.octets.assign(buffer.data() + 1, static_cast<std::size_t>(got) - 1);
    return frame;
}

bool send(char kind, std::string_view octets) {
    std::array<iovec, 2> parts{};
    parts[0] = {.iov_base = &kind, .iov_len = 1};
    std::string copy(octets);
    parts[1] = {.iov_base = copy.data(), .iov_len = copy.size()};
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = parts.size();
    ssize_t sent = 0;
    do {
        sent = sendmsg(scan_channel_descriptor, &message, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    return sent == static_cast<ssize_t>(octets.size() + 1);
}

/// All of the file; nullopt if it is shorter than was said.
std::optional<std::string> read_whole(int fd, std::uint64_t size) {
    std::string octets(static_cast<std::size_t>(size), '\0');
    std::size_t filled = 0;
    while (filled < octets.size()) {
        const ssize_t got =
            pread(fd, octets.data() + filled, octets.size() - filled, static_cast<off_t>(filled));
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return std::nullopt;
        filled += static_cast<std::size_t>(got);
    }
    return octets;
}

/// CPU time from now until SIGPROF ends the process. An idle worker uses none, so nobody calls it off.
void set_cpu_budget(std::chrono::milliseconds budget) {
    itimerval timer{};
    timer.it_value.tv_sec = budget.count() / 1000;
    timer.it_value.tv_usec = static_cast<suseconds_t>(budget.count() % 1000 * 1000);
    setitimer(ITIMER_PROF, &timer, nullptr);
}

using Filters = std::vector<std::unique_ptr<ScanFilter>>;

/// The results in the order of the job's checks; nullopt if it names one that is not here.
std::optional<std::vector<CheckResult>> run_checks(const Filters& filters, const JobFrame& job) {
    std::vector<CheckResult> results;
    for (const std::string& check : job.checks) {
        const auto filter =
            std::ranges::find_if(filters, [&](const auto& one) { return one->name() == check; });
        if (filter == filters.end()) return std::nullopt;
        auto found = (*filter)->scan(job.input, job.answers);
        if (auto* const questions = std::get_if<DnsQuestions>(&found)) {
            results.push_back({check, std::move(*questions)});
        } else {
            results.push_back({check, std::move(std::get<Observation>(found).facts)});
        }
    }
    return results;
}

/// Compiled patterns of rule sets. The front says what to forget.
class HeldPatterns {
public:
    bool add(PatternsFrame frame) {
        if (frame.drop)
            std::erase_if(held_, [&](const auto& one) { return one->patterns().hash == *frame.drop; });
        if (held_.size() == pattern_sets_held_limit) return false;
        auto matcher = PatternMatcher::compile(std::move(frame.patterns));
        if (!matcher) return false;
        held_.push_back(std::move(matcher));
        return true;
    }

    /// nullptr if it is not here.
    const PatternMatcher* find(const Sha256& hash) const {
        const auto found =
            std::ranges::find_if(held_, [&](const auto& one) { return one->patterns().hash == hash; });
        return found == held_.end() ? nullptr : found->get();
    }

private:
    std::vector<std::unique_ptr<const PatternMatcher>> held_;
};

bool take_patterns(HeldPatterns& held, std::string_view octets, std::chrono::milliseconds cpu_budget) {
    auto frame = decode_patterns(octets);
    if (!frame) return false;
    set_cpu_budget(cpu_budget);
    return held.add(std::move(*frame)) && send(worker_has_result, "");
}

bool serve_one(
    const Filters& filters,
    const HeldPatterns& held,
    ReceivedFrame frame,
    std::chrono::milliseconds cpu_budget
) {
    auto job = decode_job(frame.octets);
    if (!job) return false;
    if (job->frame.patterns) {
        job->frame.input.patterns = held.find(*job->frame.patterns);
        if (job->frame.input.patterns == nullptr) return false;
    }
    if (job->frame.file_size) {
        if (!frame.file.is_open()) return false;
        auto octets = read_whole(frame.file.get(), *job->frame.file_size);
        if (!octets) return false;
        job->octets = std::move(*octets);
    }
    job->frame.input.message = job->octets;
    set_cpu_budget(cpu_budget);
    const auto results = run_checks(filters, job->frame);
    if (!results) return false;
    const std::string answer = encode_result(*results);
    return answer.size() <= result_frame_limit_octets && send(worker_has_result, answer);
}

}  // namespace

ScanWorkerOptions parse_worker_arguments(int argc, char** argv) {
    ScanWorkerOptions options;
    for (int index = 1; index < argc; ++index) {
        const std::string_view argument = argv[index];
        if (argument == "--sandbox=reduced") options.sandbox = SandboxLevel::reduced;
        if (argument == "--self-test") options.is_self_test = true;
        constexpr std::string_view cpu = "--cpu-ms=";
        if (argument.starts_with(cpu)) {
            int milliseconds = 0;
            std::from_chars(argument.data() + cpu.size(), argument.data() + argument.size(), milliseconds);
            if (milliseconds > 0) options.cpu_budget = std::chrono::milliseconds(milliseconds);
        }
    }
    return options;
}

std::vector<std::unique_ptr<ScanFilter>> make_scan_filters() {
    std::vector<std::unique_ptr<ScanFilter>> filters;
    filters.push_back(std::make_unique<SpfFilter>());
    filters.push_back(std::make_unique<DkimFilter>());
    filters.push_back(std::make_unique<PatternFilter>());
    return filters;
}

int serve_scan_jobs(std::vector<std::unique_ptr<ScanFilter>> filters, const ScanWorkerOptions& options) {
    // The C library reads the time zone's file at the first use.
    tzset();
    std::string buffer(job_frame_limit_octets + 1, '\0');
    const auto confined = enter_sandbox(options.sandbox, scan_channel_descriptor);
    if (options.is_self_test) {
        if (!confined) return exit_configuration;
        return prove_sandbox() ? 0 : 1;
    }
    if (!confined) {
        send(worker_has_failed, confined.error().message);
        return exit_configuration;
    }
    if (!send(worker_is_ready, "")) return exit_protocol;
    HeldPatterns held;
    while (auto frame = receive(buffer)) {
        const bool is_done = frame->kind == front_sends_patterns
                                 ? take_patterns(held, frame->octets, options.cpu_budget)
                                 : frame->kind == front_sends_job &&
                                       serve_one(filters, held, std::move(*frame), options.cpu_budget);
        if (!is_done) return exit_protocol;
    }
    return 0;
}

int run_scan_worker(int argc, char** argv) {
    const int code = serve_scan_jobs(make_scan_filters(), parse_worker_arguments(argc, argv));
    // Past this point there is nobody to clean up for, and the sandbox would refuse most of it.
    _exit(code);
}

}  // namespace wicket
