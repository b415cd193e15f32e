// What the client says its name is (RFC 5321 sections 4.1.3, 4.1.4): its form and whether it is ours, which
// is known at once; and whether it exists in the DNS.
#pragma once

#include "filters/filter.hpp"

namespace wicket {

class HeloFilter : public Filter {
public:
    /// `our_names`: host names in lower case that only we may use.
    explicit HeloFilter(std::vector<std::string> our_names) : our_names_(std::move(our_names)) {}

    std::string_view name() const override { return "helo"; }
    std::vector<FactId> needs() const override {
        return {id_of(CoreFact::helo_name), id_of(CoreFact::client_ip), id_of(CoreFact::listener_address)};
    }
    std::vector<FactId> makes() const override {
        return {
            id_of(CoreFact::helo_form), id_of(CoreFact::helo_is_ours), id_of(CoreFact::helo_literal_matches)
        };
    }
    std::chrono::milliseconds timeout() const override { return std::chrono::seconds(5); }
    boost::asio::awaitable<Observation> examine(FactsSnapshot facts, FilterTools tools) const override;

private:
    std::vector<std::string> our_names_;
};

class HeloDnsFilter : public Filter {
public:
    std::string_view name() const override { return "helo.dns"; }
    std::vector<FactId> needs() const override { return {id_of(CoreFact::helo_name)}; }
    std::vector<FactId> makes() const override { return {id_of(CoreFact::helo_resolves)}; }
    std::chrono::milliseconds timeout() const override { return std::chrono::seconds(5); }
    boost::asio::awaitable<Observation> examine(FactsSnapshot facts, FilterTools tools) const override;
};

/// "fqdn", "bare" (one label), "literal" ([192.0.2.1]), "address" (the same without brackets), "malformed".
std::string_view helo_form(std::string_view name);

}  // namespace wicket
