#include "filters/scan_check.hpp"

#include "filters/scan/spf_evaluation.hpp"
#include "filters/scan/spf_macro.hpp"
#include "mail/dkim_tags.hpp"

#include <algorithm>
#include <map>

namespace wicket {
namespace {

const std::string& text_of(const Facts& facts, CoreFact fact) {
    static const std::string none;
    const auto* text = std::get_if<std::string>(&facts.get(id_of(fact)));
    return text != nullptr ? *text : none;
}

ScanJob job_of(const Facts& facts, const FilterTools& tools) {
    ScanJob job;
    if (const auto* address = std::get_if<IpAddress>(&facts.get(id_of(CoreFact::client_ip))))
        job.client_ip = *address;
    job.client_name = text_of(facts, CoreFact::client_name);
    job.helo = text_of(facts, CoreFact::helo_name);
    job.mail_from = text_of(facts, CoreFact::mail_from);
    if (const auto* time = std::get_if<WallTime>(&facts.get(id_of(CoreFact::time_now)))) job.time = *time;
    job.deadline = tools.deadline;
    job.evidence = tools.evidence;
    return job;
}

/// RFC 7208 section 4.4: both identities begin with the TXT records of their domain.
std::vector<DnsQuestion> first_spf_questions(std::string_view mail_from, std::string_view helo) {
    std::vector<DnsQuestion> questions;
    const std::size_t at = mail_from.rfind('@');
    const std::string_view sender = at == std::string_view::npos ? helo : mail_from.substr(at + 1);
    for (const std::string_view domain : {sender, helo}) {
        if (!is_spf_domain(domain)) continue;
        DnsQuestion question{*spf_name_to_ask(domain), DnsType::txt};
        if (std::ranges::find(questions, question) == questions.end())
            questions.push_back(std::move(question));
    }
    return questions;
}

/// Which of the members makes a fact.
std::map<FactId, std::size_t> makers_of(const std::vector<const Filter*>& members) {
    std::map<FactId, std::size_t> maker;
    for (std::size_t at = 0; at < members.size(); ++at)
        for (const FactId fact : members[at]->makes())
            maker.emplace(fact, at);
    return maker;
}

}  // namespace

boost::asio::awaitable<std::vector<Observation>> ScanTogether::examine_together(
    std::vector<const Filter*> members, FactsSnapshot facts, FilterTools tools
) const {
    std::vector<Observation> seen(members.size());
    ScanJob job = job_of(*facts, tools);
    for (std::size_t at = 0; at < members.size(); ++at) {
        // Who names this group as its own is a ScanCheck.
        const auto& check = static_cast<const ScanCheck&>(*members[at]);
        check.join(job, *facts, tools, seen[at]);
    }
    if (job.checks.empty()) co_return seen;
    job.dictionary = dictionary_;
    ScanOutcome outcome = co_await pool_->run(std::move(job));
    const std::map<FactId, std::size_t> maker = makers_of(members);
    for (auto& [fact, value] : outcome.observation.facts)
        if (const auto found = maker.find(fact); found != maker.end())
            seen[found->second].facts.emplace_back(fact, std::move(value));
    seen.front().lookups = std::move(outcome.observation.lookups);
    seen.front().scan_passes = outcome.passes;
    if (outcome.is_poison) seen.back().facts.emplace_back(id_of(CoreFact::message_poisonous), true);
    co_return seen;
}

boost::asio::awaitable<Observation> ScanCheck::examine(FactsSnapshot facts, FilterTools tools) const {
    auto seen = co_await scans_->examine_together({this}, std::move(facts), std::move(tools));
    co_return std::move(seen.front());
}

std::vector<FactId> SpfCheck::needs() const {
    // The verified name is for the macro %{p} alone, which RFC 7208 section 7.3 wants nobody to use: no
    // waiting for it.
    return {id_of(CoreFact::client_ip), id_of(CoreFact::helo_name), id_of(CoreFact::mail_from)};
}

std::vector<FactId> SpfCheck::makes() const {
    return {
        id_of(CoreFact::spf_result),
        id_of(CoreFact::spf_explanation),
        id_of(CoreFact::spf_helo_result),
        id_of(CoreFact::spf_permits_all)
    };
}

std::vector<DnsQuestion> SpfCheck::foresee(const Facts& facts) const {
    return first_spf_questions(text_of(facts, CoreFact::mail_from), text_of(facts, CoreFact::helo_name));
}

void SpfCheck::join(ScanJob& job, const Facts& facts, const FilterTools& /*tools*/, Observation& seen) const {
    const FactValue& client = facts.get(id_of(CoreFact::client_ip));
    if (const auto* unknown = std::get_if<Unknown>(&client)) {
        for (const CoreFact fact : {CoreFact::spf_result, CoreFact::spf_helo_result})
            seen.facts.emplace_back(id_of(fact), std::string(to_string(SpfResult::temperror)));
        for (const CoreFact fact : {CoreFact::spf_explanation, CoreFact::spf_permits_all})
            seen.facts.emplace_back(id_of(fact), *unknown);
        return;
    }
    // Without a client's address there is nothing to authorise: XCLIENT ADDR=[UNAVAILABLE].
    if (!std::holds_alternative<IpAddress>(client)) {
        for (const CoreFact fact : {CoreFact::spf_result, CoreFact::spf_helo_result})
            seen.facts.emplace_back(id_of(fact), std::string(to_string(SpfResult::none)));
        return;
    }
    job.checks.emplace_back(name());
    for (DnsQuestion& question : first_spf_questions(job.mail_from, job.helo))
        job.hints.emplace_back(name(), std::move(question));
}

std::vector<FactId> DkimCheck::needs() const {
    return {id_of(CoreFact::message_size)};
}

std::vector<FactId> DkimCheck::makes() const {
    return {
        id_of(CoreFact::dkim_pass),
        id_of(CoreFact::dkim_results),
        id_of(CoreFact::dkim_signatures),
        id_of(CoreFact::dkim_weak),
        id_of(CoreFact::message_poisonous)
    };
}

void DkimCheck::join(ScanJob& job, const Facts& /*facts*/, const FilterTools& tools, Observation& seen)
    const {
    if (!tools.message) return;
    std::string copy;
    std::string_view head;
    if (tools.message->is_in_memory()) {
        head = tools.message->view();
    } else if (auto read = tools.message->read(0, dkim_header_limit_octets)) {
        copy = std::move(*read);
        head = copy;
    }
    const DkimSignatureHeaders headers = find_dkim_signatures(head);
    if (headers.signatures.empty()) {
        seen.facts.emplace_back(id_of(CoreFact::dkim_signatures), std::int64_t{0});
        seen.facts.emplace_back(id_of(CoreFact::dkim_pass), TextList{});
        seen.facts.emplace_back(id_of(CoreFact::dkim_results), ResultList{});
        seen.facts.emplace_back(id_of(CoreFact::dkim_weak), TextList{});
        return;
    }
    job.checks.emplace_back(name());
    job.message = tools.message;
    for (const DkimSignatureHeader& signature : headers.signatures)
        if (signature.key_question)
            job.hints.emplace_back(name(), DnsQuestion{*signature.key_question, DnsType::txt});
}

std::vector<FactId> PatternCheck::needs() const {
    return {id_of(CoreFact::message_size)};
}

std::vector<FactId> PatternCheck::makes() const {
    std::vector<FactId> facts;
    for (const Pattern& pattern : patterns_->patterns)
        facts.push_back(pattern.fact);
    return facts;
}

void PatternCheck::join(
    ScanJob& job, const Facts& /*facts*/, const FilterTools& tools, Observation& /*seen*/
) const {
    if (!tools.message) return;
    job.checks.emplace_back(name());
    job.message = tools.message;
    job.patterns = patterns_;
}

}  // namespace wicket
