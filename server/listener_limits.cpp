#include "server/listener_limits.hpp"

#include <array>
#include <fmt/format.h>

namespace wicket {
namespace {

constexpr std::int64_t many = 1'000'000;
// RFC 5321 section 4.5.3.2.1 lets clients give up after five minutes, and many do after one or two: who waits
// longer loses the mail of patient clients.
constexpr std::chrono::minutes greet_wait_limit{1};

template <auto Member>
struct Of;
template <class Value, Value ReceiverLimits::* Member>
struct Of<Member> {
    static auto& in(auto& listener) { return listener.limits.*Member; }
};
template <class Value, Value ConnectionLimits::* Member>
struct Of<Member> {
    static auto& in(auto& listener) { return listener.connections.*Member; }
};

template <auto Member, std::int64_t least, std::int64_t most>
void read_count(ConfigTable& limits, std::string_view key, ListenerConfig& listener) {
    auto& into = Of<Member>::in(listener);
    if (const auto value = limits.integer(key, least, most))
        into = static_cast<std::remove_reference_t<decltype(into)>>(*value);
}

/// An integer in octets, or a text such as "50M".
template <auto Member, std::uint64_t least, std::uint64_t most>
void read_octets(ConfigTable& limits, std::string_view key, ListenerConfig& listener) {
    const auto value = limits.value(key);
    if (!value) return;
    std::optional<std::uint64_t> octets;
    if (value->kind == ConfigValue::Kind::integer && value->integer >= 0)
        octets = static_cast<std::uint64_t>(value->integer);
    if (value->kind == ConfigValue::Kind::text) octets = parse_size(value->text);
    if (!octets || *octets < least || *octets > most)
        return limits.error(
            value->place,
            fmt::format("{} must be a size from {} to {} octets, such as 64K or 50M", key, least, most)
        );
    auto& into = Of<Member>::in(listener);
    into = static_cast<std::remove_reference_t<decltype(into)>>(*octets);
}

void read_rate(ConfigTable& limits, std::string_view key, ListenerConfig& listener) {
    const auto rate = limits.number(key);
    if (!rate) return;
    if (*rate < 0) limits.error(limits.value_place(key), "rate must not be negative");
    listener.connections.rate_per_second = *rate;
}

void read_greet_wait(ConfigTable& limits, std::string_view key, ListenerConfig& listener) {
    const auto wait = limits.duration(key);
    if (!wait) return;
    if (*wait > greet_wait_limit)
        return limits.error(
            limits.value_place(key),
            fmt::format("{} must be a duration from 0s to {}m", key, greet_wait_limit.count())
        );
    listener.limits.greet_wait = *wait;
}

template <auto Member>
std::string show(const ListenerConfig& listener) {
    return fmt::format("{}", Of<Member>::in(listener));
}

std::string show_greet_wait(const ListenerConfig& listener) {
    return fmt::format("{}ms", listener.limits.greet_wait.count());
}

enum class Scope : std::uint8_t { all, mail_in };

struct Setting {
    std::string_view key;
    Scope scope;
    void (*read)(ConfigTable&, std::string_view, ListenerConfig&);
    std::string (*show)(const ListenerConfig&);
    std::string_view reason;
};

using R = ReceiverLimits;
using C = ConnectionLimits;

// clang-format off
constexpr std::array settings = {
    Setting{"per_ip", Scope::all, read_count<&C::per_ip, 1, many>, show<&C::per_ip>,
        "connections of one address at a time; a busy sender opens a handful"},
    Setting{"per_network", Scope::all, read_count<&C::per_network, 1, many>, show<&C::per_network>,
        "connections of one /24 or /64 at a time; a provider's pool opens some dozens"},
    Setting{"total", Scope::all, read_count<&C::total, 1, many>, show<&C::total>,
        "connections of this listener at a time; all listeners together get half of the descriptors at most"},
    Setting{"rate", Scope::all, read_rate, show<&C::rate_per_second>,
        "new connections a second of one address; 0: any"},
    Setting{"errors", Scope::all, read_count<&R::errors, 1, many>, show<&R::errors>,
        "of one session; real clients make none"},
    Setting{"errors_under_stress", Scope::mail_in, read_count<&R::errors_under_stress, 1, many>,
        show<&R::errors_under_stress>,
        "the same while four fifths of the connections are taken, of this listener or of all"},
    Setting{"greet_wait", Scope::mail_in, read_greet_wait, show_greet_wait,
        "wait before the banner, to find clients that talk first; 0: none"},
    // RFC 5321 section 4.5.3.1.8: at least 100 recipients must be taken.
    Setting{"recipients", Scope::mail_in, read_count<&R::recipients, 100, many>, show<&R::recipients>,
        "of one message; RFC 5321 section 4.5.3.1.8 wants at least 100"},
    Setting{"idle_commands", Scope::mail_in, read_count<&R::idle_commands, 10, many>, show<&R::idle_commands>,
        "NOOP, RSET, VRFY, HELP, EHLO and the like between two messages; real clients need a few"},
    Setting{"size", Scope::mail_in, read_octets<&R::size_octets, 1U << 16U, 1ULL << 32U>, show<&R::size_octets>,
        "octets of one message; what large providers take"},
    // RFC 5321 section 4.5.3.1.4: a command line of 512 octets must be taken.
    Setting{"line", Scope::mail_in, read_octets<&R::line_octets, 512, 1U << 16U>, show<&R::line_octets>,
        "octets of one command; RFC 5321 section 4.5.3.1.4 wants 512, extensions want more"},
    // RFC 5321 section 4.5.3.1.6: a text line of 1000 octets must be taken.
    Setting{"text_line", Scope::mail_in, read_octets<&R::text_line_octets, 1000, 1U << 24U>, show<&R::text_line_octets>,
        "octets of one line of a message; the 998 of RFC 5322 are often broken"},
    Setting{"header", Scope::mail_in, read_octets<&R::header_octets, 1U << 12U, 1U << 26U>, show<&R::header_octets>,
        "octets of the header block; far above what any mail has"},
    Setting{"header_lines", Scope::mail_in, read_count<&R::header_lines, 100, many>, show<&R::header_lines>,
        "lines of the header block; far above what any mail has, and what parsing costs grows with them"},
    Setting{"hops", Scope::mail_in, read_count<&R::hops, 1, 10'000>, show<&R::hops>,
        "Received fields; RFC 5321 section 6.3 suggests at least 100"},
    Setting{"memory", Scope::mail_in, read_octets<&R::memory_octets, 1U << 20U, 1ULL << 44U>, show<&R::memory_octets>,
        "octets of messages in memory, of all listeners together, beyond which this one says 452 4.3.1; a "
        "thousand messages of 1M"},
    Setting{"spool", Scope::mail_in, read_octets<&R::spool_octets, 1U << 20U, 1ULL << 44U>, show<&R::spool_octets>,
        "octets of messages in the spool, of all listeners together, beyond which this one says 452 4.3.1; a "
        "hundred of the largest messages"},
};
// clang-format on

bool applies(const Setting& setting, Service service) {
    return setting.scope == Scope::all || service == Service::smtp;
}

}  // namespace

void read_limits(ConfigTable& limits, ListenerConfig& listener) {
    for (const Setting& setting : settings) {
        setting.read(limits, setting.key, listener);
        if (limits.has(setting.key) && !applies(setting, listener.service))
            limits.error(
                limits.place_of(setting.key),
                fmt::format(
                    "{} has no effect on {}: it is about receiving mail",
                    setting.key,
                    to_string(listener.service)
                )
            );
    }
    limits.finish();
}

std::vector<LimitRow> limit_rows(const ListenerConfig& listener) {
    std::vector<LimitRow> rows;
    for (const Setting& setting : settings)
        if (applies(setting, listener.service))
            rows.push_back({std::string(setting.key), setting.show(listener), std::string(setting.reason)});
    return rows;
}

}  // namespace wicket
