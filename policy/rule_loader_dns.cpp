// [dnsbl.NAME] of rule files.
#include "base/text.hpp"
#include "policy/customer_keys.hpp"
#include "policy/rule_loader.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <iterator>
#include <utility>

namespace wicket {
namespace {

// A pattern such as 127.0.*.1 stands for as many ranges; more would be a mistake.
constexpr std::size_t code_ranges_limit = 1024;
// Beyond the time in which the end of data must be answered, a list's time-out says nothing.
constexpr std::chrono::milliseconds timeout_limit{20'000};
constexpr std::chrono::milliseconds timeout_least{50};

// 127.255.255.0/24: "refused" for every list, not configurable.
constexpr std::uint32_t always_refused_first = 0x7FFFFF00U;
constexpr std::uint32_t always_refused_last = 0x7FFFFFFFU;

struct KnownRefusal {
    std::string_view zone;  // or the end of one, after a dot
    std::uint32_t first;
    std::uint32_t last;
};

/// What well-known lists answer those whom they do not serve.
constexpr std::array known_refusals = {
    KnownRefusal{"dnswl.org",           0x7F0000FFU, 0x7F0000FFU}, // 127.0.0.255
    KnownRefusal{"dnswl.org",           0x7F000A00U, 0x7F000AFFU}, // 127.0.10.x
    KnownRefusal{"dbl.spamhaus.org",    0x7F0001FFU, 0x7F0001FFU}, // 127.0.1.255
    KnownRefusal{"dbl.dq.spamhaus.net", 0x7F0001FFU, 0x7F0001FFU},
    KnownRefusal{"uribl.com",           0x7F000001U, 0x7F000001U}, // 127.0.0.1
    KnownRefusal{"surbl.org",           0x7F000001U, 0x7F000001U},
};

bool is_zone_of(std::string_view zone, std::string_view known) {
    if (!zone.ends_with(known)) return false;
    return zone.size() == known.size() || zone[zone.size() - known.size() - 1] == '.';
}

/// What lists know: addresses, and domains of which there is one a connection or message.
constexpr std::array listed_facts = {
    CoreFact::client_ip,
    CoreFact::client_name,
    CoreFact::helo_name,
    CoreFact::mail_domain,
    CoreFact::from_domain
};

std::vector<std::string> names_of_listed_facts(const FactDictionary& dictionary) {
    std::vector<std::string> names;
    for (const CoreFact fact : listed_facts)
        names.push_back(dictionary.row(id_of(fact)).name);
    return names;
}

bool has_label(std::string_view zone, std::string_view label) {
    return ('.' + std::string(zone) + '.').contains('.' + std::string(label) + '.');
}

struct OctetRange {
    std::uint32_t first;
    std::uint32_t last;
};

/// "4", "4-7", "*".
std::optional<OctetRange> parse_octets(std::string_view text) {
    if (text == "*") return OctetRange{0, 255};
    const auto number = [](std::string_view digits) -> std::optional<std::uint32_t> {
        std::uint32_t value = 0;
        const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
        if (error != std::errc() || end != digits.data() + digits.size() || value > 255) return std::nullopt;
        return value;
    };
    const auto dash = text.find('-');
    const auto first = number(text.substr(0, dash));
    const auto last = dash == std::string_view::npos ? first : number(text.substr(dash + 1));
    if (!first || !last || *first > *last) return std::nullopt;
    return OctetRange{*first, *last};
}

std::optional<std::array<OctetRange, 4>> parse_code(std::string_view text) {
    std::array<OctetRange, 4> octets{};
    for (std::size_t at = 0; at < 4; ++at) {
        const auto dot = text.find('.');
        if ((dot == std::string_view::npos) != (at == 3)) return std::nullopt;
        const auto range = parse_octets(text.substr(0, dot));
        if (!range) return std::nullopt;
        octets[at] = *range;
        text.remove_prefix(dot == std::string_view::npos ? text.size() : dot + 1);
    }
    return octets;
}

std::string code_text(std::uint32_t code) {
    std::string text;
    for (int shift = 24; shift >= 0; shift -= 8) {
        text += std::to_string((code >> static_cast<unsigned>(shift)) & 0xFFU);
        if (shift != 0) text += '.';
    }
    return text;
}

constexpr const char* listed_form =
    "a block list needs \"listed\", a table of names and codes: { spam = \"127.0.0.2\" }";

bool is_zone(std::string_view zone) {
    return !zone.empty() && zone.size() <= 200 && zone.contains('.') && zone.front() != '.' &&
           !zone.contains("..") && std::ranges::all_of(zone, [](char c) {
               return is_letter_or_digit(c) || c == '-' || c == '_' || c == '.';
           });
}

}  // namespace

bool RuleLoader::add_codes(
    const ConfigTable& table, const Text& code, const std::string& name, std::vector<DnsListCode>& out
) {
    const auto octets = code.kind == ConfigValue::Kind::text ? parse_code(code.text) : std::nullopt;
    if (!octets) {
        table.error(code.place, "expected a code such as \"127.0.0.2\", \"127.0.0.4-7\" or \"127.0.*.1\"");
        return false;
    }
    const auto& [a, b, c, d] = *octets;
    if (a.first != 127 || a.last != 127) {
        table.error(code.place, "lists answer with codes in 127.0.0.0/8 (RFC 5782 section 2.1)");
        return false;
    }
    if ((b.last - b.first + 1) * (c.last - c.first + 1) > code_ranges_limit) {
        table.error(
            code.place, "this stands for more than " + std::to_string(code_ranges_limit) + " ranges of codes"
        );
        return false;
    }
    for (std::uint32_t second = b.first; second <= b.last; ++second) {
        for (std::uint32_t third = c.first; third <= c.last; ++third) {
            const std::uint32_t base = (127U << 24U) | (second << 16U) | (third << 8U);
            out.push_back({name, base + d.first, base + d.last});
        }
    }
    return true;
}

std::vector<std::string> RuleLoader::read_listed(ConfigTable& table, DnsList& list) {
    const auto listed = table.value("listed");
    table.need({"listed"}, table.place(), listed_form);
    if (!listed || listed->kind != ConfigValue::Kind::table || listed->table.empty()) {
        if (listed) table.error(listed->place, listed_form);
        facts_with_mistakes_.push_back("dnsbl." + list.name);
        return {};
    }
    std::vector<std::string> names;
    for (const ConfigValue& member : listed->table) {
        // Also without a good code: rules that name it are not at fault.
        names.push_back(member.key);
        if (member.kind != ConfigValue::Kind::list) {
            add_codes(table, member, member.key, list.listed);
            continue;
        }
        for (const ConfigValue& item : member.list)
            add_codes(table, item, member.key, list.listed);
    }
    return names;
}

void RuleLoader::check_overlaps(const ConfigTable& table, const DnsList& list) {
    const SourcePlace place = table.value_place("listed");
    std::vector<DnsListCode> all = list.listed;
    std::ranges::sort(all, {}, &DnsListCode::first);
    for (std::size_t at = 1; at < all.size(); ++at) {
        if (all[at].first > all[at - 1].last) continue;
        table.error(
            place,
            "codes overlap: " + code_text(all[at].first) + " is both " + all[at - 1].name + " and " +
                all[at].name
        );
        return;
    }
    for (const DnsListCode& code : list.listed) {
        if (code.last >= always_refused_first && code.first <= always_refused_last) {
            table.error(place, "127.255.255.0/24 says \"refused\" on every list, and cannot be a listing");
            return;
        }
        for (const DnsListCode& refused : list.refused) {
            if (code.last < refused.first || code.first > refused.last) continue;
            table.error(
                place,
                code_text(std::max(code.first, refused.first)) +
                    " says \"refused\" on this list, and cannot be the listing " + code.name
            );
            return;
        }
    }
}

void RuleLoader::read_dns_list(const std::string& name, ConfigTable& table) {
    DnsList list;
    list.name = name;
    const Claim claim = claim_name(table, {}, dns_list_names_, name, "block list");
    const auto zone = table.text("zone");
    table.need({"zone"}, table.place(), "a block list needs \"zone\"");
    if (zone) {
        list.zone = wicket::lower_case(
            zone->ends_with('.') ? std::string_view(*zone).substr(0, zone->size() - 1) : *zone
        );
        if (!is_zone(list.zone)) table.error(table.value_place("zone"), "this is no name of a DNS zone");
    }
    const std::string key = wicket::lower_case(table.text("key").value_or(""));
    if (!key.empty() && !has_label(list.zone, key))
        table.error(table.value_place("key"), "the key is no label of the zone");
    const std::vector<std::string> keys = customer_keys(list.zone, key);
    list.shown_zone = zone_without_keys(list.zone, keys);
    std::ranges::copy(keys, std::back_inserter(made_->customer_keys_));
    FactId of = id_of(CoreFact::client_ip);
    if (const auto of_name = table.text("of")) {
        const auto found = made_->dictionary_.find(*of_name);
        if (found && std::ranges::find(listed_facts, *found, id_of) != listed_facts.end())
            of = *found;
        else
            table.error(
                table.value_place("of"),
                (found ? "no list can be asked about " + *of_name : "unknown fact \"" + *of_name + '"') +
                    ", but about client.ip, client.name, helo.name, mail.domain and from.domain",
                nearest_word(*of_name, names_of_listed_facts(made_->dictionary_))
            );
    }
    list.of = of;
    const FactDeclaration& of_row = made_->dictionary_.row(of);
    list.asks_addresses = of_row.type == FactType::address;
    for (const KnownRefusal& known : known_refusals) {
        if (is_zone_of(list.zone, known.zone)) list.refused.push_back({"refused", known.first, known.last});
    }
    if (const auto refused = table.texts("refused", ConfigTable::OneOrList::one_or_list)) {
        for (const ConfigValue& code : *refused)
            add_codes(table, code, "refused", list.refused);
    }
    std::vector<std::string> words = read_listed(table, list);
    check_overlaps(table, list);
    if (table.word("on_error", {"skip", "defer"}) == "defer") list.on_error = DnsListOnError::defer;
    if (const auto timeout = table.duration("timeout")) {
        list.timeout = *timeout;
        if (*timeout < timeout_least || *timeout > timeout_limit) {
            table.error(table.value_place("timeout"), "the time-out of a list is between 50ms and 20s");
        }
    }
    list.asks_private = table.boolean("private").value_or(false);
    list.probes = table.boolean("probe").value_or(true);
    const bool is_enabled = table.boolean("enabled").value_or(true);
    table.finish();
    if (claim == Claim::refused) return;
    FactDeclaration row{
        .name = "dnsbl." + name,
        .type = FactType::texts,
        .stage = of_row.stage,
        .filter = "dnsbl",
        .meaning = "the codes with which " + list.shown_zone + " lists " + of_row.name,
        .words = std::move(words)
    };
    std::erase_if(made_->shown_dns_lists_, [&](const ShownDnsList& one) { return one.name == name; });
    made_->shown_dns_lists_.push_back(
        {name, table.place(), of_row.stage, is_enabled, list.shown_zone + " of " + of_row.name}
    );
    declare_dns_list(std::move(list), std::move(row), is_enabled);
}

void RuleLoader::declare_dns_list(DnsList list, FactDeclaration row, bool is_enabled) {
    const auto known = made_->dictionary_.find(row.name);
    if (known) {
        // That of an earlier folder, which this one replaces.
        std::erase_if(made_->dns_lists_, [&](const DnsList& one) { return one.name == list.name; });
        std::erase(disabled_lists_, *known);
        replace_row(*known, row);
    }
    const auto fact = known ? known : made_->dictionary_.declare(std::move(row));
    if (!fact) return;
    list.fact = *fact;
    if (is_enabled)
        made_->dns_lists_.push_back(std::move(list));
    else
        disabled_lists_.push_back(*fact);
}

}  // namespace wicket
