#include "policy/redaction.hpp"

#include "base/sha256.hpp"
#include "base/text.hpp"

#include <algorithm>

namespace wicket {
namespace {

// SHA-256 works on blocks of so many octets (RFC 2104 section 2).
constexpr std::size_t hash_block_octets = 64;
// Of the hash: two of a million addresses are equal with a probability of 3 in 10^8.
constexpr std::size_t redacted_octets = 8;
constexpr std::size_t redacted_length = 1 + 2 * redacted_octets;

std::string_view view_of(const Sha256& hash) {
    return {reinterpret_cast<const char*>(hash.data()), hash.size()};
}

/// HMAC (RFC 2104) with SHA-256.
std::string keyed_hash(std::string_view key, std::string_view text) {
    std::string inner(hash_block_octets, '\x36'), outer(hash_block_octets, '\x5c');
    for (std::size_t at = 0; at < std::min(key.size(), hash_block_octets); ++at) {
        inner[at] = static_cast<char>(inner[at] ^ key[at]);
        outer[at] = static_cast<char>(outer[at] ^ key[at]);
    }
    inner += text;
    outer += view_of(sha256_of(inner));
    return std::string(view_of(sha256_of(outer)));
}

bool is_redacted(std::string_view local_part) {
    return local_part.size() == redacted_length && local_part.front() == '~' &&
           std::ranges::all_of(local_part.substr(1), [](char c) {
               return is_digit(c) || (c >= 'a' && c <= 'f');
           });
}

/// atext of RFC 5322 section 3.2.3 with the dot, and UTF-8 (RFC 6531 section 3.3).
bool is_local_octet(char c) {
    constexpr std::string_view others = "!#$%&'*+-/=?^_`{|}~.";
    return is_letter_or_digit(c) || !is_ascii(c) || others.contains(c);
}

bool is_domain_octet(char c) {
    return is_letter_or_digit(c) || !is_ascii(c) || c == '.' || c == '-';
}

/// Where the local part begins that ends at `end`; `end` if there is none.
std::size_t local_part_begin(std::string_view text, std::size_t end) {
    std::size_t begin = end;
    if (end != 0 && text[end - 1] == '"') {
        const std::size_t quote = end < 2 ? std::string_view::npos : text.rfind('"', end - 2);
        return quote == std::string_view::npos ? end : quote;
    }
    while (begin != 0 && is_local_octet(text[begin - 1]))
        --begin;
    return begin;
}

std::size_t domain_end(std::string_view text, std::size_t begin) {
    if (begin < text.size() && text[begin] == '[') {
        const std::size_t bracket = text.find(']', begin);
        return bracket == std::string_view::npos ? begin : bracket + 1;
    }
    while (begin < text.size() && is_domain_octet(text[begin]))
        ++begin;
    return begin;
}

}  // namespace

std::string Redactor::local_part(std::string_view local_part, std::string_view domain) const {
    if (local_part.empty() || is_redacted(local_part)) return std::string(local_part);
    const std::string address = lower_case(std::string(local_part) + '@' + std::string(domain));
    return '~' + to_hex(std::string_view(keyed_hash(key_, address)).substr(0, redacted_octets));
}

std::string Redactor::address(std::string_view address) const {
    const std::size_t at = address.rfind('@');
    if (at == std::string_view::npos) return std::string(address);
    const std::string_view domain = address.substr(at + 1);
    return local_part(address.substr(0, at), domain) + '@' + std::string(domain);
}

std::string Redactor::text(std::string_view text) const {
    std::string made;
    std::size_t done = 0;
    for (std::size_t at = text.find('@'); at != std::string_view::npos; at = text.find('@', at + 1)) {
        const std::size_t begin = std::max(local_part_begin(text, at), done);
        const std::size_t end = domain_end(text, at + 1);
        if (begin == at || end == at + 1) continue;
        made += text.substr(done, begin - done);
        made += local_part(text.substr(begin, at - begin), text.substr(at + 1, end - at - 1));
        done = at;
    }
    made += text.substr(done);
    return made;
}

std::string Redactor::path(std::string_view path) const {
    std::string made = text(path);
    const bool is_whole =
        path.empty() || path.front() == '@' || made.front() == '~' || equal_ignoring_case(path, "postmaster");
    return is_whole ? made : local_part(path, "");
}

std::string Redactor::transcript_line(std::string_view line) const {
    // Who said it, when, a space, and the words.
    const std::size_t words = line.find(' ') + 1;
    const std::string_view said = line.substr(words);
    for (const std::string_view verb : {"MAIL FROM:", "RCPT TO:", "VRFY ", "EXPN "}) {
        if (!starts_with_ignoring_case(said, verb)) continue;
        std::size_t begin = words + verb.size();
        while (begin < line.size() && (line[begin] == ' ' || line[begin] == '<'))
            ++begin;
        std::size_t end = line.find_last_of('>');
        if (end == std::string_view::npos || end < begin) end = line.find(' ', begin);
        end = std::min(end, line.size());
        return std::string(line.substr(0, begin)) + path(line.substr(begin, end - begin)) +
               text(line.substr(end));
    }
    return text(line);
}

std::string Redactor::transcript(std::string_view transcript) const {
    std::string made;
    while (!transcript.empty()) {
        const std::size_t end = std::min(transcript.find('\n'), transcript.size());
        made += transcript_line(transcript.substr(0, end));
        if (end < transcript.size()) made += '\n';
        transcript.remove_prefix(std::min(end + 1, transcript.size()));
    }
    return made;
}

void Redactor::redact(Verdict& verdict) const {
    verdict.reply.text = text(verdict.reply.text);
    for (auto& [name, value] : verdict.added_headers)
        value = text(value);
}

void Redactor::redact(FactValue& value) const {
    if (auto* one = std::get_if<std::string>(&value)) *one = text(*one);
    if (auto* list = std::get_if<TextList>(&value))
        for (std::string& item : list->items)
            item = text(item);
    if (auto* list = std::get_if<ResultList>(&value))
        for (ResultRow& row : list->rows)
            for (auto& [name, field] : row)
                field = text(field);
}

void Redactor::redact(Facts& facts, std::string_view domain, const FactDictionary& dictionary) const {
    for (std::size_t at = 0; at < std::min(facts.size(), dictionary.rows().size()); ++at) {
        const auto id = static_cast<FactId>(at);
        if (std::holds_alternative<Absent>(facts.get(id))) continue;
        FactValue value = facts.get(id);
        if (auto* local = std::get_if<std::string>(&value); local && id == id_of(CoreFact::rcpt_local_part))
            *local = local_part(*local, domain);
        else
            redact(value);
        facts.set(id, std::move(value));
    }
}

void Redactor::redact(DecisionRecord& record, const FactDictionary& dictionary) const {
    // SPF macros put the sender's local part into questions (RFC 7208 section 7.2).
    const std::size_t at = record.from.rfind('@');
    if (at != std::string::npos && at != 0) {
        const std::string label = lower_case(record.from.substr(0, at)) + '.';
        const std::string redacted = local_part(record.from.substr(0, at), record.from.substr(at + 1)) + '.';
        for (DnsLookup& lookup : record.lookups)
            if (lower_case(lookup.question.name).starts_with(label))
                lookup.question.name.replace(0, label.size(), redacted);
    }
    record.from = address(record.from);
    record.helo = text(record.helo);
    record.transcript = transcript(record.transcript);
    record.reply.text = text(record.reply.text);
    redact(record.verdict);
    const auto domain_of = [](const std::string& one) { return one.substr(one.rfind('@') + 1); };
    redact(
        record.facts, record.recipients.empty() ? "" : domain_of(record.recipients[0].address), dictionary
    );
    for (RecordRecipient& recipient : record.recipients) {
        if (recipient.facts != nullptr) {
            auto facts = std::make_shared<Facts>(*recipient.facts);
            redact(*facts, domain_of(recipient.address), dictionary);
            recipient.facts = std::move(facts);
        }
        recipient.address = address(recipient.address);
        redact(recipient.verdict);
    }
    for (RecordEvent& event : record.events)
        event.what = text(event.what);
    record.is_redacted = true;
}

}  // namespace wicket
