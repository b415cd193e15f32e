// Whatever comes over the channel between front and worker: it is refused, or it is within all limits and
// survives being sent again.

#include "filters/scan/frames.hpp"

#include <algorithm>
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
    const ScanInput& sent = job->frame.input;
    const ScanInput& got = received->frame.input;
    require(got.mail_from == sent.mail_from && got.helo == sent.helo);
    require(got.client_ip == sent.client_ip && got.client_name == sent.client_name);
    require(got.our_hostname == sent.our_hostname && got.time == sent.time);
    require(received->frame.file_size == job->frame.file_size);
    require(received->frame.patterns == job->frame.patterns);
    // An answer that is too large for the frame comes as a failure, never as another answer.
    require(received->frame.answers.size() == job->frame.answers.size());
    for (const auto& [question, answer] : received->frame.answers) {
        const auto before = job->frame.answers.find(question);
        require(before != job->frame.answers.end());
        require(answer.status == DnsStatus::try_again || answer.records == before->second.records);
    }
}

void check_patterns(std::string_view octets) {
    const auto frame = decode_patterns(octets);
    if (!frame) return;
    require(frame->patterns.patterns.size() <= pattern_count_limit);
    for (const Pattern& pattern : frame->patterns.patterns)
        require(pattern.field.empty() || pattern.part == PatternPart::headers);
    const auto again = encode_patterns(*frame);
    if (!again) return;
    const auto received = decode_patterns(*again);
    require(received.has_value());
    require(received->patterns.hash == frame->patterns.hash && received->drop == frame->drop);
}

void check_result(std::string_view octets, const std::vector<std::string>& asked) {
    static const FactDictionary dictionary = [] {
        FactDictionary facts;
        facts.declare({"pattern.a", FactType::boolean, Stage::end, "pattern", ""});
        facts.declare({"pattern.b", FactType::boolean, Stage::end, "pattern", ""});
        return facts;
    }();
    const auto results = decode_result(octets, asked, dictionary);
    if (!results) return;
    require(results->size() == asked.size());
    require(octets.size() <= result_frame_limit_octets);
    for (const CheckResult& result : *results) {
        require(std::ranges::count(asked, result.check) == 1);
        if (const auto* const questions = std::get_if<1>(&result.outcome)) {
            require(!questions->empty() && questions->size() <= frame_question_limit);
            require(std::ranges::all_of(*questions, is_acceptable_question));
            continue;
        }
        for (const auto& [id, value] : std::get<0>(result.outcome)) {
            require(dictionary.row(id).filter == result.check);
            if (const auto* const text = std::get_if<std::string>(&value))
                require(text->size() <= frame_text_limit_octets);
            if (const auto* const list = std::get_if<TextList>(&value))
                require(list->items.size() <= frame_list_limit);
        }
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
    wicket::check_patterns(octets);
    wicket::check_result(octets, {"spf"});
    wicket::check_result(octets, {"dkim"});
    wicket::check_result(octets, {"spf", "dkim"});
    wicket::check_result(octets, {"pattern"});
    return 0;
}
