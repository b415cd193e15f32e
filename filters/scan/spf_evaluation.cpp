#include "filters/scan/spf_evaluation.hpp"

#include "base/text.hpp"
#include "filters/scan/spf_gate.hpp"

#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <cstdio>
#include <cstring>
#include <netdb.h>
#include <netinet/in.h>
#include <stdexcept>

extern "C" {
#include <spf2/spf.h>
#include <spf2/spf_dns.h>
}

namespace wicket {
namespace {

struct ServerDeleter {
    void operator()(SPF_server_t* server) const { SPF_server_free(server); }
};
struct RequestDeleter {
    void operator()(SPF_request_t* request) const { SPF_request_free(request); }
};
struct ResponseDeleter {
    void operator()(SPF_response_t* response) const { SPF_response_free(response); }
};

SpfGate& gate_of(SPF_dns_server_t* dns) {
    return *static_cast<SpfGate*>(dns->hook);
}

SPF_dns_rr_t* make_rr(SPF_dns_server_t* dns, const char* domain, ns_type type, SPF_dns_stat_t status) {
    SPF_dns_rr_t* rr = SPF_dns_rr_new_init(dns, domain, type, 0, status);
    // libspf2 aborts on a null here, which in a worker without memory is as good an end as any.
    return rr;
}

void add_record(SPF_dns_rr_t* rr, ns_type type, const std::string& record) {
    const int index = rr->num_rr;
    if (SPF_dns_rr_buf_realloc(rr, index, record.size() + 1) != SPF_E_SUCCESS) return;
    SPF_dns_rr_data_t* const slot = rr->rr[index];
    if (type == ns_t_a) {
        std::memcpy(&slot->a, record.data(), sizeof slot->a);
    } else if (type == ns_t_aaaa) {
        std::memcpy(&slot->aaaa, record.data(), sizeof slot->aaaa);
    } else {
        // mx and ptr are unions of text at the slot's beginning.
        std::memcpy(slot->ptr, record.c_str(), record.size() + 1);
    }
    ++rr->num_rr;
}

SPF_dns_rr_t* lookup(SPF_dns_server_t* dns, const char* domain, ns_type type, int /*should_cache*/) noexcept {
    SpfGate& gate = gate_of(dns);
    SpfGate::Records records;
    switch (type) {
        case ns_t_a: records = gate.addresses(domain, DnsType::a); break;
        case ns_t_aaaa: records = gate.addresses(domain, DnsType::aaaa); break;
        case ns_t_mx: records = gate.mail_exchangers(domain); break;
        case ns_t_ptr: records = gate.client_names(); break;
        default: break;
    }
    if (!records) return make_rr(dns, domain, type, TRY_AGAIN);
    if (records->empty()) return make_rr(dns, domain, type, NO_DATA);
    SPF_dns_rr_t* const rr = make_rr(dns, domain, type, NETDB_SUCCESS);
    for (const std::string& record : *records)
        add_record(rr, type, record);
    return rr;
}

SPF_errcode_t get_record(
    SPF_server_t* server, SPF_request_t* request, SPF_response_t* response, SPF_record_t** record
) noexcept {
    *record = nullptr;
    const auto text = gate_of(server->resolver).record_text(request->cur_dom);
    switch (text.standing) {
        case SpfGate::RecordStanding::found:
            return SPF_record_compile(server, response, record, text.text.c_str());
        case SpfGate::RecordStanding::none:
            response->result = SPF_RESULT_NONE;
            response->reason = SPF_REASON_FAILURE;
            return SPF_E_NOT_SPF;
        case SpfGate::RecordStanding::stopped: break;
    }
    response->result = SPF_RESULT_TEMPERROR;
    response->reason = SPF_REASON_FAILURE;
    return SPF_E_DNS_ERROR;
}

SpfResult result_of(SPF_result_t result) {
    switch (result) {
        case SPF_RESULT_NEUTRAL: return SpfResult::neutral;
        case SPF_RESULT_PASS: return SpfResult::pass;
        case SPF_RESULT_FAIL: return SpfResult::fail;
        case SPF_RESULT_SOFTFAIL: return SpfResult::softfail;
        case SPF_RESULT_NONE: return SpfResult::none;
        case SPF_RESULT_TEMPERROR: return SpfResult::temperror;
        case SPF_RESULT_INVALID:
        case SPF_RESULT_PERMERROR: break;
    }
    return SpfResult::permerror;
}

void set_client(SPF_request_t* request, const std::string& octets) {
    if (octets.size() == 4) {
        in_addr address{};
        std::memcpy(&address, octets.data(), sizeof address);
        SPF_request_set_ipv4(request, address);
    } else {
        in6_addr address{};
        std::memcpy(&address, octets.data(), sizeof address);
        SPF_request_set_ipv6(request, address);
    }
}

}  // namespace

struct SpfEvaluator::State {
    SPF_dns_server_t dns{};
    std::unique_ptr<SPF_server_t, ServerDeleter> server;
};

SpfEvaluator::SpfEvaluator() : state_(std::make_unique<State>()) {
    state_->dns.lookup = lookup;
    state_->dns.get_spf = get_record;
    state_->dns.name = "replay";
    // Without a destroy function libspf2 takes the resolver for somebody else's, which it is.
    state_->server.reset(SPF_server_new_dns(&state_->dns, 0));
    if (!state_->server) throw std::runtime_error("libspf2 gives no server");
    SPF_response_t* response = nullptr;
    // The default explanation has macros; ours must not, since none may be expanded in there.
    const auto error = SPF_server_set_explanation(state_->server.get(), "none", &response);
    const std::unique_ptr<SPF_response_t, ResponseDeleter> owned(response);
    if (error != SPF_E_SUCCESS ||
        SPF_server_set_rec_dom(state_->server.get(), "receiver.w") != SPF_E_SUCCESS) {
        throw std::runtime_error("libspf2 takes no explanation");
    }
    // The gate counts over the whole evaluation; the library's own counters begin anew at every include.
    SPF_server_set_max_dns_mech(state_->server.get(), 2 * spf_term_limit);
}

SpfEvaluator::~SpfEvaluator() = default;

std::optional<SpfVerdict> SpfEvaluator::evaluate(const SpfQuery& query, SpfLedger& ledger) {
    SpfGate gate(query, ledger);
    state_->dns.hook = &gate;
    const std::unique_ptr<SPF_request_t, RequestDeleter> request(SPF_request_new(state_->server.get()));
    if (!request) throw std::bad_alloc();
    set_client(request.get(), gate.presented_client());
    const std::string sender = "postmaster@" + gate.top_name();
    SPF_request_set_helo_dom(request.get(), gate.top_name().c_str());
    SPF_request_set_env_from(request.get(), sender.c_str());
    SPF_response_t* response = nullptr;
    SPF_request_query_mailfrom(request.get(), &response);
    const std::unique_ptr<SPF_response_t, ResponseDeleter> owned(response);
    state_->dns.hook = nullptr;
    if (gate.is_pending()) return std::nullopt;
    if (!response) throw std::bad_alloc();
    SpfVerdict verdict{.result = gate.forced().value_or(result_of(SPF_response_result(response)))};
    verdict.permits_all = verdict.result == SpfResult::pass && gate.permits_all();
    if (verdict.result != SpfResult::fail) return verdict;
    verdict.explanation = gate.explanation();
    if (gate.is_pending()) return std::nullopt;
    return verdict;
}

std::string_view to_string(SpfResult result) {
    switch (result) {
        case SpfResult::none: return "none";
        case SpfResult::neutral: return "neutral";
        case SpfResult::pass: return "pass";
        case SpfResult::fail: return "fail";
        case SpfResult::softfail: return "softfail";
        case SpfResult::temperror: return "temperror";
        case SpfResult::permerror: break;
    }
    return "permerror";
}

SpfLedger::Reply SpfLedger::ask(DnsQuestion question) {
    const bool is_new = !used_.contains(question);
    if (is_new && used_.size() >= spf_question_limit) return {Standing::over_limit, nullptr};
    const auto found = answers_.find(question);
    if (found == answers_.end() && is_new) missing_.push_back(question);
    if (is_new) used_.insert(std::move(question));
    if (found == answers_.end()) return {Standing::missing, nullptr};
    return {Standing::answered, &found->second};
}

}  // namespace wicket
