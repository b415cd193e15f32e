#include "policy/suspicion.hpp"

#include "base/text.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <functional>

namespace wicket {
namespace {

// Points over the threshold that the next small change makes up for.
constexpr double low_margin_points = 1.0;

std::uint64_t hash_of(std::initializer_list<std::string_view> parts) {
    std::string joined;
    for (const std::string_view part : parts) {
        joined += lower_case(part);
        joined += '\0';
    }
    return std::hash<std::string>()(joined);
}

std::string network_of(const DecisionRecord& record) {
    return neighbourhood(record.client_ip).to_string();
}

std::string_view domain_of_sender(const DecisionRecord& record) {
    const std::size_t at = record.from.rfind('@');
    return at == std::string::npos ? std::string_view() : std::string_view(record.from).substr(at + 1);
}

std::uint64_t sender_key(const DecisionRecord& record) {
    return hash_of({record.from, network_of(record)});
}

std::uint64_t domain_key(const DecisionRecord& record) {
    return hash_of({domain_of_sender(record), network_of(record)});
}

std::string envelope_text(const DecisionRecord& record) {
    std::vector<std::string> to;
    for (const RecordRecipient& recipient : record.recipients)
        to.push_back(lower_case(recipient.address));
    std::ranges::sort(to);
    std::string joined = fmt::format("{}\n{}\n", record.from, network_of(record));
    for (const std::string& address : to)
        joined += address + ',';
    return joined;
}

std::uint64_t record_key(const DecisionRecord& record) {
    return hash_of({record.id.to_string()});
}

/// Who has no name cannot be known again.
bool has_sender(const DecisionRecord& record) {
    return record.has_from && !record.from.empty() && is_client_known(record);
}

const FactValue* fact_of(const StoredRecord& stored, std::string_view name) {
    const auto id = stored.dictionary.find(name);
    return id ? &stored.record.facts.get(*id) : nullptr;
}

std::string text_fact_of(const StoredRecord& stored, std::string_view name) {
    const FactValue* value = fact_of(stored, name);
    const auto* text = value != nullptr ? std::get_if<std::string>(value) : nullptr;
    return text != nullptr ? *text : std::string();
}

std::optional<Sign> dkim_sign(const StoredRecord& stored, const std::string& author) {
    const FactValue* value = fact_of(stored, "dkim.pass");
    const auto* passed = value != nullptr ? std::get_if<TextList>(value) : nullptr;
    if (passed == nullptr || author.empty()) return std::nullopt;
    for (const std::string& domain : passed->items)
        if (are_aligned(author, domain)) return Sign{SignKind::dkim_aligned, domain};
    return std::nullopt;
}

std::optional<Sign> spf_sign(const StoredRecord& stored, const std::string& author) {
    if (text_fact_of(stored, "spf.result") != "pass") return std::nullopt;
    const FactValue* everybody = fact_of(stored, "spf.permits_all");
    if (everybody != nullptr && *everybody == FactValue(true))
        return std::nullopt;  // a pass that anybody gets
    const std::string domain = text_fact_of(stored, "mail.domain");
    if (domain.empty()) return std::nullopt;
    const bool is_aligned = !author.empty() && are_aligned(author, domain);
    return Sign{is_aligned ? SignKind::spf_aligned : SignKind::spf_pass, domain};
}

/// Lists are what the administrator names them; an allow list is known by "wl" (dnswl, swl), or by its
/// credit.
std::optional<Sign> allow_list_sign(const StoredRecord& stored) {
    const Facts& facts = stored.record.facts;
    for (FactId id = 0; id < facts.size() && id < stored.dictionary.rows().size(); ++id) {
        const std::string& name = stored.dictionary.row(id).name;
        if (!name.starts_with("dnsbl.") || !(name.contains("wl") || name.contains("allow"))) continue;
        const auto* list = std::get_if<TextList>(&facts.get(id));
        if (list == nullptr) continue;
        // DNSWL's rank "none" says only that it is known.
        const auto trusted =
            std::ranges::find_if(list->items, [](const auto& item) { return item != "none"; });
        if (trusted != list->items.end())
            return Sign{SignKind::allow_listed, name.substr(6) + " " + *trusted};
    }
    return std::nullopt;
}

}  // namespace

const std::vector<SignRow>& sign_table() {
    using enum SignKind;
    static const std::vector<SignRow> rows = {
        {dkim_aligned,    "dkim_aligned",    4, "a DKIM signature of the author's domain verified"                 },
        {sender_accepted, "sender_accepted", 4, "mail of this address was accepted from this network before"       },
        {spf_aligned,     "spf_aligned",     3, "SPF passed for the author's domain"                               },
        {allow_listed,    "allow_listed",    3, "an allow list knows the host"                                     },
        {domain_accepted, "domain_accepted", 2, "mail of this domain was accepted from this network before"        },
        {spf_pass,        "spf_pass",        1, "SPF passed, for another domain than the author's or one not known"},
        {retried,         "retried",         2, "the same network sent the same message again, minutes later"      },
        {single_rule,     "single_rule",     2, "without one rule it would have passed"                            },
        {low_margin,      "low_margin",      1, "at most one point over the threshold"                             },
    };
    return rows;
}

const SignRow& row_of(SignKind kind) {
    return sign_table().at(static_cast<std::size_t>(kind));
}

int weight_of(const std::vector<Sign>& signs) {
    int sum = 0;
    for (const Sign& sign : signs)
        sum += row_of(sign.kind).weight;
    return sum;
}

bool are_aligned(std::string_view a, std::string_view b) {
    if (a.size() < b.size()) std::swap(a, b);
    if (!b.contains('.') || !equal_ignoring_case(a.substr(a.size() - b.size()), b)) return false;
    return a.size() == b.size() || a[a.size() - b.size() - 1] == '.';
}

bool is_refusal(const DecisionRecord& record, DeferredToo deferred) {
    if (is_builtin_rule(record.verdict.rule)) return false;
    switch (record.verdict.action) {
        case Action::none:
        case Action::accept: return false;
        case Action::greylist:
        case Action::defer: return deferred == DeferredToo::yes;
        default: return true;
    }
}

void SenderHistory::note(Times& times, std::uint64_t key, WallTime time) {
    if (times.size() < limit_)
        times.try_emplace(key, time);
    else if (!times.contains(key))
        is_capped_ = true;
}

bool SenderHistory::is_before(const Times& times, std::uint64_t key, WallTime time) {
    const auto found = times.find(key);
    return found != times.end() && found->second < time;
}

void SenderHistory::learn(const StoredRecord& stored) {
    const DecisionRecord& record = stored.record;
    if (!has_sender(record)) return;
    if (record.verdict.action == Action::accept) {
        note(senders_, sender_key(record), record.time);
        note(domains_, domain_key(record), record.time);
        put_off_.erase(hash_of({envelope_text(record)}));  // it has come
        return;
    }
    if (!is_refusal(record, DeferredToo::yes)) return;
    if (refusals_.size() >= limit_) {
        is_capped_ = true;
        return;
    }
    Tries& tries = tries_of(record);
    if (tries.count++ == 0) tries.first = record.time;
    tries.last = record.time;
    refusals_.emplace(record_key(record), &tries);
}

bool SenderHistory::wants_evidence(const DecisionRecord& record) {
    return has_sender(record) && record.size != 0 && is_refusal(record, DeferredToo::yes);
}

SenderHistory::Tries& SenderHistory::tries_of(const DecisionRecord& record) {
    const std::string envelope = envelope_text(record);
    const std::uint64_t envelope_key = hash_of({envelope});
    const bool is_put_off =
        record.verdict.action == Action::greylist || record.verdict.action == Action::defer;
    if (is_put_off && record.message_sha256.empty()) {
        Tries*& found = put_off_[envelope_key];
        return found != nullptr ? *found : *(found = &tries_.emplace_back());
    }
    const std::string what = record.message_sha256.empty()
                                 ? fmt::format("{} {}", to_string(record.verdict.action), record.verdict.rule)
                                 : "sha256 " + record.message_sha256;
    Tries*& found = messages_[hash_of({envelope, what})];
    if (found != nullptr) return *found;
    const auto before = put_off_.find(envelope_key);
    if (before == put_off_.end()) return *(found = &tries_.emplace_back());
    found = before->second;
    put_off_.erase(before);
    return *found;
}

bool SenderHistory::accepted_sender_before(const DecisionRecord& record) const {
    return has_sender(record) && is_before(senders_, sender_key(record), record.time);
}

bool SenderHistory::accepted_domain_before(const DecisionRecord& record) const {
    return has_sender(record) && is_before(domains_, domain_key(record), record.time);
}

const SenderHistory::Tries* SenderHistory::tries(const DecisionRecord& record) const {
    if (!has_sender(record)) return nullptr;
    const auto found = refusals_.find(record_key(record));
    return found != refusals_.end() ? found->second : nullptr;
}

std::vector<Sign> signs_of(
    const StoredRecord& stored, const SenderHistory& history, const JudgedAgain& again
) {
    const DecisionRecord& record = stored.record;
    const std::string author = text_fact_of(stored, "from.domain");
    std::vector<Sign> signs;
    const auto add = [&signs](std::optional<Sign> sign) {
        if (sign) signs.push_back(std::move(*sign));
    };
    add(dkim_sign(stored, author));
    if (history.accepted_sender_before(record))
        signs.push_back({SignKind::sender_accepted, record.from});
    else if (history.accepted_domain_before(record))
        signs.push_back({SignKind::domain_accepted, std::string(domain_of_sender(record))});
    add(spf_sign(stored, author));
    add(allow_list_sign(stored));
    const SenderHistory::Tries* tries = history.tries(record);
    if (tries != nullptr && tries->count > 1 && tries->last - tries->first >= retry_pause)
        signs.push_back({SignKind::retried, fmt::format("{} times", tries->count)});
    if (!again.single_rule.empty()) signs.push_back({SignKind::single_rule, again.single_rule});
    if (again.margin && *again.margin >= 0 && *again.margin <= low_margin_points)
        signs.push_back({SignKind::low_margin, fmt::format("{:g}", *again.margin)});
    return signs;
}

}  // namespace wicket
