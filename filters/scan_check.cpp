#include "filters/scan_check.hpp"

#include "mail/dkim_tags.hpp"

#include <fmt/format.h>

namespace wicket {
namespace {

const std::string& text_of(const Facts& facts, CoreFact fact) {
    static const std::string none;
    const auto* text = std::get_if<std::string>(&facts.get(id_of(fact)));
    return text != nullptr ? *text : none;
}

ScanJob job_of(const Facts& facts, const FilterTools& tools, std::string check) {
    ScanJob job;
    job.checks = {std::move(check)};
    if (const auto* address = std::get_if<IpAddress>(&facts.get(id_of(CoreFact::client_ip))))
        job.client_ip = *address;
    job.client_name = text_of(facts, CoreFact::client_name);
    job.helo = text_of(facts, CoreFact::helo_name);
    job.mail_from = text_of(facts, CoreFact::mail_from);
    if (const auto* time = std::get_if<WallTime>(&facts.get(id_of(CoreFact::time_now)))) job.time = *time;
    job.deadline = tools.deadline;
    return job;
}

}  // namespace

boost::asio::awaitable<Observation> ScanCheck::run(ScanJob job) const {
    ScanOutcome outcome = co_await pool_->run(std::move(job));
    totals_->jobs.fetch_add(1, std::memory_order_relaxed);
    totals_->passes.fetch_add(outcome.passes, std::memory_order_relaxed);
    if (outcome.is_poison) outcome.observation.facts.emplace_back(id_of(CoreFact::message_poisonous), true);
    co_return std::move(outcome.observation);
}

std::vector<FactId> SpfCheck::needs() const {
    // The verified name is for the macro %{p} alone, which RFC 7208 section 7.3 wants nobody to use: no
    // waiting for it.
    return {id_of(CoreFact::client_ip), id_of(CoreFact::helo_name), id_of(CoreFact::mail_from)};
}

std::vector<FactId> SpfCheck::makes() const {
    return {id_of(CoreFact::spf_result), id_of(CoreFact::spf_explanation), id_of(CoreFact::spf_helo_result)};
}

boost::asio::awaitable<Observation> SpfCheck::examine(FactsSnapshot facts, FilterTools tools) const {
    return run(job_of(*facts, tools, "spf"));
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

boost::asio::awaitable<Observation> DkimCheck::examine(FactsSnapshot facts, FilterTools tools) const {
    Observation seen;
    if (!tools.message) co_return seen;
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
        co_return seen;
    }
    ScanJob job = job_of(*facts, tools, "dkim");
    job.message = tools.message;
    for (const DkimSignatureHeader& signature : headers.signatures)
        if (signature.key_question) job.hints.push_back({*signature.key_question, DnsType::txt});
    co_return co_await run(std::move(job));
}

}  // namespace wicket
