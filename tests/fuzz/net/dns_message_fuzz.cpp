// Whatever a name server sends: the answer keeps its bounds and its forms.
#include "net/dns_message.hpp"

#include <cstdint>
#include <cstdlib>

namespace {

void require(bool holds) {
    if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using wicket::DnsType;
    if (size < 1) return 0;
    static constexpr DnsType types[] = {
        DnsType::a, DnsType::aaaa, DnsType::txt, DnsType::mx, DnsType::ptr, DnsType::cname
    };
    const auto type = types[data[0] % std::size(types)];
    const std::string_view message(reinterpret_cast<const char*>(data) + 1, size - 1);
    const auto answer = wicket::parse_dns_answer({"a.test", type}, message);
    require((answer.status == wicket::DnsStatus::found) == !answer.records.empty());
    require((answer.status == wicket::DnsStatus::try_again) == !answer.reason.empty());
    require(answer.records.size() <= wicket::dns_records_limit);
    std::size_t octets = 0;
    for (const auto& record : answer.records) {
        octets += record.size();
        if (type == DnsType::a) require(record.size() == 4);
        if (type == DnsType::aaaa) require(record.size() == 16);
        if (type == DnsType::mx) require(record.size() >= 2 && record.size() <= 2 + 253);
        if (type == DnsType::ptr) require(record.size() <= 253 && !record.ends_with('.'));
    }
    require(octets <= wicket::dns_answer_limit_octets);
    require(wicket::to_master_form(message).size() <= 4 * message.size() + 1);
    return 0;
}
