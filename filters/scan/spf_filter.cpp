#include "filters/scan/spf_filter.hpp"

#include "filters/scan/spf_macro.hpp"

#include <chrono>
#include <optional>

namespace wicket {
namespace {

SpfQuery query_for(const ScanInput& input, std::string sender, std::string domain) {
    return {
        .client_ip = input.client_ip,
        .sender = std::move(sender),
        .domain = std::move(domain),
        .helo = input.helo,
        .receiver = input.our_hostname,
        .unix_time = std::chrono::duration_cast<std::chrono::seconds>(input.time.time_since_epoch()).count(),
    };
}

SpfQuery helo_query(const ScanInput& input) {
    // RFC 7208 section 2.4 and 4.3: without a local-part it is postmaster.
    return query_for(input, "postmaster@" + input.helo, input.helo);
}

SpfQuery mail_query(const ScanInput& input) {
    const std::size_t at = input.mail_from.rfind('@');
    if (at == std::string::npos) return helo_query(input);
    std::string domain = input.mail_from.substr(at + 1);
    std::string sender = at == 0 ? "postmaster" + input.mail_from : input.mail_from;
    return query_for(input, std::move(sender), std::move(domain));
}

std::optional<SpfVerdict> check(SpfEvaluator& evaluator, const SpfQuery& query, SpfLedger& ledger) {
    if (!is_spf_domain(query.domain)) return SpfVerdict{.result = SpfResult::none};
    return evaluator.evaluate(query, ledger);
}

/// The record of the HELO identity: all that is asked for it until the reverse-path is decided, so that a
/// greedy name in HELO cannot take the reverse-path's questions.
std::optional<DnsQuestion> first_question(const SpfQuery& query) {
    if (!is_spf_domain(query.domain)) return std::nullopt;
    return DnsQuestion{*spf_name_to_ask(query.domain), DnsType::txt};
}

FactValue word(SpfResult result) {
    return std::string(to_string(result));
}

}  // namespace

SpfFilter::SpfFilter() : evaluator_(std::make_unique<SpfEvaluator>()) {}
SpfFilter::~SpfFilter() = default;

std::vector<FactId> SpfFilter::needs() const {
    return {id_of(CoreFact::client_ip), id_of(CoreFact::helo_name), id_of(CoreFact::mail_from)};
}

std::vector<FactId> SpfFilter::makes() const {
    return {
        id_of(CoreFact::spf_result),
        id_of(CoreFact::spf_explanation),
        id_of(CoreFact::spf_helo_result),
        id_of(CoreFact::spf_permits_all)
    };
}

std::variant<Observation, DnsQuestions> SpfFilter::scan(const ScanInput& input, const DnsAnswers& answers)
    const {
    SpfLedger ledger(answers);
    // RFC 7208 sections 2.3 and 2.4: the two are one check for the null reverse-path.
    const bool is_null_path = !input.mail_from.contains('@');
    if (const auto asked_beside = first_question(helo_query(input))) ledger.ask(*asked_beside);
    const auto mail = check(*evaluator_, mail_query(input), ledger);
    if (!mail) return ledger.missing();
    const auto helo = is_null_path ? mail : check(*evaluator_, helo_query(input), ledger);
    if (!helo) return ledger.missing();
    Observation observation;
    observation.facts.emplace_back(id_of(CoreFact::spf_result), word(mail->result));
    observation.facts.emplace_back(
        id_of(CoreFact::spf_explanation),
        mail->explanation.empty() ? FactValue(Absent{}) : FactValue(mail->explanation)
    );
    if (mail->result == SpfResult::pass)
        observation.facts.emplace_back(id_of(CoreFact::spf_permits_all), mail->permits_all);
    observation.facts.emplace_back(
        id_of(CoreFact::spf_helo_result), input.helo.empty() ? FactValue(Absent{}) : word(helo->result)
    );
    return observation;
}

}  // namespace wicket
