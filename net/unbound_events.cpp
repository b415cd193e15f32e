#include "net/unbound_events.hpp"

#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <map>
#include <optional>
#include <sys/epoll.h>
#include <sys/time.h>
#include <system_error>
#include <unbound-event.h>
#include <unbound.h>
#include <unordered_map>
#include <utility>

namespace wicket {

namespace asio = boost::asio;

namespace {

using Callback = void (*)(int, short, void*);

struct Event;
using Timers = std::multimap<SteadyTime, Event*>;

// The C struct comes first in both, so that libunbound's pointers are ours.
struct Event {
    ub_event handle;
    UnboundEventBase* base;
    int fd;
    short bits;
    Callback callback;
    void* argument;
    std::uint64_t watch = 0;  // 0: the descriptor is not watched
    std::optional<Timers::iterator> timer;
};

struct BaseHandle {
    ub_event_base handle;
    UnboundEventBase* owner;
};

Event& event_of(ub_event* handle) {
    return *reinterpret_cast<Event*>(handle);
}

}  // namespace

class UnboundEventBase : public std::enable_shared_from_this<UnboundEventBase> {
public:
    UnboundEventBase(asio::io_context& loop, const Clock& clock, ub_event_base_vmt* vmt);

    ub_event_base* handle() { return &handle_.handle; }
    bool watch(Event& event);
    void unwatch(Event& event);
    void set_timer(Event& event, const timeval& after);
    void clear_timer(Event& event);
    void start() { wait_for_descriptors(); }
    void stop();

private:
    void wait_for_descriptors();
    void dispatch_descriptors();
    void arm_timer();
    void run_timers_soon();
    void run_timers();

