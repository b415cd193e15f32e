// The gate between libspf2 and the DNS, for one evaluation of one identity: what libspf2 asks for by place
// holder is found here, under the limits of RFC 7208 section 4.6.4. No libspf2 here; spf_evaluation.cpp joins
// the two. One thread.
#pragma once

#include "filters/scan/spf_evaluation.hpp"
#include "filters/scan/spf_record.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace wicket {

class SpfGate {
public:
    SpfGate(const SpfQuery& query, SpfLedger& ledger);

    /// A question is missing: whatever libspf2 made of it is void.
    bool is_pending() const { return is_pending_; }
    /// The result that a limit or a broken record imposes, whatever libspf2 made of it.
    std::optional<SpfResult> forced() const { return forced_; }

    /// The place holder of the domain that evaluation begins with.
    const std::string& top_name() const { return top_name_; }
    /// The client's address as libspf2 is to see it. It lets loopback pass without a record; one bit is
    /// turned over in that address, and in all that it is compared with, so that it sees none.
    std::string presented_client() const { return present(std::string(query_.client_ip.octets())); }

    /// nullopt: temporary failure, or nothing more may be asked. Addresses are 4 or 16 octets.
    using Records = std::optional<std::vector<std::string>>;
    /// Of an `a` or `exists` term, of a mail exchanger, or of a client's name.
    Records addresses(std::string_view name, DnsType type);
    /// Of an `mx` term: place holders.
    Records mail_exchangers(std::string_view name);
    /// Of a `ptr` term: at most spf_name_limit names.
    Records client_names();

    enum class RecordStanding : std::uint8_t { found, none, stopped };
    struct RecordText {
        RecordStanding standing;
        std::string text = {};
    };
    /// The normalised record of the first domain, or of an include or redirect.
    RecordText record_text(std::string_view name);

    /// Whether a record that counts for a pass (the first, and what it redirects to or includes with "+")
    /// lets every address pass.
    bool permits_all() const { return permits_all_; }

    /// After a fail: the explanation of the domain that decided, "" if it has none that is valid
    /// (RFC 7208 section 6.2). May leave the evaluation pending.
    std::string explanation();

private:
    enum class PlaceKind : std::uint8_t { top, term, redirect, exchanger };
    struct Place {
        PlaceKind kind = PlaceKind::top;
        std::size_t record = 0;
        std::size_t term = 0;
        std::string name = {};  // of an exchanger
    };
    struct OpenRecord {
        SpfRecord record;
        std::string domain;
        bool counts_for_pass = true;  // what passes here passes the whole
    };

    std::string add_place(Place place);
    const Place* find_place(std::string_view name) const;
    const SpfTerm& term_of(const Place& place) const {
        return records_[place.record].record.terms[place.term];
    }
    std::string present(std::string octets) const;

    bool count_term();
    void count_void();
    /// The first one stands: it is what evaluation stopped at.
    void force(SpfResult result);
    /// nullptr: pending, over the limit, or temporary failure.
    const DnsAnswer* ask(std::string name, DnsType type);
    static Records found(const DnsAnswer& answer);
    Records found_or_void(const DnsAnswer& answer);
    bool is_nowhere(const std::string& exchanger);

    SpfMacroValues values_for(const std::string& domain);
    /// The name that a term or modifier of a record leads to. `is_pending_` is set if a macro waits for the
    /// DNS.
    std::optional<std::string> target_name(const SpfMacroString& target, const std::string& domain);
    /// %{p}: RFC 7208 section 7.3.
    std::optional<std::string> validated_name(const std::string& domain);
    std::optional<std::string> normalised(std::size_t index);
    std::string term_text(std::size_t record, std::size_t term);
    void note_addresses(const std::vector<std::string>& names);
    DnsType client_address_type() const { return query_.client_ip.is_ipv4() ? DnsType::a : DnsType::aaaa; }

    const SpfQuery& query_;
    SpfLedger& ledger_;
    std::vector<Place> places_;
    std::vector<OpenRecord> records_;
    std::string top_name_;
    std::size_t deciding_record_ = 0;  // the first, or the last of the redirects from it
    bool permits_all_ = false;
    int terms_ = 0;
    int voids_ = 0;
    bool is_pending_ = false;
    std::optional<SpfResult> forced_;
};

}  // namespace wicket
