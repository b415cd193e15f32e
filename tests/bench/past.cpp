// Makes a past for `whatif`: `past STATE RULES COUNT` writes COUNT decisions of mixed mail, decided by the
// rules in the folder RULES, spread over two weeks that end now, and merges the tables. Prints one JSON
// object: how many octets they take on disk.
#include "base/log.hpp"
#include "policy/record.hpp"
#include "policy/rule_set_record.hpp"
#include "policy/rules.hpp"
#include "store/database.hpp"
#include "store/store.hpp"
#include "store/tables.hpp"

#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fmt/format.h>
#include <mutex>
#include <random>
#include <string>

namespace {

using namespace wicket;

constexpr std::chrono::hours span{14 * 24};
constexpr int domains = 20'000;
constexpr int waiting_limit = 2000;

class Past {
public:
    Past(const RuleSet& rules, std::uint64_t count)
        : rules_(rules),
          begin_(system_clock().wall() - span),
          step_(std::chrono::microseconds(span) / static_cast<std::int64_t>(count)) {}

    /// The next record, and whether it is of a message that was taken to its end.
    std::pair<DecisionRecord, bool> next(std::uint64_t number) {
        DecisionRecord record;
        record.time = begin_ + step_ * static_cast<std::int64_t>(number);
        record.id = RecordId::make(record.time, 7, static_cast<std::uint32_t>(random_()));
        const int domain = roll(domains);
        const std::string sender_domain = fmt::format("{}.example", domain);
        const std::string host = fmt::format("mx{}.{}", domain % 5, sender_domain);
        const bool is_bad = roll(100) < 40;
        const std::string ip =
            fmt::format("{}.{}.{}.{}", is_bad ? 11 : 12, domain / 250, domain % 250, is_bad ? roll(250) : 7);
        record.client_ip = *IpAddress::parse(ip);
        record.client_port = static_cast<std::uint16_t>(1024 + roll(60000));
        record.listener = "smtp 192.0.2.25:25";
        record.helo = is_bad && roll(3) == 0 ? "localhost" : host;
        record.client_name = is_bad ? "" : host;
        record.tls_version = "TLSv1.3";
        record.tls_cipher = "TLS_AES_256_GCM_SHA384";
        record.has_from = true;
        record.from =
            fmt::format("{}@{}", is_bad ? "bounce" + std::to_string(roll(100000)) : "news", sender_domain);
        record.rules_hash = rules_.hash();
        facts(record, sender_domain, host, is_bad);
        const std::string to = fmt::format("user{}@example.test", roll(500));
        add("rcpt.address", record.facts, to);
        add("rcpt.domain", record.facts, std::string("example.test"));
        add("rcpt.local_part", record.facts, to.substr(0, to.find('@')));
        add("rcpt.count", record.facts, std::int64_t{1});
        add("rcpt.unknown_count", record.facts, std::int64_t{0});
        Verdict verdict = decide(rules_, record.facts, Stage::rcpt);
        const bool takes_data = verdict.lets_pass();
        if (takes_data) {
            message_facts(record, sender_domain, is_bad);
            verdict = decide(rules_, record.facts, Stage::end);
        }
        record.verdict = verdict;
        record.reply = verdict.reply;
        record.reply.text += " id=" + record.id.to_string();
        record.recipients.push_back({to, verdict, verdict.action == Action::accept ? "INBOX" : "", nullptr});
        evidence(record, host, sender_domain, takes_data);
        return {std::move(record), takes_data};
    }

private:
    int roll(int below) { return static_cast<int>(random_() % static_cast<unsigned>(below)); }
    void add(std::string_view name, Facts& facts, FactValue value) {
        if (const auto id = rules_.dictionary().find(name)) facts.set(*id, std::move(value));
    }

