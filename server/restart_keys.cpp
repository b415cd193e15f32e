#include "server/restart_keys.hpp"

#include "server/listener_limits.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace wicket {
namespace {

class Keys {
public:
    template <class Value>
    void compare(std::string_view name, const Value& before, const Value& now) {
        if (before != now) add(name);
    }
    void add(std::string_view name) {
        if (!text_.empty()) text_ += ", ";
        text_ += name;
    }
    std::string take() { return std::move(text_); }

private:
    std::string text_;
};

void compare_listeners(const ListenerConfig& before, const ListenerConfig& now, Keys& keys) {
    const std::string name = "listen " + before.address + " ";
    keys.compare(name + "service", before.service, now.service);
    keys.compare(name + "proxy", before.proxy, now.proxy);
    keys.compare(name + "xclient", before.xclient, now.xclient);
    keys.compare(name + "bare_newline", before.bare_newline, now.bare_newline);
    const std::vector<LimitRow> rows = limit_rows(before);
    for (const LimitRow& row : limit_rows(now)) {
        const auto old = std::ranges::find(rows, row.name, &LimitRow::name);
        if (old != rows.end()) keys.compare(name + "limits." + row.name, old->value, row.value);
    }
}

}  // namespace

std::string keys_for_restart(const Config& started, const Config& now) {
    Keys keys;
    keys.compare("hostname", started.hostname, now.hostname);
    for (std::size_t at = 0; at < std::min(started.listeners.size(), now.listeners.size()); ++at)
        compare_listeners(started.listeners[at], now.listeners[at], keys);
    keys.compare("dns.forward", started.dns_forward, now.dns_forward);
    keys.compare("dns.trust_anchor", started.dns_trust_anchor, now.dns_trust_anchor);
    keys.compare("process.user", started.process_user, now.process_user);
    keys.compare("process.sandbox", started.sandbox, now.sandbox);
    keys.compare("retention.records", started.records, now.records);
    keys.compare("retention.refusals", started.refusals, now.refusals);
    keys.compare("retention.quarantine", started.quarantine, now.quarantine);
    keys.compare("retention.labels", started.labels, now.labels);
    keys.compare("records.redact", started.redaction, now.redaction);
    return keys.take();
}

}  // namespace wicket
