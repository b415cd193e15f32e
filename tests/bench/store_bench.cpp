// CPU and throughput of the store alone: callers that each wait for one delivery of 10 KB with a 1 KB record
// before they give the next. `store_bench FOLDER [MESSAGES] [CALLERS] [BODY OCTETS]`; and refusals:
// `store_bench FOLDER refusals SECONDS`.
#include "base/log.hpp"
#include "base/random.hpp"
#include "store/store.hpp"

#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <string>
#include <sys/resource.h>
#include <thread>
#include <vector>

namespace {

using namespace wicket;

double cpu_seconds() {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    const auto seconds = [](const timeval& time) {
        return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
    };
    return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

double now_seconds() {
    return std::chrono::duration<double>(system_clock().steady().time_since_epoch()).count();
}

RecordId new_id() {
    return RecordId::make(system_clock().wall(), 1, static_cast<std::uint32_t>(random_u64()));
}

/// One caller: its next delivery is given from the callback of the last.
struct Load {
    Store& store;
    SharedMessage body;
    std::string record;
    std::atomic<long> left;
    std::atomic<int> running;
    std::atomic<long> failed{0};
    std::mutex mutex{};
    std::condition_variable done{};

    void next(int caller) {
        if (left.fetch_sub(1) <= 0) {
            const std::lock_guard lock(mutex);
            if (--running == 0) done.notify_all();
            return;
        }
        Delivery delivery;
        delivery.id = new_id();
        delivery.time = system_clock().wall();
        delivery.body = body;
        delivery.rows.push_back(
            {"user" + std::to_string(caller) + "@example.test",
             "INBOX",
             std::string(400, 'P'),
             {},
             MailboxOwner::nobody}
        );
        delivery.record = {record, {}, {}};
        store.mail().deliver(std::move(delivery), [this, caller](Result<std::vector<Uid>> uids) {
            if (!uids) ++failed;
            next(caller);
        });
    }
};

int bench_refusals(Store& store, long seconds) {
    const std::string record(1000, 'r');
    const double cpu = cpu_seconds();
    const double begin = now_seconds();
    const long total = seconds * 5000;
    for (long i = 0; i < total; ++i) {
        const RecordId id = new_id();
        const auto ip =
            IpAddress::from_octets(std::string{10, static_cast<char>(i >> 8), static_cast<char>(i), 1});
        if (!store.decisions().fold({*ip, "rule", 3}, id, system_clock().wall()))
            store.decisions().refuse(
                id,
                system_clock().wall(),
                {record, {}, {}},
                {*ip, "example.org", {"a@example.test"}, "rule", "reject"}
            );
        if (i % 50 == 49) {
            const double ahead = static_cast<double>(i) / 5000.0 - (now_seconds() - begin);
            if (ahead > 0) std::this_thread::sleep_for(std::chrono::duration<double>(ahead));
        }
    }
    const double wall = now_seconds() - begin;
    const double used = cpu_seconds() - cpu;
    std::printf(
        "%ld refusals in %.1f s: %.4f CPU s per 1000; count %llu\n",
        total,
        wall,
        used / static_cast<double>(total) * 1000,
        static_cast<unsigned long long>(store.decisions().count().value_or(0))
    );
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 2) return 64;
    const long messages = argc > 2 ? std::atol(argv[2]) : 50000;
    const int callers = argc > 3 ? std::atoi(argv[3]) : 20;
    const std::size_t octets = argc > 4 ? static_cast<std::size_t>(std::atol(argv[4])) : 10240;
    auto store = Store::open({.folder = argv[1]});
    if (!store) {
        std::fprintf(stderr, "%s\n", store.error().message.c_str());
        return 69;
    }
    if (argc > 3 && std::string(argv[2]) == "refusals") return bench_refusals(**store, std::atol(argv[3]));
    std::string text(octets, 'x');
    for (char& c : text)
        c = static_cast<char>(' ' + random_u64() % 90);
    Load load{
        **store,
        std::make_shared<MessageBytes>(text, sha256_of(text)),
        std::string(1000, 'r'),
        messages,
        callers
    };
    const double cpu = cpu_seconds();
    const double begin = now_seconds();
    for (int caller = 0; caller < callers; ++caller)
        load.next(caller);
    {
        std::unique_lock lock(load.mutex);
        load.done.wait(lock, [&] { return load.running == 0; });
    }
    const double wall = now_seconds() - begin;
    const double used = cpu_seconds() - cpu;
    std::printf(
        "%ld messages, %d callers, %zu octets: %.0f/s, %.4f CPU s per 1000, %ld failed\n",
        messages,
        callers,
        octets,
        static_cast<double>(messages) / wall,
        used / static_cast<double>(messages) * 1000,
        load.failed.load()
    );
    return 0;
}
