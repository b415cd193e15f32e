#include "server/long_command.hpp"

#include "base/thread.hpp"

#include <cstdlib>
#include <fmt/format.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace wicket {
namespace {

constexpr int low_priority = 10;
// ioprio_set(2), which has no header.
constexpr int io_of_process = 1;
constexpr int idle_class = 3 << 13;

bool wants_no_control_sequences() {
    // Only read before any other thread exists. https://no-color.org: set and not empty.
    const char* value = std::getenv("NO_COLOR");  // NOLINT(concurrency-mt-unsafe)
    return value != nullptr && *value != '\0';
}

}  // namespace

void yield_to_others() {
    work_in_background(low_priority);
    // Nothing is lost if the kernel refuses.
    static_cast<void>(::syscall(SYS_ioprio_set, io_of_process, 0, idle_class));
}

Progress::Progress(std::FILE* terminal, const Clock& clock, Erasing erasing)
    : terminal_(terminal), clock_(clock), erasing_(erasing), next_(clock.steady() + progress_patience) {}

Progress::Progress(const Clock& clock)
    : Progress(
          ::isatty(STDERR_FILENO) != 0 ? stderr : nullptr,
          clock,
          wants_no_control_sequences() ? Erasing::blanks : Erasing::control
      ) {}

void Progress::count(std::uint64_t more) {
    count_ += more;
    if (terminal_ == nullptr) return;
    const SteadyTime now = clock_.steady();
    if (now < next_) return;
    next_ = now + progress_interval;
    const std::string line = fmt::format("{} records so far", count_);
    std::fprintf(terminal_, "\r%s", line.c_str());
    std::fflush(terminal_);
    shown_columns_ = line.size();
}

void Progress::hide() {
    if (shown_columns_ == 0) return;
    const std::string erased =
        erasing_ == Erasing::control ? "\r\x1b[K" : "\r" + std::string(shown_columns_, ' ') + "\r";
    std::fprintf(terminal_, "%s", erased.c_str());
    std::fflush(terminal_);
    shown_columns_ = 0;
}

void Progress::end() {
    hide();
    terminal_ = nullptr;
}

}  // namespace wicket
