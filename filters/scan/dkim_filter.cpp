#include "filters/scan/dkim_filter.hpp"

#include "filters/scan/dkim_digest.hpp"
#include "filters/scan/dkim_key.hpp"
#include "mail/dkim_tags.hpp"

#include <algorithm>
#include <cstdint>
#include <fmt/format.h>
#include <optional>

namespace wicket {
namespace {

/// What a signature says of its domain.
enum class Weight : std::uint8_t {
    nothing,  // it did not verify, or is to be treated as if it were not there
    weak,     // it verified, and could have been forged
    full,
};

/// What became of one signature; the words of RFC 8601 section 2.7.1.
struct Finding {
    std::string result;
    std::string reason = {};
    unsigned key_bits = 0;
    Weight weight = Weight::nothing;
};

Finding refusal_of(const DkimSignatureHeader& signature) {
    const DkimTagFault fault = *signature.fault;
    // RFC 8301 section 3.1: rsa-sha1 must not be verified, so anybody may have written the field.
    const bool is_refused = fault == DkimTagFault::rsa_sha1;
    return {.result = is_refused ? "policy" : "neutral", .reason = std::string(describe(fault))};
}

Finding refusal_of(const DkimKeyError& error) {
    const std::string reason(describe(error.fault));
    if (error.fault == DkimKeyFault::too_short || error.fault == DkimKeyFault::too_long)
        return {.result = "policy", .reason = reason, .key_bits = error.bits};
    return {.result = "permerror", .reason = reason};
}

/// What can be said without key and digest: faults of the field, of its times, of the message.
std::optional<Finding> early_finding(
    const DkimSignatureHeader& signature, const ScanInput& input, std::size_t from_count
) {
    if (signature.fault) return refusal_of(signature);
    if (signature.signed_fields.size() > dkim_signed_fields_limit)
        return Finding{"neutral", "h= names too many fields"};
    const auto now = std::chrono::duration_cast<std::chrono::seconds>(input.time.time_since_epoch()).count();
    // RFC 6376 section 3.5: x=.
    if (signature.expiry && now >= 0 && static_cast<std::uint64_t>(now) > *signature.expiry) {
        return Finding{"permerror", "the signature has expired"};
    }
    // RFC 6376 section 8.15: an added From would be shown, and not be covered.
    if (from_count != 1) return Finding{"policy", "the message has not exactly one From field"};
    return std::nullopt;
}

std::optional<std::string> domain_of(std::string_view identity) {
    const std::size_t at = identity.rfind('@');
    if (at == std::string_view::npos) return std::nullopt;
    return std::string(identity.substr(at + 1));
}

/// The digests of one body, made when the first signature asks for its canonicalisation: at most two passes,
/// however many signatures and lengths there are.
class BodyDigests {
public:
    BodyDigests(std::string_view body, std::vector<std::uint64_t> limits)
        : body_(body), limits_(std::move(limits)) {}

    const DkimBodyDigests& get(DkimCanonicalization canonicalization) {
        auto& digests = canonicalization == DkimCanonicalization::relaxed ? relaxed_ : simple_;
        if (!digests) digests = digest_body(body_, canonicalization, limits_);
        return *digests;
    }

private:
    std::string_view body_;
    std::vector<std::uint64_t> limits_;
    std::optional<DkimBodyDigests> simple_;
    std::optional<DkimBodyDigests> relaxed_;
};

std::string_view view_of(const Sha256& hash) {
    return {reinterpret_cast<const char*>(hash.data()), hash.size()};
}

}  // namespace

struct DkimFilter::State {
    DkimDigester digester;
    DkimKeyCache keys;

