#include "filters/scan/dkim_filter.hpp"
#include "filters/scan/pattern_filter.hpp"
#include "filters/scan/spf_filter.hpp"
#include "filters/scan/worker.hpp"
#include "tests/unit/filters/scan_test_worker.hpp"

#include <gtest/gtest.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

namespace wicket {
namespace testing {
namespace {

/// A real check that misbehaves on certain HELO names, or if the message says so.
class Saboteur : public ScanFilter {
public:
    explicit Saboteur(std::unique_ptr<ScanFilter> real) : real_(std::move(real)) {}

    std::string_view name() const override { return real_->name(); }
    std::vector<FactId> needs() const override { return real_->needs(); }
    std::vector<FactId> makes() const override { return real_->makes(); }
    std::variant<Observation, DnsQuestions> scan(const ScanInput& input, const DnsAnswers& answers)
        const override {
        // The default action, also where a sanitizer would report and exit.
        if (input.helo == helo_that_crashes || input.message.contains("X-Crash: " + std::string(name()))) {
            std::signal(SIGSEGV, SIG_DFL);
            std::raise(SIGSEGV);
        }
        if (input.helo == helo_that_hangs) pause_for_ever();
        if (input.helo == helo_that_burns) burn();
        if (input.helo == helo_that_lies) {
            Observation lie;
            lie.facts.emplace_back(id_of(CoreFact::client_ip), Absent{});
            return lie;
        }
        if (input.helo == helo_that_asks) {
            return DnsQuestions{
                {"n" + std::to_string(answers.size()) + ".example", DnsType::a}
            };
        }
        return real_->scan(input, answers);
    }

private:
    [[noreturn]] static void burn() {
        for (volatile unsigned long count = 0;;)
            count = count + 1;
    }
    /// The sandbox lets no sleep through, so the channel is waited on, where nothing comes.
    static void pause_for_ever() {
        std::array<char, 1> octet{};
        while (read(scan_channel_descriptor, octet.data(), octet.size()) > 0) {
        }
    }

    std::unique_ptr<ScanFilter> real_;
};

std::vector<std::string> own_arguments() {
    std::ifstream file("/proc/self/cmdline", std::ios::binary);
    const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    std::vector<std::string> arguments;
    for (std::size_t begin = 0; begin < text.size();) {
        const std::size_t end = std::min(text.find('\0', begin), text.size());
        arguments.push_back(text.substr(begin, end - begin));
        begin = end + 1;
    }
    return arguments;
}

/// Before main: gtest's main would not know what to do with `scan`.
[[maybe_unused]] const bool is_test_program = [] {
    std::vector<std::string> arguments = own_arguments();
    if (arguments.size() < 2 || arguments[1] != "scan") return true;
    std::vector<char*> pointers;
    for (std::string& argument : arguments)
        pointers.push_back(argument.data());
    std::vector<std::unique_ptr<ScanFilter>> filters;
    filters.push_back(std::make_unique<Saboteur>(std::make_unique<SpfFilter>()));
    filters.push_back(std::make_unique<Saboteur>(std::make_unique<DkimFilter>()));
    filters.push_back(std::make_unique<Saboteur>(std::make_unique<PatternFilter>()));
    const auto options = parse_worker_arguments(static_cast<int>(pointers.size()), pointers.data());
    _exit(serve_scan_jobs(std::move(filters), options));
}();

}  // namespace

std::string test_worker_executable() {
    return std::filesystem::read_symlink("/proc/self/exe").string();
}

}  // namespace testing

namespace {

struct Ended {
    int status = 0;
    std::string output;
};

Ended run(const std::string& executable, std::vector<std::string> arguments) {
    std::array<int, 2> pipe_ends{};
    EXPECT_EQ(0, pipe(pipe_ends.data()));
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, pipe_ends[1], STDOUT_FILENO);
    std::vector<char*> pointers;
    for (std::string& argument : arguments)
        pointers.push_back(argument.data());
    pointers.push_back(nullptr);
    pid_t pid = -1;
    EXPECT_EQ(0, posix_spawn(&pid, executable.c_str(), &actions, nullptr, pointers.data(), environ));
    posix_spawn_file_actions_destroy(&actions);
    close(pipe_ends[1]);
    Ended ended;
    std::array<char, 512> block{};
    for (ssize_t got = 0; (got = read(pipe_ends[0], block.data(), block.size())) > 0;) {
        ended.output.append(block.data(), static_cast<std::size_t>(got));
    }
    close(pipe_ends[0]);
    waitpid(pid, &ended.status, 0);
    return ended;
}

const std::string all_refused =
    "open: refused (EPERM)\nsocket: refused (EPERM)\nexecve: refused (EPERM)\nfork: refused (EPERM)\nptrace: "
    "refused (EPERM)\n";

TEST(ScanWorker, CanOpenConnectExecuteForkAndTraceNothing) {
    for (const std::string level : {"full", "reduced"}) {
        const Ended ended =
            run(testing::test_worker_executable(),
                {"mailwicket", "scan", "--sandbox=" + level, "--self-test"});
        EXPECT_EQ(0, WEXITSTATUS(ended.status));
        EXPECT_TRUE(WIFEXITED(ended.status));
        EXPECT_EQ(all_refused, ended.output);
    }
}

TEST(ScanWorker, OfTheReleaseBinaryIsConfinedToo) {
    const char* const named = std::getenv("WICKET_BINARY");
    const std::string binary = named != nullptr ? named : WICKET_SOURCE_DIR "/build/mailwicket";
    if (!std::filesystem::exists(binary)) GTEST_SKIP() << "there is no release binary at " << binary;
    const Ended ended = run(binary, {"mailwicket", "scan", "--self-test"});
    EXPECT_EQ(0, WEXITSTATUS(ended.status));
    EXPECT_EQ(all_refused, ended.output);
}

TEST(ScanWorker, ReadsItsArguments) {
    std::array<std::string, 4> texts = {"scan", "--sandbox=reduced", "--cpu-ms=250", "--unheard-of"};
    std::array<char*, 4> arguments{texts[0].data(), texts[1].data(), texts[2].data(), texts[3].data()};
    const auto options = parse_worker_arguments(4, arguments.data());
    EXPECT_EQ(SandboxLevel::reduced, options.sandbox);
    EXPECT_EQ(std::chrono::milliseconds(250), options.cpu_budget);
    EXPECT_FALSE(options.is_self_test);
    EXPECT_EQ(SandboxLevel::full, parse_worker_arguments(1, arguments.data()).sandbox);
}

}  // namespace
}  // namespace wicket
