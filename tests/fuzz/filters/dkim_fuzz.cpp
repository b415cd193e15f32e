// Whatever the message and its keys: DKIM ends with a row for each signature that is looked at, asks for no
// more than the keys of eight, libopendkim survives what is let through to it, and of a body it makes what we
// make of it. The key records end with the first NUL; the message follows.

#include "base/clock.hpp"
#include "filters/scan/dkim_filter.hpp"
#include "filters/scan/dkim_key.hpp"
#include "mail/dkim_tags.hpp"
#include "tests/unit/filters/opendkim_body.hpp"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <string>
#include <string_view>

namespace wicket {
namespace {

void require(bool holds) {
    if (!holds) std::abort();
}

/// "?" stands for a name server that does not answer, "!" for a name that does not exist; each line is a
/// record.
DnsAnswer answer_of(const std::string& record) {
    DnsAnswer answer;
    if (record == "?") return answer;
    answer.status = record == "!" ? DnsStatus::no_such_name : DnsStatus::found;
    if (record == "!") return answer;
    std::size_t begin = 0;
    for (std::size_t end = record.find('\n'); end != std::string::npos; end = record.find('\n', begin)) {
        answer.records.push_back(record.substr(begin, end - begin));
        begin = end + 1;
    }
    answer.records.push_back(record.substr(begin));
    return answer;
}

/// Whether every CR and LF is a part of a line end, and the last octets are one: what SMTP lets through, and
/// what libopendkim is made for.
bool has_whole_lines(std::string_view body) {
    for (std::size_t at = 0; at < body.size(); ++at) {
        if (body[at] == '\n') return false;
        if (body[at] == '\r' && (at + 1 == body.size() || body[++at] != '\n')) return false;
    }
    return body.empty() || body.ends_with("\r\n");
}

void compare_bodies(std::string_view body) {
    if (!has_whole_lines(body)) return;
    for (const auto canonicalization : {DkimCanonicalization::simple, DkimCanonicalization::relaxed}) {
        const std::uint64_t octets = digest_body(body, canonicalization, {}).octets;
        const DkimBodyDigests ours = digest_body(body, canonicalization, {octets, octets / 2});
        require(ours.octets == octets && ours.to.at(octets) == ours.whole);
        for (const auto& [limit, sha256] : ours.to)
            require(
                std::string(sha256.begin(), sha256.end()) ==
                testing::opendkim_body_sha256(body, canonicalization, limit)
            );
    }
}

void check(std::string_view text) {
    static const DkimFilter filter;
    const std::size_t end = std::min(text.find('\0'), text.size());
    const std::string record(text.substr(0, end));
    if (const auto key = parse_dkim_key(record)) require(key->bits <= dkim_key_most_bits);
    ScanInput input;
    input.time = WallTime(std::chrono::seconds(1'767'000'000));
    input.message = text.substr(std::min(end + 1, text.size()));
    DnsAnswers answers;
    auto result = filter.scan(input, answers);
    if (const auto* const questions = std::get_if<DnsQuestions>(&result)) {
        require(!questions->empty() && questions->size() <= dkim_signatures_limit);
        for (const DnsQuestion& question : *questions) {
            DnsAnswer& answer = answers[question];
            answer = answer_of(record);
        }
        result = filter.scan(input, answers);
    }
    const auto* const observation = std::get_if<Observation>(&result);
    require(observation != nullptr && observation->facts.size() == filter.makes().size());
    for (std::size_t at = 0; at < observation->facts.size(); ++at)
        require(observation->facts[at].first == filter.makes()[at]);
    require(!filter.needs().empty());
    // What was verified before leaves no trace.
    const auto again = filter.scan(input, answers);
    require(std::get<Observation>(again).facts == observation->facts);
    compare_bodies(input.message);
}

}  // namespace
}  // namespace wicket

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer calls it by this name.
extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    wicket::check({reinterpret_cast<const char*>(data), size});
    return 0;
}