    Finding verify(
        const DkimSignatureHeader& signature,
        const DkimDigest& digest,
        BodyDigests& bodies,
        const DkimKeyRecord& key
    ) {
        Finding finding{.result = "fail", .key_bits = key.bits};
        // RFC 8463 section 3: the key must be of the signature's type, which libopendkim does not look at.
        const bool wants_ed25519 = signature.algorithm == "ed25519-sha256";
        if (wants_ed25519 != (key.type == DkimKeyType::ed25519)) {
            return {
                .result = "permerror",
                .reason = "the key is of another type than the signature",
                .key_bits = key.bits
            };
        }
        if (key.is_strict && !signature.identity.empty()) {
            // RFC 6376 section 3.6.1: t=s.
            const auto domain = domain_of(signature.identity);
            if (!domain || !equal_domains(*domain, signature.domain)) {
                return {
                    .result = "permerror",
                    .reason = "i= lies below d=, which the key forbids",
                    .key_bits = key.bits
                };
            }
        }
        // The header first: who cannot sign it gets nobody to read a large body.
        if (!keys.verify(key, digest.header_sha256, decode_base64_tag(digest.signature_tag))) {
            finding.reason = "the signature does not match the header";
            return key.is_test ? in_test_mode(std::move(finding)) : finding;
        }
        const DkimBodyDigests& body = bodies.get(digest.body_canonicalization);
        const Sha256& sha256 = signature.body_length ? body.to.at(*signature.body_length) : body.whole;
        if (signature.body_length && *signature.body_length > body.octets) {
            finding.reason = "l= is longer than the body";
        } else if (decode_base64_tag(digest.body_hash_tag) != view_of(sha256)) {
            finding.reason = "the body has changed";
        } else {
            finding.result = "pass";
            finding.weight = Weight::full;
            if (signature.body_length && *signature.body_length < body.octets) {
                // RFC 6376 section 8.2: what follows may be anybody's.
                finding.reason =
                    fmt::format("l= covers {} of {} octets of the body", *signature.body_length, body.octets);
                finding.weight = Weight::weak;
            }
            if (key.is_short()) {
                // RFC 8301 section 3.2: not to be taken for valid.
                finding.result = "policy";
                finding.reason = describe(DkimKeyFault::too_short);
                finding.weight = Weight::weak;
            }
        }
        return key.is_test ? in_test_mode(std::move(finding)) : finding;
    }

    /// RFC 6376 section 3.6.1, t=y: not to be treated otherwise than unsigned mail, verified or not.
    static Finding in_test_mode(Finding finding) {
        const std::string outcome = finding.reason.empty() ? "the signature verifies" : finding.reason;
        return {
            .result = "policy", .reason = "the key is in test mode; " + outcome, .key_bits = finding.key_bits
        };
    }

