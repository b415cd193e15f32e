// Whatever comes over the channel between front and worker: it is refused, or it is within all limits and
// survives being sent again.

#include "filters/scan/frames.hpp"

#include <cstdlib>
#include <string_view>

namespace wicket {
namespace {

void require(bool holds) {
    if (!holds) std::abort();
}

void check_job(std::string_view octets) {
    auto job = decode_job(octets);
    if (!job) return;
    require(!job->frame.checks.empty());
    for (const auto& [question, answer] : job->frame.answers)
        require(is_acceptable_question(question));
    job->frame.input.message = job->octets;
    const auto again = encode_job(job->frame);
    if (!again) return;
    const auto received = decode_job(*again);
    require(received.has_value());
    require(received->octets == job->octets && received->frame.checks == job->frame.checks);
    require(received->frame.input.mail_from == job->frame.input.mail_from);
}

void check_result(std::string_view octets, const std::vector<std::string>& asked) {
    static const FactDictionary dictionary;
    const auto results = decode_result(octets, asked, dictionary);
    if (!results) return;
    require(results->size() == asked.size());
    for (const CheckResult& result : *results) {
        const auto* const facts = std::get_if<0>(&result.outcome);
        if (facts == nullptr) continue;
        for (const auto& [id, value] : *facts)
            require(dictionary.row(id).filter == result.check);
    }
    const auto again = decode_result(encode_result(*results), asked, dictionary);
    require(again.has_value());
    for (std::size_t index = 0; index < results->size(); ++index) {
        require((*again)[index].outcome == (*results)[index].outcome);
    }
}

}  // namespace
}  // namespace wicket

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer calls it by this name.
extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    const std::string_view octets(reinterpret_cast<const char*>(data), size);
    wicket::check_job(octets);
    wicket::check_result(octets, {"spf"});
    wicket::check_result(octets, {"dkim"});
    wicket::check_result(octets, {"spf", "dkim"});
    return 0;
}
