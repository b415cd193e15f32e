// A DnsResolver that answers from a table, at once or after it is released; it counts what it is asked.
#pragma once

#include "base/ip.hpp"
#include "net/resolver.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace wicket {

class TableResolver : public DnsResolver {
public:
    void add(const std::string& name, DnsType type, std::vector<std::string> records) {
        table_[{name, type}] = {
            .status = DnsStatus::found, .records = std::move(records), .ttl_seconds = 60, .reason = ""
        };
    }
    void add_address(const std::string& name, std::string_view address) {
        const IpAddress ip = *IpAddress::parse(address);
        add(name, ip.is_ipv4() ? DnsType::a : DnsType::aaaa, {std::string(ip.octets())});
    }
    void fail(const std::string& name, DnsType type, const std::string& reason) {
        table_[{name, type}] = {.status = DnsStatus::try_again, .records = {}, .reason = reason};
    }

    boost::asio::awaitable<DnsAnswer> lookup(DnsQuestion question, SteadyTime /*deadline*/) override {
        asked_.push_back(question);
        const auto found = table_.find(question);
        if (found != table_.end()) co_return found->second;
        DnsAnswer none;
        none.status = DnsStatus::no_such_name;
        co_return none;
    }

    /// As if it had been asked before.
    void remember(DnsQuestion question) { remembered_.push_back(std::move(question)); }
    std::optional<DnsAnswer> recall(const DnsQuestion& question) override {
        if (std::ranges::find(remembered_, question) == remembered_.end()) return std::nullopt;
        return DnsAnswer{};
    }

    const std::vector<DnsQuestion>& asked() const { return asked_; }

private:
    std::map<DnsQuestion, DnsAnswer> table_;
    std::vector<DnsQuestion> asked_;
    std::vector<DnsQuestion> remembered_;
};

}  // namespace wicket