    const Clock& clock_;
    BaseHandle handle_;
    asio::posix::basic_stream_descriptor<asio::io_context::executor_type> epoll_;
    asio::steady_timer timer_;
    Timers timers_;
    std::optional<SteadyTime> armed_;  // when timer_ fires: perhaps too early, never too late
    SteadyTime last_run_{};
    // By a number that is never used twice: an event may be freed, and its descriptor be another's, while the
    // results of one epoll_wait are worked through.
    std::unordered_map<std::uint64_t, Event*> watched_;
    std::uint64_t last_watch_ = 0;
    bool is_run_posted_ = false;
    bool is_stopped_ = false;
};

UnboundEventBase::UnboundEventBase(asio::io_context& loop, const Clock& clock, ub_event_base_vmt* vmt)
    : clock_(clock),
      handle_{
          {UB_EVENT_MAGIC, vmt},
          this
},
      epoll_(loop),
      timer_(loop) {
    const int fd = ::epoll_create1(EPOLL_CLOEXEC);
    if (fd < 0) throw std::system_error(errno, std::generic_category(), "epoll_create1");
    epoll_.assign(fd);
}

bool UnboundEventBase::watch(Event& event) {
    unwatch(event);
    epoll_event wanted{};
    if ((event.bits & UB_EV_READ) != 0) wanted.events |= EPOLLIN;
    if ((event.bits & UB_EV_WRITE) != 0) wanted.events |= EPOLLOUT;
    wanted.data.u64 = ++last_watch_;
    if (::epoll_ctl(epoll_.native_handle(), EPOLL_CTL_ADD, event.fd, &wanted) != 0) return false;
    event.watch = last_watch_;
    watched_.emplace(event.watch, &event);
    return true;
}

void UnboundEventBase::unwatch(Event& event) {
    if (event.watch == 0) return;
    watched_.erase(std::exchange(event.watch, 0));
    epoll_event unused{};
    ::epoll_ctl(epoll_.native_handle(), EPOLL_CTL_DEL, event.fd, &unused);
}

void UnboundEventBase::set_timer(Event& event, const timeval& after) {
    clear_timer(event);
    const auto wait = std::chrono::seconds(after.tv_sec) + std::chrono::microseconds(after.tv_usec);
    // Later than the run at work, so that an event that renews itself at once does not hold the loop.
    const auto when = std::max(clock_.steady() + wait, last_run_ + SteadyTime::duration(1));
    event.timer = timers_.emplace(when, &event);
    arm_timer();
}

void UnboundEventBase::clear_timer(Event& event) {
    if (event.timer) timers_.erase(*event.timer);
    event.timer.reset();
}

void UnboundEventBase::wait_for_descriptors() {
    epoll_.async_wait(
        asio::posix::descriptor_base::wait_read,
        [self = shared_from_this()](const boost::system::error_code& error) {
            if (error || self->is_stopped_) return;
            self->dispatch_descriptors();
            if (!self->is_stopped_) self->wait_for_descriptors();
        }
    );
}

void UnboundEventBase::dispatch_descriptors() {
    // More than that stays in the set for the next turn.
    std::array<epoll_event, 64> ready;
    const int count = ::epoll_wait(epoll_.native_handle(), ready.data(), static_cast<int>(ready.size()), 0);
    for (int i = 0; i < count && !is_stopped_; ++i) {
        const auto& result = ready[static_cast<std::size_t>(i)];
        // A copy: the kernel's struct is packed, and find() takes a reference.
        const std::uint64_t watch = result.data.u64;
        const auto found = watched_.find(watch);
        if (found == watched_.end()) continue;
        auto& event = *found->second;
        short bits = 0;
        if ((result.events & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0) bits |= UB_EV_READ;
        if ((result.events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) != 0) bits |= UB_EV_WRITE;
        bits = static_cast<short>(bits & event.bits);
        if (bits == 0) continue;
        if ((event.bits & UB_EV_PERSIST) == 0) unwatch(event);
        event.callback(event.fd, bits, event.argument);
    }
}

// Most timers are cleared before they are due. So the loop's timer is left alone unless it would fire too
// late.
void UnboundEventBase::arm_timer() {
    if (timers_.empty() || is_stopped_) return;
    const auto first = timers_.begin()->first;
    const auto now = clock_.steady();
    if (first <= now) return run_timers_soon();
    if (armed_ && *armed_ <= first) return;
    armed_ = first;
    timer_.expires_after(first - now);
    timer_.async_wait([self = shared_from_this()](const boost::system::error_code& error) {
        if (error || self->is_stopped_) return;
        self->armed_.reset();
        self->run_timers();
        self->arm_timer();
    });
}

// libunbound sends each question from a timer of zero seconds: the next turn of the loop comes without asking
// the kernel for a timer.
void UnboundEventBase::run_timers_soon() {
    if (std::exchange(is_run_posted_, true)) return;
    asio::post(timer_.get_executor(), [self = shared_from_this()] {
        self->is_run_posted_ = false;
        if (self->is_stopped_) return;
        self->run_timers();
        self->arm_timer();
    });
}

void UnboundEventBase::run_timers() {
    last_run_ = clock_.steady();
    while (!is_stopped_ && !timers_.empty() && timers_.begin()->first <= last_run_) {
        auto& event = *timers_.begin()->second;
        clear_timer(event);
        event.callback(event.fd, UB_EV_TIMEOUT, event.argument);
    }
}

void UnboundEventBase::stop() {
    is_stopped_ = true;
    boost::system::error_code ignored;
    epoll_.close(ignored);
    timer_.cancel();
}

namespace {

// The functions that libunbound calls. noexcept: nothing may be thrown through its frames.

ub_event* new_event(ub_event_base* base, int fd, short bits, Callback callback, void* argument) noexcept;

void add_bits(ub_event* event, short bits) noexcept {
    event_of(event).bits = static_cast<short>(event_of(event).bits | bits);
}

void del_bits(ub_event* event, short bits) noexcept {
    event_of(event).bits = static_cast<short>(event_of(event).bits & ~bits);
}

void set_fd(ub_event* event, int fd) noexcept {
    event_of(event).fd = fd;
}

int del_event(ub_event* handle) noexcept {
    auto& event = event_of(handle);
    event.base->unwatch(event);
    event.base->clear_timer(event);
    return 0;
}

void free_event(ub_event* handle) noexcept {
    del_event(handle);
    delete &event_of(handle);
}

int add_event(ub_event* handle, timeval* timeout) noexcept {
    auto& event = event_of(handle);
    if ((event.bits & (UB_EV_READ | UB_EV_WRITE)) != 0 && event.fd >= 0 && !event.base->watch(event))
        return -1;
    if (timeout != nullptr) event.base->set_timer(event, *timeout);
    return 0;
}

int add_timer(
    ub_event* handle, ub_event_base*, Callback callback, void* argument, timeval* timeout
) noexcept {
    auto& event = event_of(handle);
    event.callback = callback;
    event.argument = argument;
    event.base->set_timer(event, *timeout);
    return 0;
}

int del_timer(ub_event* handle) noexcept {
    event_of(handle).base->clear_timer(event_of(handle));
    return 0;
}

// Documented as not called by libunbound.
int no_signal(ub_event*) noexcept {
    return -1;
}
int no_signal_with_time(ub_event*, timeval*) noexcept {
    return -1;
}
void no_winsock(ub_event*) noexcept {}
void no_winsock_block(ub_event*, int) noexcept {}
void no_free(ub_event_base*) noexcept {}
int no_dispatch(ub_event_base*) noexcept {
    return -1;
}
int no_exit(ub_event_base*, timeval*) noexcept {
    return 0;
}
ub_event* no_new_signal(ub_event_base*, int, Callback, void*) noexcept {
    return nullptr;
}
ub_event* no_new_winsock(ub_event_base*, void*, Callback, void*) noexcept {
    return nullptr;
}

ub_event_vmt event_functions = {
    .add_bits = add_bits,
    .del_bits = del_bits,
    .set_fd = set_fd,
    .free = free_event,
    .add = add_event,
    .del = del_event,
    .add_timer = add_timer,
    .del_timer = del_timer,
    .add_signal = no_signal_with_time,
    .del_signal = no_signal,
    .winsock_unregister_wsaevent = no_winsock,
    .winsock_tcp_wouldblock = no_winsock_block,
};

ub_event_base_vmt base_functions = {
    .free = no_free,
    .dispatch = no_dispatch,
    .loopexit = no_exit,
    .new_event = new_event,
    .new_signal = no_new_signal,
    .winsock_register_wsaevent = no_new_winsock,
};

ub_event* new_event(ub_event_base* base, int fd, short bits, Callback callback, void* argument) noexcept {
    auto* owner = reinterpret_cast<BaseHandle*>(base)->owner;
    auto* event = new Event{
        {UB_EVENT_MAGIC, &event_functions},
        owner, fd, bits, callback, argument, 0, {}
    };
    return &event->handle;
}

}  // namespace

UnboundEvents::UnboundEvents(asio::io_context& loop, const Clock& clock)
    : base_(std::make_shared<UnboundEventBase>(loop, clock, &base_functions)) {
    base_->start();
}

UnboundEvents::~UnboundEvents() {
    base_->stop();
}

ub_event_base* UnboundEvents::base() {
    return base_->handle();
}

}  // namespace wicket
