#include "net/unbound_resolver.hpp"

#include "base/text.hpp"
#include "net/answer_cache.hpp"
#include "net/dns_message.hpp"
#include "net/loop_kit.hpp"
#include "net/unbound_context.hpp"
#include "net/unbound_events.hpp"

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <atomic>
#include <functional>
#include <list>
#include <map>
#include <system_error>
#include <unbound-event.h>
#include <unbound.h>
#include <utility>

namespace wicket {

namespace asio = boost::asio;

namespace {

// Questions under way and those who wait for them: about 20 MB at the worst.
constexpr std::size_t pending_limit = 8192;
constexpr std::size_t waiters_limit = 65536;

DnsAnswer failed_answer(std::string reason) {
    DnsAnswer answer;
    answer.reason = std::move(reason);
    return answer;
}

std::uint32_t micros_between(SteadyTime from, SteadyTime to) {
    const auto passed = std::chrono::duration_cast<std::chrono::microseconds>(to - from).count();
    return static_cast<std::uint32_t>(std::clamp<std::int64_t>(passed, 0, UINT32_MAX));
}

}  // namespace

struct UnboundResolver::State : std::enable_shared_from_this<UnboundResolver::State> {
    struct Pending;

    enum class Source : std::uint8_t { any, wire };
    // Who wants an answer from the wire is not served by one that may have come out of a cache.
    using Wanted = std::pair<DnsQuestion, Source>;

    // One lookup that waits for an answer; `complete` posts it to the loop of the asker.
    struct Waiter final : DeadlineNode {
        explicit Waiter(State& its_state) : state(its_state) {}
        Waiter(const Waiter&) = delete;
        Waiter& operator=(const Waiter&) = delete;
        ~Waiter() { state.kit.deadlines.remove(*this); }

        void on_deadline() override { state.give_up(*this); }

        State& state;
        std::move_only_function<void(DnsAnswer)> complete;
        SteadyTime since{};
        SteadyTime deadline{};
        Pending* pending = nullptr;
    };
    using WaiterPointer = std::unique_ptr<Waiter>;

    // A question that libunbound works on. It stays until libunbound has answered, even if nobody waits any
    // more: the answer goes to the cache.
    struct Pending {
        Pending(State& its_state, Wanted its_wanted) : state(its_state), wanted(std::move(its_wanted)) {}

        State& state;
        const Wanted wanted;
        std::list<WaiterPointer> waiters;
    };

    // Stops it on the hub, also when the hub ends without having run the handler that holds this: waiters own
    // coroutines that own the state, and nothing else would end that.
    struct Stopper {
        explicit Stopper(std::shared_ptr<State> its_state) : state(std::move(its_state)) {}
        Stopper(const Stopper&) = delete;
        Stopper& operator=(const Stopper&) = delete;
        ~Stopper() { state->stop(); }

        std::shared_ptr<State> state;
    };

    static asio::awaitable<DnsAnswer> look_up(
        std::shared_ptr<State> state, Wanted wanted, SteadyTime deadline
    );

    State(asio::io_context& its_hub, const Clock& its_clock, std::size_t cache_entries)
        : hub(its_hub), kit(LoopKit::of(its_hub)), clock(its_clock), cache(cache_entries) {}

    /// On any loop.
    std::optional<DnsAnswer> from_cache(const DnsQuestion& question, SteadyTime now) {
        auto answer = cache.find(question, now);
        if (!answer) return answer;
        ++cached;
        if (answer->status == DnsStatus::try_again) ++failed;
        return answer;
    }

    // All of these on the hub.
    void ask(const Wanted& wanted, WaiterPointer waiter);
    void send(Pending& asked);
    void finish(Pending& asked, const DnsAnswer& answer);
    void give(Waiter& waiter, DnsAnswer answer);
    void give_up(Waiter& waiter);
    void stop();
    static void on_answer(void* argument, int rcode, void* octets, int count, int security, char* why, int);

    asio::io_context& hub;
    LoopKit& kit;
    const Clock& clock;
    AnswerCache cache;
    std::atomic<std::uint64_t> questions{0}, cached{0}, sent{0}, failed{0};