    static bool equal_domains(std::string_view a, std::string_view b) {
        return std::ranges::equal(a, b, [](char x, char y) { return lower(x) == lower(y); });
    }
    static char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
};

DkimFilter::DkimFilter() : state_(std::make_unique<State>()) {}
DkimFilter::~DkimFilter() = default;

std::vector<FactId> DkimFilter::needs() const {
    return {id_of(CoreFact::message_size)};
}

std::vector<FactId> DkimFilter::makes() const {
    return {
        id_of(CoreFact::dkim_pass),
        id_of(CoreFact::dkim_results),
        id_of(CoreFact::dkim_signatures),
        id_of(CoreFact::dkim_weak)
    };
}

namespace {

/// The key for a signature, or what its absence comes to.
std::expected<DkimKeyRecord, Finding> key_of(const DnsAnswer& answer) {
    if (answer.status == DnsStatus::try_again)
        return std::unexpected(Finding{"temperror", "the key cannot be looked up"});
    if (answer.records.empty()) return std::unexpected(Finding{"permerror", "there is no key"});
    if (answer.records.size() > 1)
        return std::unexpected(Finding{"permerror", "there is more than one key record"});
    auto key = parse_dkim_key(answer.records[0]);
    if (!key) return std::unexpected(refusal_of(key.error()));
    return std::move(*key);
}

/// The fields for libopendkim: all, but of the signatures only those that are to be verified.
std::vector<std::string_view> fields_for(
    std::string_view message, const HeaderBlock& header, const std::vector<const DkimSignatureHeader*>& wanted
) {
    std::vector<std::string_view> fields;
    for (const HeaderField& field : header.fields) {
        const bool is_signature = field.is("DKIM-Signature");
        const bool is_wanted =
            std::ranges::any_of(wanted, [&](const auto* one) { return one->field == field.whole; });
        if (is_signature && !is_wanted) continue;
        std::string_view text = message.substr(field.whole.offset, field.whole.length);
        if (text.ends_with("\r\n")) text.remove_suffix(2);
        fields.push_back(text);
    }
    return fields;
}

ResultRow row_of(const DkimSignatureHeader& signature, const Finding& finding) {
    ResultRow row;
    row.emplace_back("domain", signature.domain);
    row.emplace_back("selector", signature.selector);
    row.emplace_back("result", finding.result);
    row.emplace_back("reason", finding.reason);
    row.emplace_back("algorithm", signature.algorithm);
    if (finding.key_bits != 0) row.emplace_back("key_bits", std::to_string(finding.key_bits));
    return row;
}

void add_once(std::vector<std::string>& items, const std::string& item) {
    if (!item.empty() && std::ranges::find(items, item) == items.end()) items.push_back(item);
}

Observation observation_of(const DkimSignatureHeaders& headers, const std::vector<Finding>& findings) {
    TextList pass;
    TextList weak;
    ResultList results;
    std::string missing;
    if (headers.total > headers.signatures.size())
        missing = fmt::format("{} of {} signatures were looked at", headers.signatures.size(), headers.total);
    results.missing = missing;
    for (std::size_t index = 0; index < findings.size(); ++index) {
        const DkimSignatureHeader& signature = headers.signatures[index];
        const Finding& finding = findings[index];
        results.rows.push_back(row_of(signature, finding));
        if (finding.weight == Weight::weak) add_once(weak.items, signature.domain);
        if (finding.weight == Weight::full) add_once(pass.items, signature.domain);
        if (finding.result == "temperror")
            missing = fmt::format("the key of {} cannot be looked up", signature.domain);
    }
    pass.missing = weak.missing = missing;
    // One good signature is enough: who adds a weak one to it changes nothing.
    std::erase_if(weak.items, [&pass](const std::string& domain) {
        return std::ranges::find(pass.items, domain) != pass.items.end();
    });
    Observation observation;
    observation.facts.emplace_back(id_of(CoreFact::dkim_pass), std::move(pass));
    observation.facts.emplace_back(id_of(CoreFact::dkim_results), std::move(results));
    observation.facts.emplace_back(
        id_of(CoreFact::dkim_signatures), static_cast<std::int64_t>(headers.total)
    );
    observation.facts.emplace_back(id_of(CoreFact::dkim_weak), std::move(weak));
    return observation;
}

}  // namespace

std::variant<Observation, DnsQuestions> DkimFilter::scan(const ScanInput& input, const DnsAnswers& answers)
    const {
    const HeaderBlock header = parse_header(input.message);
    const DkimSignatureHeaders headers = find_dkim_signatures(header);
    const std::size_t from_count = header.count("From");
    std::vector<std::optional<Finding>> findings;
    DnsQuestions missing;
    for (const DkimSignatureHeader& signature : headers.signatures) {
        findings.push_back(early_finding(signature, input, from_count));
        if (findings.back() || !signature.key_question) continue;
        DnsQuestion question{*signature.key_question, DnsType::txt};
        const bool is_noted = std::ranges::find(missing, question) != missing.end();
        if (!answers.contains(question) && !is_noted) missing.push_back(std::move(question));
    }
    if (!missing.empty()) return missing;
    std::vector<std::optional<DkimKeyRecord>> keys(headers.signatures.size());
    std::vector<const DkimSignatureHeader*> wanted;
    for (std::size_t index = 0; index < headers.signatures.size(); ++index) {
        const DkimSignatureHeader& signature = headers.signatures[index];
        if (findings[index]) continue;
        auto key = key_of(answers.at({signature.key_question.value_or(""), DnsType::txt}));
        if (!key) {
            findings[index] = std::move(key.error());
            continue;
        }
        keys[index] = std::move(*key);
        wanted.push_back(&signature);
    }
    if (!wanted.empty()) {
        std::vector<std::uint64_t> limits;
        for (const DkimSignatureHeader* signature : wanted)
            if (signature->body_length) limits.push_back(*signature->body_length);
        BodyDigests bodies(
            input.message.substr(std::min(header.size_octets, input.message.size())), std::move(limits)
        );
        const auto digests = state_->digester.digest(fields_for(input.message, header, wanted));
        std::size_t at = 0;
        for (std::size_t index = 0; index < keys.size(); ++index) {
            if (!keys[index]) continue;
            if (at >= digests.size()) {
                findings[index] = Finding{"neutral", "the signature cannot be processed"};
            } else if (!digests[at]) {
                findings[index] = Finding{"neutral", digests[at].error()};
            } else {
                findings[index] =
                    state_->verify(headers.signatures[index], *digests[at], bodies, *keys[index]);
            }
            ++at;
        }
    }
    std::vector<Finding> all;
    for (auto& finding : findings)
        all.push_back(finding.value_or(Finding{"neutral", "the signature cannot be processed"}));
    return observation_of(headers, all);
}

}  // namespace wicket
