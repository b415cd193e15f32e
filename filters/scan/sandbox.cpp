#include "filters/scan/sandbox.hpp"

#include "base/landlock.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <initializer_list>
#include <linux/capability.h>
#include <memory>
#include <sched.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <type_traits>
#include <unistd.h>

namespace wicket {
namespace {

// Twice the largest message (frames.hpp) and as much again for the libraries.
constexpr rlim_t memory_limit_octets = 512UL << 20U;
// Standard input, output, error, the channel, a message, and a little.
constexpr rlim_t descriptor_limit = 16;

struct FilterDeleter {
    void operator()(void* filter) const { seccomp_release(filter); }
};

// What serving a job takes: the channel, memory, time, and an orderly end.
constexpr auto allowed_calls = std::to_array<int>({
    SCMP_SYS(read),
    SCMP_SYS(write),
    SCMP_SYS(close),
    SCMP_SYS(pread64),
    SCMP_SYS(recvmsg),
    SCMP_SYS(sendmsg),
    SCMP_SYS(munmap),
    SCMP_SYS(mremap),
    SCMP_SYS(madvise),
    SCMP_SYS(brk),
    SCMP_SYS(futex),
    SCMP_SYS(clock_gettime),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(time),
    SCMP_SYS(setitimer),
    SCMP_SYS(getrandom),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(restart_syscall),
    SCMP_SYS(getpid),
    SCMP_SYS(gettid),
    SCMP_SYS(tgkill),
    SCMP_SYS(fstat),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
#ifdef WICKET_SANITIZED
    // The sanitizers' runtimes look after their stacks, shadows and helper threads, and find out with a pipe
    // whether memory can be read.
    SCMP_SYS(sigaltstack),
    SCMP_SYS(pipe),
    SCMP_SYS(pipe2),
    SCMP_SYS(sched_yield),
    SCMP_SYS(getrusage),
    SCMP_SYS(nanosleep),
    SCMP_SYS(clock_nanosleep),
    SCMP_SYS(sched_getaffinity),
    SCMP_SYS(prctl),
    SCMP_SYS(writev),
    SCMP_SYS(getppid),
    SCMP_SYS(msync),
#endif
});

Result<> set_limit(std::remove_cvref_t<decltype(RLIMIT_CORE)> resource, rlim_t limit) {
    const rlimit value{.rlim_cur = limit, .rlim_max = limit};
    if (setrlimit(resource, &value) != 0) return system_failure("set a limit of the scan worker", errno);
    return {};
}

Result<> set_limits() {
    if (auto set = set_limit(RLIMIT_CORE, 0); !set) return set;
    if (auto set = set_limit(RLIMIT_NOFILE, descriptor_limit); !set) return set;
    if (auto set = set_limit(RLIMIT_NPROC, 0); !set) return set;
    if (auto set = set_limit(RLIMIT_MEMLOCK, 0); !set) return set;
    // No RLIMIT_FSIZE: with 0 the message of an abort would end in SIGXFSZ. No RLIMIT_CPU: it counts over
    // all jobs; the worker sets a timer for each.
#ifndef WICKET_SANITIZED
    if (auto set = set_limit(RLIMIT_AS, memory_limit_octets); !set) return set;
#else
    // The shadow memory alone is terabytes of address space.
    static_cast<void>(memory_limit_octets);
#endif
    return {};
}

Result<> drop_privileges() {
    // Started from /proc/self/exe, it would be called `exe`.
    prctl(PR_SET_NAME, "mailwicket", 0, 0, 0);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return system_failure("set no_new_privs", errno);
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return system_failure("make the worker non-dumpable", errno);
    __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    const std::array<__user_cap_data_struct, 2> none{};
    if (syscall(SYS_capset, &header, none.data()) != 0) return system_failure("drop capabilities", errno);
    return {};
}

Result<> filter_system_calls() {
    const std::unique_ptr<void, FilterDeleter> filter(seccomp_init(SCMP_ACT_ERRNO(EPERM)));
    if (!filter) return failure(ErrorCode::unavailable, "seccomp gives no filter");
    for (const int call : allowed_calls) {
        const int error = seccomp_rule_add_array(filter.get(), SCMP_ACT_ALLOW, call, 0, nullptr);
        if (error != 0) return system_failure("allow a system call", -error);
    }
    // Memory, but none that could be executed.
    const scmp_arg_cmp not_executable{.arg = 2, .op = SCMP_CMP_MASKED_EQ, .datum_a = PROT_EXEC, .datum_b = 0};
    for (const int call : {SCMP_SYS(mmap), SCMP_SYS(mprotect)}) {
        const int error = seccomp_rule_add_array(filter.get(), SCMP_ACT_ALLOW, call, 1, &not_executable);
        if (error != 0) return system_failure("allow memory", -error);
    }
    if (const int error = seccomp_load(filter.get()); error != 0)
        return system_failure("load the seccomp filter", -error);
    return {};
}

struct Probe {
    const char* name;
    long (*attempt)();
};

long attempt_open() {
    return syscall(SYS_openat, AT_FDCWD, "/", O_RDONLY | O_CLOEXEC, 0);
}

long attempt_socket() {
    return syscall(SYS_socket, AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

long attempt_execve() {
    std::array<char, 10> path{"/bin/true"};
    std::array<char*, 2> arguments{path.data(), nullptr};
    return syscall(SYS_execve, path.data(), arguments.data(), arguments.data() + 1);
}

long attempt_fork() {
    const long child = syscall(SYS_clone, SIGCHLD, nullptr, nullptr, nullptr, nullptr);
    if (child == 0) syscall(SYS_exit_group, 0);
    return child;
}

long attempt_ptrace() {
    return syscall(SYS_ptrace, PTRACE_TRACEME, 0, nullptr, nullptr);
}

}  // namespace

Result<> enter_sandbox(SandboxLevel level, int last_descriptor) {
    if (syscall(SYS_close_range, static_cast<unsigned>(last_descriptor + 1), ~0U, 0U) != 0) {
        return system_failure("close what was inherited", errno);
    }
    if (auto done = set_limits(); !done) return done;
    if (auto done = drop_privileges(); !done) return done;
    // Not a single grant: every way to a file that is not open yet is closed.
    auto closed = restrict_files_to({});
    if (!closed && level == SandboxLevel::full) return closed;
    return filter_system_calls();
}

bool prove_sandbox() {
    constexpr auto probes = std::to_array<Probe>({
        {"open",   attempt_open  },
        {"socket", attempt_socket},
        {"execve", attempt_execve},
        {"fork",   attempt_fork  },
        {"ptrace", attempt_ptrace},
    });
    bool all_refused = true;
    for (const Probe& probe : probes) {
        const bool is_refused = probe.attempt() < 0;
        const char* const error = is_refused ? strerrorname_np(errno) : nullptr;
        std::printf(
            "%s: %s%s%s\n",
            probe.name,
            is_refused ? "refused (" : "POSSIBLE",
            error != nullptr ? error : "",
            is_refused ? ")" : ""
        );
        all_refused = all_refused && is_refused;
    }
    std::fflush(stdout);
    return all_refused;
}

}  // namespace wicket