    void facts(DecisionRecord& record, const std::string& domain, const std::string& host, bool is_bad) {
        Facts& facts = record.facts;
        add("time.now", facts, record.time);
        add("client.ip", facts, record.client_ip);
        add("client.port", facts, std::int64_t{record.client_port});
        if (!is_bad) add("client.name", facts, host);
        add("client.tls", facts, record.tls_version);
        add("client.cipher", facts, record.tls_cipher);
        add("listener.service", facts, std::string("smtp"));
        add("listener.address", facts, *IpAddress::parse("192.0.2.25"));
        add("client.behaviour", facts, TextList{});
        add("iprev.result", facts, std::string(is_bad ? (roll(2) == 0 ? "permerror" : "fail") : "pass"));
        add("iprev.names", facts, is_bad ? TextList{} : TextList{{host}, ""});
        add("helo.name", facts, record.helo);
        add("helo.form", facts, std::string(record.helo == "localhost" ? "bare" : "fqdn"));
        add("helo.is_ours", facts, false);
        add("helo.resolves", facts, record.helo != "localhost");
        for (const DnsList& list : rules_.dns_lists()) {
            const FactDeclaration& row = rules_.dictionary().row(list.fact);
            TextList listed;
            if (is_bad && !row.words.empty() && roll(3) == 0)
                listed.items.push_back(
                    row.words[static_cast<std::size_t>(roll(static_cast<int>(row.words.size())))]
                );
            facts.set(list.fact, std::move(listed));
        }
        add("mail.from", facts, record.from);
        add("mail.domain", facts, domain);
        add("mail.is_null", facts, false);
        add("mail.size", facts, std::int64_t{0});
        add("mail.smtputf8", facts, false);
        add("spf.result", facts, std::string(is_bad ? (roll(2) == 0 ? "fail" : "softfail") : "pass"));
        add("spf.helo.result", facts, std::string("none"));
        if (!is_bad) add("spf.permits_all", facts, false);
    }

    void message_facts(DecisionRecord& record, const std::string& domain, bool is_bad) {
        Facts& facts = record.facts;
        record.size = static_cast<std::uint64_t>(2000 + roll(60000));
        for (int at = 0; at < 4; ++at) {
            const std::uint64_t octets = random_();
            record.message_sha256.append(reinterpret_cast<const char*>(&octets), sizeof octets);
        }
        add("message.size", facts, static_cast<std::int64_t>(record.size));
        add("message.received_count", facts, std::int64_t{roll(4)});
        add("from.domain", facts, domain);
        add("from.count", facts, std::int64_t{1});
        add("from.addresses", facts, TextList{{"news@" + domain}, ""});
        add("header.missing", facts, TextList{});
        add("header.duplicate", facts, TextList{});
        add("header.too_long_line", facts, roll(50) == 0);
        add("dkim.pass", facts, is_bad ? TextList{} : TextList{{domain}, ""});
        ResultList results;
        if (!is_bad)
            results.rows.push_back({
                {"domain",    domain      },
                {"selector",  "s1"        },
                {"result",    "pass"      },
                {"algorithm", "rsa-sha256"},
                {"key_bits",  "2048"      }
            });
        add("dkim.signatures", facts, static_cast<std::int64_t>(results.rows.size()));
        add("dkim.results", facts, std::move(results));
        add("dkim.weak", facts, TextList{});
    }

    void evidence(
        DecisionRecord& record, const std::string& host, const std::string& domain, bool takes_data
    ) {
        const auto micros = [&] { return static_cast<std::uint32_t>(200 + roll(30000)); };
        const std::string reverse = record.client_ip.to_string();
        for (const DnsList& list : rules_.dns_lists())
            record.lookups.push_back({
                {reverse + "." + list.zone, DnsType::a},
                {DnsStatus::no_such_name, {}, 300, false, micros(), ""}
            });
        record.lookups.push_back({
            {reverse + ".in-addr.arpa", DnsType::ptr},
            {DnsStatus::found, {host}, 3600, false, micros(), ""}
        });
        record.lookups.push_back({
            {host, DnsType::a},
            {DnsStatus::found, {std::string(record.client_ip.octets())}, 3600, false, micros(), ""}
        });
        record.lookups.push_back({
            {domain, DnsType::txt},
            {DnsStatus::found,
             {"v=spf1 ip4:12.0.0.0/8 include:_spf." + domain + " include:mail.provider.example -all"},
             300, false,
             micros(),
             ""}
        });
        if (takes_data)
            record.lookups.push_back({
                {"s1._domainkey." + domain, DnsType::txt},
                {DnsStatus::found,
                 {"v=DKIM1; k=rsa; p=" + std::string(360, 'M') + domain},
                 300, false,
                 micros(),
                 ""}
            });
        for (const std::string_view what :
             {"dnsbl.zen", "dnsbl.psbl", "iprev", "helo", "helo.dns", "spf", "dkim"})
            record.events.push_back(
                {micros(),
                 what == "dkim" ? Stage::end : Stage::connect,
                 fmt::format("{} done in {} us", what, micros())}
            );
        record.scan_passes = takes_data ? 1 : 0;
    }

