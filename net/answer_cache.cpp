#include "net/answer_cache.hpp"

#include "base/random.hpp"

#include <algorithm>
#include <list>
#include <mutex>
#include <unordered_map>

namespace wicket {

namespace {

constexpr std::size_t shard_count = 16;
// What the containers need around an answer.
constexpr std::size_t entry_overhead_octets = 200;

__extension__ using Wide = unsigned __int128;

// Peers choose the names that are looked up. A polynomial over the prime 2^61 - 1 at a secret point: two
// names collide with a probability of at most their length in 2^61, whatever their chooser knows of the code.
class NameHash {
public:
    std::size_t operator()(const DnsQuestion& question) const {
        std::uint64_t sum = static_cast<std::uint64_t>(question.type) + 1;
        for (const char c : question.name) {
            const auto product = static_cast<Wide>(sum) * point() + static_cast<unsigned char>(c) + 1U;
            const auto folded =
                static_cast<std::uint64_t>(product & prime) + static_cast<std::uint64_t>(product >> 61U);
            sum = folded >= prime ? folded - prime : folded;
        }
        // Names that differ in their last octets must not lie side by side.
        return sum * 0x9E3779B97F4A7C15U;
    }

private:
    static constexpr std::uint64_t prime = (std::uint64_t{1} << 61U) - 1;

    static std::uint64_t point() {
        static const std::uint64_t secret = random_u64() % (prime - 2) + 2;
        return secret;
    }
};

std::chrono::seconds time_to_keep(const DnsAnswer& answer) {
    const std::chrono::seconds told(answer.ttl_seconds);
    switch (answer.status) {
        case DnsStatus::found: return std::clamp(told, AnswerCache::least_time, AnswerCache::most_time);
        case DnsStatus::try_again: return AnswerCache::failure_time;
        default: return std::clamp(told, AnswerCache::least_time, AnswerCache::most_negative_time);
    }
}

std::size_t octets_of(const DnsQuestion& question, const DnsAnswer& answer) {
    std::size_t octets = entry_overhead_octets + question.name.size() + answer.reason.size();
    for (const auto& record : answer.records)
        octets += record.size() + sizeof(record);
    return octets;
}

struct Entry {
    DnsQuestion question;
    DnsAnswer answer;
    SteadyTime until;
    std::size_t octets;
};

}  // namespace

struct AnswerCache::Shard {
    using Entries = std::list<Entry>;

    void erase(Entries::iterator entry) {
        octets -= entry->octets;
        index.erase(entry->question);
        entries.erase(entry);
    }

    mutable std::mutex mutex;  // guards all of it
    Entries entries;           // the oldest first
    std::unordered_map<DnsQuestion, Entries::iterator, NameHash> index;
    std::size_t octets = 0;
    std::size_t entry_limit = 0;
};

AnswerCache::AnswerCache(std::size_t entries) {
    for (std::size_t i = 0; i < shard_count; ++i) {
        shards_.push_back(std::make_unique<Shard>());
        shards_.back()->entry_limit = std::max<std::size_t>(entries / shard_count, 1);
    }
}

AnswerCache::~AnswerCache() = default;

AnswerCache::Shard& AnswerCache::shard_of(std::size_t hash) const {
    return *shards_[(hash >> 56U) % shard_count];
}

std::optional<DnsAnswer> AnswerCache::find(const DnsQuestion& question, SteadyTime now) {
    auto& shard = shard_of(NameHash()(question));
    const std::lock_guard lock(shard.mutex);
    const auto found = shard.index.find(question);
    if (found == shard.index.end()) return std::nullopt;
    const auto entry = found->second;
    if (entry->until <= now) {
        shard.erase(entry);
        return std::nullopt;
    }
    auto answer = entry->answer;
    const auto left = std::chrono::ceil<std::chrono::seconds>(entry->until - now);
    answer.ttl_seconds = static_cast<std::uint32_t>(left.count());
    answer.micros = 0;
    return answer;
}

void AnswerCache::put(const DnsQuestion& question, const DnsAnswer& answer, SteadyTime now) {
    auto& shard = shard_of(NameHash()(question));
    const auto octets = octets_of(question, answer);
    const std::lock_guard lock(shard.mutex);
    if (const auto old = shard.index.find(question); old != shard.index.end()) shard.erase(old->second);
    const auto octet_limit = std::max(shard.entry_limit * octets_per_entry, octets);
    while (!shard.entries.empty() &&
           (shard.entries.size() >= shard.entry_limit || shard.octets + octets > octet_limit)) {
        shard.erase(shard.entries.begin());
    }
    shard.entries.push_back({question, answer, now + time_to_keep(answer), octets});
    shard.octets += octets;
    shard.index.emplace(question, std::prev(shard.entries.end()));
}

void AnswerCache::clear() {
    for (const auto& shard : shards_) {
        const std::lock_guard lock(shard->mutex);
        shard->index.clear();
        shard->entries.clear();
        shard->octets = 0;
    }
}

std::size_t AnswerCache::size() const {
    std::size_t size = 0;
    for (const auto& shard : shards_) {
        const std::lock_guard lock(shard->mutex);
        size += shard->entries.size();
    }
    return size;
}

}  // namespace wicket
