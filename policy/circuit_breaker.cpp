#include "policy/circuit_breaker.hpp"

#include "base/public_suffix.hpp"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>
#include <iterator>
#include <optional>

namespace wicket {
namespace {

std::int64_t hour_of(WallTime time) {
    return std::chrono::floor<std::chrono::hours>(time).time_since_epoch().count();
}

/// Fields of a line of save(), which are separated by tabs; ids hold no control characters.
std::vector<std::string_view> fields_of(std::string_view line) {
    std::vector<std::string_view> fields;
    for (;;) {
        const std::size_t end = line.find('\t');
        fields.push_back(line.substr(0, end));
        if (end == std::string_view::npos) return fields;
        line.remove_prefix(end + 1);
    }
}

std::optional<std::int64_t> number_of(std::string_view text) {
    std::int64_t number = 0;
    const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
    if (read.ec != std::errc() || read.ptr != text.data() + text.size() || number < 0) return std::nullopt;
    return number;
}

/// A line of its own: no tab and no line end, whatever an administrator wrote into an id.
std::string plain(std::string_view text) {
    std::string made(text);
    std::ranges::replace_if(made, [](char c) { return static_cast<unsigned char>(c) < 0x20; }, ' ');
    return made;
}

/// Who they are, each once: a peer makes as many names below its own domain as it likes.
std::set<std::string> registered_of(const std::vector<std::string>& domains) {
    std::set<std::string> made;
    for (const std::string& domain : domains)
        if (const std::string_view name = registrable_domain(domain); !name.empty()) made.emplace(name);
    return made;
}

}  // namespace

void KnownSenders::note_accepted(const std::string& domain, std::int64_t hour) {
    add(domain, hour, 1, 1);
}

void KnownSenders::note_good(const std::string& domain, std::int64_t hour) {
    add(domain, hour, breaker_good_after, breaker_good_hours);
}

void KnownSenders::add(
    const std::string& domain, std::int64_t hour, std::uint32_t messages, std::uint32_t hours
) {
    auto found = by_domain_.find(domain);
    if (found == by_domain_.end()) {
        if (strangers_.size() >= breaker_domains_limit) forget_oldest(strangers_);
        strangers_.push_back({domain});
        found = by_domain_.emplace(domain, std::prev(strangers_.end())).first;
    }
    Sender& sender = *found->second;
    const bool was_good = sender.is_good();
    sender.messages = std::min(sender.messages + messages, breaker_good_after);
    if (hours > 1 || hour != sender.last_hour)
        sender.hours = std::min(sender.hours + hours, breaker_good_hours);
    sender.last_hour = hour;
    if (!was_good && sender.is_good() && good_.size() >= breaker_domains_limit) forget_oldest(good_);
    std::list<Sender>& from = was_good ? good_ : strangers_;
    std::list<Sender>& to = sender.is_good() ? good_ : strangers_;
    to.splice(to.end(), from, found->second);
}

bool KnownSenders::is_good(const std::string& domain) const {
    const auto found = by_domain_.find(domain);
    return found != by_domain_.end() && found->second->is_good();
}

void KnownSenders::forget_oldest(std::list<Sender>& senders) {
    by_domain_.erase(senders.front().domain);
    senders.pop_front();
}

std::uint64_t CircuitBreaker::sum_since(const std::vector<Hour>& hours, std::int64_t first) {
    std::uint64_t sum = 0;
    for (const Hour& hour : hours)
        if (hour.hour >= first) sum += hour.count;
    return sum;
}

void CircuitBreaker::Watched::begin_hour(std::int64_t hour) {
    now = {hour, 0};
    networks.clear();
    good.clear();
    good_networks.clear();
}

void CircuitBreaker::begin_hour(std::int64_t hour) {
    const auto close = [hour](const Hour& now, std::vector<Hour>& past) {
        if (now.count != 0) past.push_back(now);
        std::erase_if(past, [hour](const Hour& one) { return one.hour < hour - breaker_kept_hours; });
    };
    close(all_now_, all_);
    all_now_ = {hour, 0};
    all_networks_.clear();
    for (auto& [id, watched] : rules_) {
        close(watched.now, watched.past);
        watched.begin_hour(hour);
    }
    hour_ = hour;
}

CircuitBreaker::Watched* CircuitBreaker::watched_of(const std::string& rule, std::int64_t first_hour) {
    const auto found = rules_.find(rule);
    if (found != rules_.end()) return &found->second;
    if (rules_.size() >= breaker_rules_limit) return nullptr;
    Watched& made = rules_[rule];
    made.first_hour = first_hour;
    return &made;
}

void CircuitBreaker::note_ham(const std::vector<std::string>& proven_domains, WallTime now) {
    for (const std::string& domain : registered_of(proven_domains))
        senders_.note_good(domain, hour_of(now));
}

std::vector<TrippedRule> CircuitBreaker::note(const Outcome& outcome) {
    const std::int64_t hour = hour_of(outcome.time);
    // A clock that was set back adds to the hour at hand.
    if (hour > hour_) begin_hour(hour);
    if (all_networks_.size() < breaker_networks_limit && all_networks_.insert(outcome.network).second)
        ++all_now_.count;
    const std::set<std::string> domains = registered_of(outcome.proven_domains);
    if (outcome.is_accepted) {
        for (const std::string& domain : domains)
            senders_.note_accepted(domain, hour_);
        return {};
    }
    std::vector<TrippedRule> fresh;
    for (const std::string& id : outcome.deciding) {
        Watched* watched = watched_of(id, hour_);
        if (watched == nullptr) continue;
        watched->now.hour = hour_;
        if (watched->networks.size() < breaker_networks_limit &&
            watched->networks.insert(outcome.network).second)
            ++watched->now.count;
        for (const std::string& domain : domains) {
            // Both new: neither one network nor one domain counts twice.
            if (watched->good_networks.contains(outcome.network) || watched->good.contains(domain) ||
                watched->good.size() >= breaker_networks_limit || !senders_.is_good(domain))
                continue;
            watched->good.insert(domain);
            watched->good_networks.insert(outcome.network);
        }
        if (tripped_.contains(id) || outcome.time < watched->rests_until) continue;
        std::string fault = fault_of(*watched, hour_);
        if (fault.empty()) continue;
        fresh.push_back({id, outcome.time, outcome.time + breaker_pause, std::move(fault)});
        tripped_[id] = fresh.back();
    }
    return fresh;
}

std::string CircuitBreaker::fault_of(const Watched& watched, std::int64_t hour) const {
    const std::uint64_t count = watched.now.count;
    const std::uint64_t good = watched.good.size();
    if (good >= breaker_least_good &&
        static_cast<double>(good) >= breaker_good_share * static_cast<double>(count))
        return fmt::format(
            "{} of the {} senders that it refused this hour are known to be good", good, count
        );
    if (count < breaker_least_refusals || all_now_.count == 0) return {};
    const double share = static_cast<double>(count) / static_cast<double>(all_now_.count);
    // What was before the rule says nothing of it.
    const std::int64_t first = std::max(watched.first_hour, hour - breaker_kept_hours);
    const std::uint64_t all_before = sum_since(all_, first);
    const std::int64_t newest_first = hour - breaker_history_hours;
    const bool has_history = watched.first_hour <= newest_first && !all_.empty() &&
                             all_.front().hour <= newest_first && all_before != 0;
    if (!has_history || share < breaker_least_share) return {};
    const double share_before =
        static_cast<double>(sum_since(watched.past, first)) / static_cast<double>(all_before);
    if (share < breaker_share_factor * share_before) return {};
    return fmt::format(
        "it refuses {:.0f}% of all senders this hour, {} of them, and refused {:.1f}% in the days before",
        100 * share,
        count,
        100 * share_before
    );
}

std::vector<TrippedRule> CircuitBreaker::tripped(WallTime now) {
    std::erase_if(tripped_, [now](const auto& one) { return one.second.until <= now; });
    std::vector<TrippedRule> made;
    for (const auto& [id, rule] : tripped_)
        made.push_back(rule);
    return made;
}

bool CircuitBreaker::reset(const std::string& rule, WallTime now) {
    if (tripped_.erase(rule) == 0) return false;
    if (Watched* watched = watched_of(rule, hour_of(now)); watched != nullptr) {
        watched->begin_hour(hour_of(now));
        watched->rests_until = now + breaker_rest;
    }
    return true;
}

void CircuitBreaker::watch(const std::set<std::string>& rules, WallTime now) {
    const auto is_gone = [&rules](const auto& one) { return !rules.contains(one.first); };
    std::erase_if(rules_, is_gone);
    std::erase_if(tripped_, is_gone);
    const std::int64_t hour = hour_of(now);
    for (const std::string& rule : rules) {
        Watched* watched = watched_of(rule, hour);
        if (watched == nullptr) continue;
        // A clock that was ahead must not leave a rule without a past, or without a guard, for long.
        watched->first_hour = std::min(watched->first_hour, hour);
        watched->rests_until = std::min(watched->rests_until, now + breaker_rest);
    }
}

std::string CircuitBreaker::save() const {
    std::string text;
    const auto add_hours =
        [&text](
            std::string_view kind, const std::string& id, const std::vector<Hour>& past, const Hour& now
        ) {
            for (const Hour& hour : past)
                text += fmt::format("{}\t{}\t{}\t{}\n", kind, plain(id), hour.hour, hour.count);
            if (now.count != 0) text += fmt::format("{}\t{}\t{}\t{}\n", kind, plain(id), now.hour, now.count);
        };
    add_hours("all", "", all_, all_now_);
    for (const auto& [id, watched] : rules_) {
        text += fmt::format(
            "watched\t{}\t{}\t{}\n",
            plain(id),
            watched.first_hour,
            watched.rests_until.time_since_epoch().count()
        );
        add_hours("rule", id, watched.past, watched.now);
    }
    for (const auto& [id, rule] : tripped_)
        text += fmt::format(
            "tripped\t{}\t{}\t{}\t{}\n",
            plain(id),
            rule.since.time_since_epoch().count(),
            rule.until.time_since_epoch().count(),
            plain(rule.reason)
        );
    return text;
}

void CircuitBreaker::restore(std::string_view text) {
    while (!text.empty()) {
        const std::size_t end = text.find('\n');
        const auto fields = fields_of(text.substr(0, end));
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
        if (fields.size() < 4) continue;
        const auto first = number_of(fields[2]);
        const auto second = number_of(fields[3]);
        if (!first || !second) continue;
        const std::string id(fields[1]);
        if (fields[0] == "tripped" && fields.size() == 5) {
            tripped_[id] = {
                id,
                WallTime(std::chrono::microseconds(*first)),
                WallTime(std::chrono::microseconds(*second)),
                std::string(fields[4])
            };
            continue;
        }
        const Hour hour{*first, static_cast<std::uint64_t>(*second)};
        if (fields[0] == "all") all_.push_back(hour);
        if (fields[0] != "rule" && fields[0] != "watched") continue;
        // What was saved without a first hour has been there since the first hour with refusals.
        Watched* watched = watched_of(id, *first);
        if (watched == nullptr) continue;
        if (fields[0] == "rule")
            watched->past.push_back(hour);
        else
            watched->rests_until = WallTime(std::chrono::microseconds(*second));
    }
}

}  // namespace wicket
