#include "base/dns.hpp"

#include "base/ip.hpp"

#include <array>
#include <fmt/format.h>
#include <utility>

namespace wicket {
namespace {

constexpr std::array type_names = {
    std::pair<DnsType, std::string_view>{DnsType::a,     "A"    },
    std::pair<DnsType, std::string_view>{DnsType::ns,    "NS"   },
    std::pair<DnsType, std::string_view>{DnsType::cname, "CNAME"},
    std::pair<DnsType, std::string_view>{DnsType::soa,   "SOA"  },
    std::pair<DnsType, std::string_view>{DnsType::ptr,   "PTR"  },
    std::pair<DnsType, std::string_view>{DnsType::mx,    "MX"   },
    std::pair<DnsType, std::string_view>{DnsType::txt,   "TXT"  },
    std::pair<DnsType, std::string_view>{DnsType::aaaa,  "AAAA" },
    std::pair<DnsType, std::string_view>{DnsType::spf,   "SPF"  },
    std::pair<DnsType, std::string_view>{DnsType::tlsa,  "TLSA" },
};

/// RFC 3597 section 5: the form of RDATA whose type has no other.
std::string generic_text(std::string_view record) {
    std::string text = fmt::format("\\# {}", record.size());
    if (!record.empty()) text += ' ';
    for (const char c : record)
        fmt::format_to(std::back_inserter(text), "{:02x}", static_cast<unsigned char>(c));
    return text;
}

}  // namespace

std::string to_string(DnsType type) {
    for (const auto& [value, name] : type_names) {
        if (value == type) return std::string(name);
    }
    return fmt::format("TYPE{}", std::to_underlying(type));
}

std::string_view to_string(DnsStatus status) {
    switch (status) {
        case DnsStatus::found: return "found";
        case DnsStatus::no_data: return "no_data";
        case DnsStatus::no_such_name: return "no_such_name";
        case DnsStatus::try_again: return "try_again";
    }
    std::unreachable();
}

std::string record_to_text(DnsType type, std::string_view record) {
    switch (type) {
        case DnsType::a:
        case DnsType::aaaa: {
            const auto address = IpAddress::from_octets(record);
            return address ? address->to_string() : generic_text(record);
        }
        case DnsType::mx: {
            if (record.size() < 2) return generic_text(record);
            const int preference =
                static_cast<unsigned char>(record[0]) << 8 | static_cast<unsigned char>(record[1]);
            return fmt::format("{} {}", preference, record.size() == 2 ? "." : record.substr(2));
        }
        case DnsType::ns:
        case DnsType::cname:
        case DnsType::ptr:
        case DnsType::txt:
        case DnsType::spf: return std::string(record);
        case DnsType::soa:
        case DnsType::tlsa: break;
    }
    return generic_text(record);
}

bool is_askable_name(std::string_view name) {
    if (name.empty() || name.size() > 253) return false;
    std::size_t label = 0;
    for (const char c : name) {
        if (c != '.') {
            if (++label > 63) return false;
            continue;
        }
        if (label == 0) return false;
        label = 0;
    }
    return label != 0;
}

}  // namespace wicket