    // On the hub only.
    std::map<Wanted, Pending> pending;
    std::size_t waiting = 0;
    bool is_stopped = false;
    std::unique_ptr<UnboundEvents> events;
    // The last members, so that they go before what they refer to.
    UnboundContext context;
    UnboundContext wire_context;  // for Source::wire; null if `context` remembers no answers itself
};

void UnboundResolver::State::ask(const Wanted& wanted, WaiterPointer waiter) {
    const auto now = clock.steady();
    if (is_stopped) return give(*waiter, failed_answer("the resolver has stopped"));
    // Another lookup may have been answered while this one came over.
    if (wanted.second == Source::any) {
        if (auto answer = cache.find(wanted.first, now)) {
            ++cached;
            return give(*waiter, std::move(*answer));
        }
    }
    if (waiting >= waiters_limit) return give(*waiter, failed_answer("too many questions under way"));
    auto found = pending.find(wanted);
    const bool is_new = found == pending.end();
    if (is_new) {
        if (pending.size() >= pending_limit)
            return give(*waiter, failed_answer("too many questions under way"));
        found = pending.try_emplace(wanted, *this, wanted).first;
    }
    auto& asked = found->second;
    waiter->pending = &asked;
    kit.deadlines.add(*waiter, waiter->deadline);
    asked.waiters.push_back(std::move(waiter));
    ++waiting;
    if (is_new) send(asked);
}

void UnboundResolver::State::send(Pending& asked) {
    ++sent;
    const DnsQuestion& question = asked.wanted.first;
    const auto name = to_master_form(question.name);
    const int type = static_cast<int>(question.type);
    const bool is_past_cache = asked.wanted.second == Source::wire && wire_context != nullptr;
    ub_ctx* const asker = is_past_cache ? wire_context.get() : context.get();
    int id = 0;
    // libunbound repeats what is lost or fails, up to five times, so a try of ours is one of libunbound's
    // whole. It remembers a failure for five seconds; asking it again before that would bring nothing. The
    // answer may come inside the call; `asked` is gone then.
    const int code = ub_resolve_event(asker, name.c_str(), type, 1, &asked, on_answer, &id);
    if (code != 0) finish(asked, failed_answer(ub_strerror(code)));
}

void UnboundResolver::State::on_answer(
    void* argument, int rcode, void* octets, int count, int security, char* why, int /*was_ratelimited*/
) {
    constexpr int bogus = 1;
    constexpr int secure = 2;
    auto& asked = *static_cast<Pending*>(argument);
    DnsAnswer answer;
    if (rcode != 0 || octets == nullptr) {
        answer = failed_answer(rcode_name(rcode));
    } else if (security == bogus) {
        // It carries data all the same: of whoever forged it.
        answer = failed_answer(std::string("bogus: ") + (why == nullptr ? "" : why));
    } else {
        answer = parse_dns_answer(
            asked.wanted.first, {static_cast<const char*>(octets), static_cast<std::size_t>(count)}
        );
        answer.is_authentic = security == secure;
    }
    asked.state.finish(asked, answer);
}

void UnboundResolver::State::finish(Pending& asked, const DnsAnswer& answer) {
    auto waiters = std::move(asked.waiters);
    asked.waiters.clear();
    cache.put(asked.wanted.first, answer, clock.steady());
    pending.erase(pending.find(asked.wanted));
    waiting -= waiters.size();
    for (const auto& waiter : waiters)
        give(*waiter, answer);
}

void UnboundResolver::State::give(Waiter& waiter, DnsAnswer answer) {
    kit.deadlines.remove(waiter);
    if (answer.status == DnsStatus::try_again) ++failed;
    answer.micros = micros_between(waiter.since, clock.steady());
    waiter.complete(std::move(answer));
}

void UnboundResolver::State::give_up(Waiter& waiter) {
    auto& waiters = waiter.pending->waiters;
    give(waiter, failed_answer("time-out"));
    --waiting;
    // Destroys it.
    std::erase_if(waiters, [&](const auto& other) { return other.get() == &waiter; });
}

void UnboundResolver::State::stop() {
    if (std::exchange(is_stopped, true)) return;
    wire_context.reset();
    context.reset();
    events.reset();
    while (!pending.empty()) {
        finish(pending.begin()->second, failed_answer("the resolver has stopped"));
    }
    cache.clear();
}

UnboundResolver::UnboundResolver(std::shared_ptr<State> state) : state_(std::move(state)) {}

UnboundResolver::~UnboundResolver() {
    auto& hub = state_->hub;
    asio::post(hub, [stopper = std::make_unique<State::Stopper>(std::move(state_))] {});
}

Result<std::unique_ptr<UnboundResolver>> UnboundResolver::create(
    asio::io_context& hub, const Clock& clock, ResolverOptions options
) {
    auto state = std::make_shared<State>(hub, clock, options.cache_entries);
    try {
        state->events = std::make_unique<UnboundEvents>(hub, clock);
    } catch (const std::system_error& error) {
        return system_failure("cannot drive the DNS", error.code().value());
    }
    // Behind a forwarder our own cache is enough. Without one libunbound needs its own on the way down from
    // the root, and what is to come from the wire is asked beside it.
    const bool is_forwarding = !options.forward.empty();
    auto context = open_unbound(
        state->events->base(), options, is_forwarding ? UnboundMemory::none : UnboundMemory::answers
    );
    if (!context) return std::unexpected(std::move(context.error()));
    state->context = std::move(*context);
    if (!is_forwarding) {
        auto wire_context = open_unbound(state->events->base(), options, UnboundMemory::none);
        if (!wire_context) return std::unexpected(std::move(wire_context.error()));
        state->wire_context = std::move(*wire_context);
    }
    return std::unique_ptr<UnboundResolver>(new UnboundResolver(std::move(state)));
}

asio::awaitable<DnsAnswer> UnboundResolver::lookup(DnsQuestion question, SteadyTime deadline) {
    return State::look_up(state_, {std::move(question), State::Source::any}, deadline);
}

asio::awaitable<DnsAnswer> UnboundResolver::lookup_anew(DnsQuestion question, SteadyTime deadline) {
    return State::look_up(state_, {std::move(question), State::Source::wire}, deadline);
}

asio::awaitable<DnsAnswer> UnboundResolver::State::look_up(
    std::shared_ptr<State> state, Wanted wanted, SteadyTime deadline
) {
    DnsQuestion& question = wanted.first;
    const auto since = state->clock.steady();
    ++state->questions;
    if (!is_askable_name(question.name)) {
        DnsAnswer answer;
        answer.status = DnsStatus::no_such_name;
        co_return answer;
    }
    question.name = lower_case(std::string_view(question.name));
    if (wanted.second == Source::any)
        if (auto answer = state->from_cache(question, since)) co_return std::move(*answer);
    co_return co_await asio::async_initiate<const asio::use_awaitable_t<>&, void(DnsAnswer)>(
        [state, since, deadline](auto handler, Wanted asked) {
            auto waiter = std::make_unique<Waiter>(*state);
            waiter->since = since;
            waiter->deadline = deadline;
            waiter->complete = [handler = std::move(handler)](DnsAnswer answer) mutable {
                auto executor = asio::get_associated_executor(handler);
                asio::post(executor, [handler = std::move(handler), answer = std::move(answer)]() mutable {
                    handler(std::move(answer));
                });
            };
            asio::dispatch(
                state->hub,
                [state, asked = std::move(asked), waiter = std::move(waiter)]() mutable {
                    state->ask(asked, std::move(waiter));
                }
            );
        },
        asio::use_awaitable,
        std::move(wanted)
    );
}

std::optional<DnsAnswer> UnboundResolver::recall(const DnsQuestion& question) {
    const DnsQuestion asked{lower_case(std::string_view(question.name)), question.type};
    auto answer = state_->from_cache(asked, state_->clock.steady());
    if (answer) ++state_->questions;
    return answer;
}

ResolverCounters UnboundResolver::counters() const {
    ResolverCounters counters;
    counters.questions = state_->questions;
    counters.cached = state_->cached;
    counters.sent = state_->sent;
    counters.failed = state_->failed;
    return counters;
}

void UnboundResolver::flush_cache() {
    state_->cache.clear();
}

}  // namespace wicket
