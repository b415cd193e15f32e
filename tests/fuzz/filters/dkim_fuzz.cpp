// Whatever the message and its keys: DKIM ends with a row for each signature that is looked at, asks for no
// more than the keys of eight, and libopendkim survives what is let through to it. The key records end with
// the first NUL; the message follows.

#include "base/clock.hpp"
#include "filters/scan/dkim_filter.hpp"
#include "filters/scan/dkim_key.hpp"
#include "mail/dkim_tags.hpp"

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
}

}  // namespace
}  // namespace wicket

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer calls it by this name.
extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    wicket::check({reinterpret_cast<const char*>(data), size});
    return 0;
}
