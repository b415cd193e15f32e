// What a query pins down, so that not every record needs to be looked at.
#include "base/text.hpp"
#include "policy/named_list.hpp"
#include "policy/record_query.hpp"

#include <algorithm>
#include <string_view>
#include <utility>

namespace wicket {
namespace {

// Networks of the index that a wider one is made of: more are sooner found by looking at all records.
constexpr int widest_network_bits = 4;

/// The neighbourhoods that a network lies in or is made of; none if they are too many.
std::vector<std::string> neighbourhoods_of(const IpNetwork& network) {
    const IpAddress& address = network.address();
    const int unit_bits = neighbourhood(address).prefix_bits();
    const int bits = unit_bits - network.prefix_bits();
    if (bits <= 0) return {neighbourhood(address).to_string()};
    if (bits > widest_network_bits) return {};
    std::vector<std::string> made;
    std::string octets(address.octets());
    char& last = octets[static_cast<std::size_t>(unit_bits / 8 - 1)];
    const auto first = static_cast<unsigned char>(last);
    for (unsigned number = 0; number < (1U << static_cast<unsigned>(bits)); ++number) {
        last = static_cast<char>(first | number);
        if (const auto one = IpAddress::from_octets(octets)) made.push_back(neighbourhood(*one).to_string());
    }
    return made;
}

/// The next text of as many digits of base32hex (RFC 4648 section 7); empty behind the last.
std::string next_prefix(std::string prefix) {
    while (!prefix.empty()) {
        char& last = prefix.back();
        if (lower_case(last) != 'v') {
            last = last == '9' ? 'A' : static_cast<char>(last + 1);
            return prefix;
        }
        prefix.pop_back();
    }
    return prefix;
}

std::optional<RecordId> first_id_with(std::string prefix) {
    prefix.resize(RecordId::text_length, '0');
    return RecordId::parse(prefix);
}

}  // namespace

QueryIds RecordQuery::ids() const {
    QueryIds ids{RecordId::first_at(since())};
    const auto end_at = [&ids](const RecordId& end) { ids.end = ids.end ? std::min(*ids.end, end) : end; };
    for (const Term& term : terms_) {
        if (term.negated) continue;
        // An id has the millisecond of its record's time.
        if (term.field == Field::until) end_at(RecordId::first_at(term.time + std::chrono::milliseconds(1)));
        if (term.field != Field::id || is_glob(term.pattern) || term.pattern.size() >= RecordId::text_length)
            continue;
        const auto first = first_id_with(term.pattern);
        if (!first) continue;
        ids.first = std::max(ids.first, *first);
        const std::string next = next_prefix(term.pattern);
        if (const auto end = next.empty() ? std::nullopt : first_id_with(next)) end_at(*end);
    }
    return ids;
}

/// Records of earlier versions are found by domains as they were written.
std::vector<std::string> RecordQuery::spellings_of(const Term& term) {
    if (std::ranges::all_of(term.pattern, is_ascii)) return {term.ascii_pattern};
    return {term.ascii_pattern, term.pattern};
}

std::optional<QueryPin> RecordQuery::pin_of(const Term& term) {
    if (term.negated) return std::nullopt;
    const auto pin = [](QueryPin::What what, std::vector<std::string> values) -> std::optional<QueryPin> {
        if (values.empty() || values.front().empty() || is_glob(values.front())) return std::nullopt;
        return QueryPin{what, std::move(values)};
    };
    switch (term.field) {
        case Field::ip:
            // A client whose address is not known stands as 0.0.0.0.
            if (term.pattern == "unknown")
                return pin(QueryPin::What::network, {neighbourhood(IpAddress()).to_string()});
            if (!term.network) return std::nullopt;
            return pin(QueryPin::What::network, neighbourhoods_of(*term.network));
        case Field::from: {
            if (term.pattern == "<>" || (!term.pattern.contains('@') && is_glob(term.pattern)))
                return std::nullopt;
            std::vector<std::string> domains = spellings_of(term);
            for (std::string& domain : domains)
                domain.erase(0, domain.rfind('@') + 1);
            return pin(QueryPin::What::sender_domain, std::move(domains));
        }
        case Field::to: return pin(QueryPin::What::recipient, spellings_of(term));
        case Field::rule: return pin(QueryPin::What::rule, {term.pattern});
        case Field::label:
            if (term.pattern == "none") return std::nullopt;
            return QueryPin{QueryPin::What::label};
        case Field::released:
            if (term.pattern == "no") return std::nullopt;
            return QueryPin{QueryPin::What::release};
        // The verdict that is indexed is the whole transaction's, not what each recipient got.
        default: return std::nullopt;
    }
}

std::vector<QueryPin> RecordQuery::pins() const {
    std::vector<QueryPin> pins;
    for (const Term& term : terms_)
        if (auto pin = pin_of(term)) pins.push_back(std::move(*pin));
    return pins;
}

}  // namespace wicket
