#include "filters/scan_pool_worker.hpp"

#include "filters/scan/frames.hpp"
#include "filters/scan/worker.hpp"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

namespace wicket {
namespace {

// The largest frame must fit into the socket's buffer, or it cannot be sent at all.
constexpr int channel_buffer_octets = static_cast<int>(job_frame_limit_octets) + (32 << 10);
// Long enough for a worker that is idle; one that is not may be killed.
constexpr std::chrono::milliseconds retire_limit{1000};

/// What posix_spawn is to do in the child; freed whatever happens.
class SpawnPlan {
public:
    SpawnPlan() {
        posix_spawn_file_actions_init(&actions_);
        posix_spawnattr_init(&attributes_);
    }
    SpawnPlan(const SpawnPlan&) = delete;
    SpawnPlan& operator=(const SpawnPlan&) = delete;
    ~SpawnPlan() {
        posix_spawn_file_actions_destroy(&actions_);
        posix_spawnattr_destroy(&attributes_);
    }

    /// 0, or the error number.
    int prepare(int channel) {
        sigset_t none;
        sigset_t all;
        sigemptyset(&none);
        sigfillset(&all);
        // The loops block all signals and ignore SIGPIPE; a child that inherited that would not feel its
        // CPU timer.
        posix_spawnattr_setsigmask(&attributes_, &none);
        posix_spawnattr_setsigdefault(&attributes_, &all);
        posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
        int error = posix_spawn_file_actions_adddup2(&actions_, channel, scan_channel_descriptor);
        if (error == 0)
            error = posix_spawn_file_actions_addopen(&actions_, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
        if (error == 0)
            error = posix_spawn_file_actions_addopen(&actions_, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
        // Asio sets no CLOEXEC on accepted sockets; clients' connections must not reach a worker.
        if (error == 0)
            error = posix_spawn_file_actions_addclosefrom_np(&actions_, scan_channel_descriptor + 1);
        return error;
    }

    int spawn(const std::string& executable, const std::vector<std::string>& arguments, pid_t& pid) {
        std::vector<char*> pointers;
        std::vector<std::string> copies = arguments;
        for (std::string& argument : copies)
            pointers.push_back(argument.data());
        pointers.push_back(nullptr);
#ifdef WICKET_SANITIZED
        char** const environment = environ;  // holds the sanitizers' options
#else
        // Nothing of the front's environment: it may hold secrets.
        std::array<char*, 1> nothing{};
        char** const environment = nothing.data();
#endif
        return posix_spawn(&pid, executable.c_str(), &actions_, &attributes_, pointers.data(), environment);
    }

private:
    posix_spawn_file_actions_t actions_{};
    posix_spawnattr_t attributes_{};
};

}  // namespace

std::string_view describe(WorkerFault fault) {
    switch (fault) {
        case WorkerFault::crashed: return "the scan worker crashed";
        case WorkerFault::killed: return "the scan worker was killed";
        case WorkerFault::over_wall: return "the scan worker took too long";
        case WorkerFault::over_cpu: return "the scan worker used too much CPU";
        case WorkerFault::not_sent: return "the job could not be sent to a scan worker";
        case WorkerFault::not_taught: return "the scan worker could not take the patterns";
        case WorkerFault::bad_answer: break;
    }
    return "the scan worker gave no proper answer";
}

bool is_crash(WorkerFault fault) {
    return fault == WorkerFault::crashed || fault == WorkerFault::bad_answer;
}

Result<std::shared_ptr<ScanWorkerHandle>> ScanWorkerHandle::spawn(
    boost::asio::io_context& loop, const Start& start
) {
    std::array<int, 2> ends{};
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0)
        return system_failure("make a channel", errno);
    FileDescriptor ours(ends[0]);
    const FileDescriptor theirs(ends[1]);
    for (const int end : ends)
        setsockopt(end, SOL_SOCKET, SO_SNDBUF, &channel_buffer_octets, sizeof channel_buffer_octets);
    SpawnPlan plan;
    if (const int error = plan.prepare(theirs.get()); error != 0)
        return system_failure("prepare a scan worker", error);
    pid_t pid = -1;
    const std::vector<std::string> arguments = {
        "mailwicket",
        "scan",
        "--sandbox=" + start.sandbox,
        fmt::format("--cpu-ms={}", start.cpu_budget.count())
    };
    if (const int error = plan.spawn(start.executable, arguments, pid); error != 0)
        return system_failure("start " + start.executable, error);
    FileDescriptor process(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
    if (!process.is_open()) {
        const int error = errno;
        ::kill(pid, SIGKILL);
        waitpid(pid, nullptr, 0);
        return system_failure("watch a scan worker", error);
    }
    const std::shared_ptr<ScanWorkerHandle> worker(
        new ScanWorkerHandle(loop, std::move(ours), std::move(process), pid, start)
    );
    worker->watch();
    return worker;
}

ScanWorkerHandle::ScanWorkerHandle(
    boost::asio::io_context& loop, FileDescriptor channel, FileDescriptor process, int pid, Start start
)
    : channel_(loop, channel.release()),
      process_(loop, process.release()),
      timeout_(loop.get_executor()),
      start_(std::move(start)),
      pid_(pid) {}

ScanWorkerHandle::~ScanWorkerHandle() {
    destroy();
}

void ScanWorkerHandle::watch() {
    process_.async_wait(
        boost::asio::posix::stream_descriptor::wait_read,
        [weak = weak_from_this()](const boost::system::error_code& error) {
            const auto self = weak.lock();
            if (self && !error) self->reap();
        }
    );
}

void ScanWorkerHandle::reap() {
    if (is_reaped_) return;
    int status = 0;
    if (waitpid(pid_, &status, WNOHANG) == 0) {
        watch();
        return;
    }
    is_reaped_ = true;
    if (WIFSIGNALED(status)) end_signal_ = WTERMSIG(status);
    timeout_.cancel();
    exited_->happen();
    if (const auto call = std::exchange(on_exit_, nullptr)) call();
}

void ScanWorkerHandle::destroy() {
    timeout_.cancel();
    on_exit_ = nullptr;
    if (!is_reaped_) {
        ::kill(pid_, SIGKILL);
        waitpid(pid_, nullptr, 0);
        is_reaped_ = true;
    }
    boost::system::error_code ignored;
    channel_.close(ignored);
    process_.close(ignored);
    exited_->happen();
}

void ScanWorkerHandle::kill() {
    was_killed_here_ = true;
    if (!is_reaped_) ::kill(pid_, SIGKILL);
}

void ScanWorkerHandle::on_exit(std::function<void()> call) {
    on_exit_ = std::move(call);
}

void ScanWorkerHandle::retire() {
    boost::system::error_code ignored;
    channel_.close(ignored);
    timeout_.arm(system_clock().steady() + retire_limit, [weak = weak_from_this()] {
        if (const auto self = weak.lock()) self->kill();
    });
}

Result<> ScanWorkerHandle::wait_ready_blocking(std::chrono::milliseconds limit) {
    pollfd wanted{.fd = channel_.native_handle(), .events = POLLIN, .revents = 0};
    int ready = 0;
    do {
        ready = poll(&wanted, 1, static_cast<int>(limit.count()));
    } while (ready < 0 && errno == EINTR);
    if (ready <= 0) return wicket::failure(ErrorCode::timed_out, "a scan worker did not become ready");
    std::array<char, 512> block{};
    const ssize_t got = recv(channel_.native_handle(), block.data(), block.size(), MSG_DONTWAIT);
    if (got == 1 && block[0] == worker_is_ready) return {};
    std::string reason = "it ended";
    if (got > 1 && block[0] == worker_has_failed)
        reason.assign(block.data() + 1, static_cast<std::size_t>(got - 1));
    return wicket::failure(ErrorCode::unavailable, "a scan worker cannot run: " + reason);
}

boost::asio::awaitable<bool> ScanWorkerHandle::wait_ready(std::chrono::milliseconds limit) {
    const auto self = shared_from_this();
    timeout_.arm(system_clock().steady() + limit, [weak = weak_from_this()] {
        if (const auto worker = weak.lock()) worker->kill();
    });
    const std::string frame = co_await receive();
    timeout_.cancel();
    if (frame.size() == 1 && frame[0] == worker_is_ready) co_return true;
    failure_ = frame.starts_with(worker_has_failed) ? frame.substr(1) : "it ended";
    co_return false;
}

bool ScanWorkerHandle::send(char kind, std::string& frame, int body) {
    std::array<iovec, 2> parts{};
    parts[0] = {.iov_base = &kind, .iov_len = 1};
    parts[1] = {.iov_base = frame.data(), .iov_len = frame.size()};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = parts.size();
    if (body >= 0) {
        message.msg_control = control.data();
        message.msg_controllen = control.size();
        cmsghdr* const header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int));
        std::memcpy(CMSG_DATA(header), &body, sizeof body);
    }
    ssize_t sent = 0;
    do {
        // The worker is idle, so its buffer is empty.
        sent = sendmsg(channel_.native_handle(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (sent < 0 && errno == EINTR);
    return sent == static_cast<ssize_t>(frame.size() + 1);
}

boost::asio::awaitable<std::string> ScanWorkerHandle::receive() {
    received_.resize(result_frame_limit_octets + 2);
    while (channel_.is_open()) {
        boost::system::error_code error;
        co_await channel_.async_wait(
            boost::asio::posix::stream_descriptor::wait_read,
            boost::asio::redirect_error(boost::asio::use_awaitable, error)
        );
        if (error) break;
        const ssize_t got = recv(channel_.native_handle(), received_.data(), received_.size(), MSG_DONTWAIT);
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) continue;
        if (got <= 0) break;
        co_return received_.substr(0, static_cast<std::size_t>(got));
    }
    co_return std::string();
}

boost::asio::awaitable<std::optional<WorkerFault>> ScanWorkerHandle::teach(
    std::shared_ptr<const PatternSet> patterns
) {
    const auto self = shared_from_this();
    const auto known = std::ranges::find(taught_, patterns->hash);
    if (known != taught_.end()) {
        std::rotate(known, known + 1, taught_.end());
        co_return std::nullopt;
    }
    PatternsFrame frame{*patterns};
    if (taught_.size() == pattern_sets_held_limit) frame.drop = taught_.front();
    auto octets = encode_patterns(frame);
    if (!octets) co_return WorkerFault::not_taught;
    auto answer = co_await converse(front_sends_patterns, std::move(*octets), -1);
    if (const auto* const fault = std::get_if<WorkerFault>(&answer)) {
        const bool is_from_outside = *fault == WorkerFault::killed || *fault == WorkerFault::not_sent;
        co_return is_from_outside ? *fault : WorkerFault::not_taught;
    }
    if (frame.drop) taught_.erase(taught_.begin());
    taught_.push_back(patterns->hash);
    co_return std::nullopt;
}

boost::asio::awaitable<std::variant<std::string, WorkerFault>> ScanWorkerHandle::exchange(
    std::string frame, int body
) {
    const auto self = shared_from_this();
    auto answer = co_await converse(front_sends_job, std::move(frame), body);
    ++jobs_done_;
    co_return answer;
}

boost::asio::awaitable<std::variant<std::string, WorkerFault>> ScanWorkerHandle::converse(
    char kind, std::string frame, int body
) {
    const auto self = shared_from_this();
    std::string answer;
    const bool is_sent = !has_exited() && channel_.is_open() && send(kind, frame, body);
    if (is_sent) {
        timeout_.arm(system_clock().steady() + start_.wall_budget, [weak = weak_from_this()] {
            const auto worker = weak.lock();
            if (!worker) return;
            worker->was_over_wall_ = true;
            worker->kill();
        });
        answer = co_await receive();
        timeout_.cancel();
    }
    if (answer.starts_with(worker_has_result)) co_return answer.substr(1);
    const bool has_spoken = !answer.empty();
    if (has_spoken) {
        kill();
    } else if (!has_exited()) {
        // Its end of the channel closes a moment before the process is done; who lingers is killed.
        timeout_.arm(system_clock().steady() + retire_limit, [weak = weak_from_this()] {
            if (const auto worker = weak.lock()) worker->kill();
        });
    }
    co_await wait_for(exited_);
    if (has_spoken) co_return WorkerFault::bad_answer;
    if (was_over_wall_) co_return WorkerFault::over_wall;
    if (end_signal_ == SIGPROF) co_return WorkerFault::over_cpu;
    if (end_signal_ == SIGKILL && !was_killed_here_) co_return WorkerFault::killed;
    if (!is_sent) co_return WorkerFault::not_sent;
    co_return WorkerFault::crashed;
}

}  // namespace wicket