    const RuleSet& rules_;
    WallTime begin_;
    std::chrono::microseconds step_;
    std::mt19937_64 random_{42};
};

void merge(const std::string& folder, std::vector<Database::Table> tables, Database::Durability durability) {
    Database::Setup setup;
    setup.folder = folder;
    setup.tables = std::move(tables);
    setup.durability = durability;
    setup.clock = &system_clock();
    const std::size_t count = setup.tables.size();
    auto database = Database::open(std::move(setup));
    if (!database) std::abort();
    {
        const auto use = (*database)->use();
        for (std::size_t table = 0; table < count; ++table) {
            rocksdb::CompactRangeOptions all;
            all.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForce;
            if (!use->CompactRange(all, use.table(table), nullptr, nullptr).ok()) std::abort();
        }
    }
    (*database)->close();
}

std::uintmax_t octets_of(const std::string& folder) {
    std::uintmax_t total = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder))
        if (entry.is_regular_file() && entry.path().extension() == ".sst") total += entry.file_size();
    return total;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 4) return 64;
    const std::string state = argv[1];
    const std::uint64_t count = std::strtoull(argv[3], nullptr, 10);
    configure_log(LogFormat::text, LogLevel::error);
    Diagnostics diagnostics;
    const auto rules = load_rules({argv[2]}, diagnostics);
    if (!rules) return 78;
    constexpr std::uint64_t quota = 1ULL << 40U;
    {
        auto store =
            Store::open({.folder = state, .decision_quota_octets = quota, .refusal_quota_octets = quota});
        if (!store) return 75;
        if (!(*store)->rule_sets().keep(rules->hash(), encode(record_of(*rules)))) return 75;
        std::mutex mutex;
        std::condition_variable changed;
        int waiting = 0;
        Past past(*rules, count);
        for (std::uint64_t number = 0; number < count; ++number) {
            auto [record, takes_data] = past.next(number);
            RecordKeys keys{
                record.client_ip,
                record.from.substr(record.from.rfind('@') + 1),
                {record.recipients.front().address},
                record.verdict.rule,
                std::string(to_string(record.verdict.action))
            };
            for (const RuleHit& hit : record.verdict.hits)
                keys.hits.push_back(hit.rule);
            RecordOctets octets = encode_record(record, rules->dictionary());
            std::unique_lock lock(mutex);
            changed.wait(lock, [&] { return waiting < waiting_limit; });
            if (takes_data) {
                ++waiting;
                lock.unlock();
                Delivery delivery;
                delivery.id = record.id;
                delivery.time = record.time;
                delivery.record = std::move(octets);
                delivery.record_keys = std::move(keys);
                (*store)->mail().deliver(std::move(delivery), [&](const Result<std::vector<Uid>>& stored) {
                    if (!stored) std::abort();
                    const std::lock_guard guard(mutex);
                    --waiting;
                    changed.notify_all();
                });
            } else {
                (*store)->decisions().refuse(record.id, record.time, std::move(octets), std::move(keys));
                if (number % 5000 == 0)
                    changed.wait_for(lock, std::chrono::milliseconds{50}, [] { return false; });
            }
        }
        std::unique_lock lock(mutex);
        changed.wait(lock, [&] { return waiting == 0; });
        lock.unlock();
        (*store)->close();
    }
    merge(state + "/mail", mail_tables(), Database::Durability::synced);
    merge(
        state + "/refusals",
        refusal_tables(quota, std::chrono::hours(24 * 30)),
        Database::Durability::unsynced
    );
    fmt::print("{{\"records\":{},\"octets\":{}}}\n", count, octets_of(state));
    return 0;
}
