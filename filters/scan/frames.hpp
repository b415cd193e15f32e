// The frames between front and scan worker as values, and their octets. Whoever receives checks everything:
// a worker may have been taken over by what it parsed, so the front believes only well-formed facts of the
// check that was asked for. Pure functions; any thread.
#pragma once

#include "base/message_bytes.hpp"
#include "filters/scan_filter.hpp"
#include "mail/fact_dictionary.hpp"
#include "mail/pattern.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace wicket {

// All answers of a job together; a domain that publishes more is not worth the memory. What does not fit is
// sent as a temporary failure.
inline constexpr std::size_t frame_answers_limit_octets = 96U << 10U;
// Any one answer: DNS over TCP could bring 64 KiB, an honest TXT set stays far below.
inline constexpr std::size_t frame_answer_limit_octets = 16U << 10U;
// Body, answers, and room for names: what the receiver's buffer holds.
inline constexpr std::size_t job_frame_limit_octets =
    message_inline_limit_octets + frame_answers_limit_octets + (32U << 10U);
// Facts are short, and so are their lists.
inline constexpr std::size_t result_frame_limit_octets = 64U << 10U;
inline constexpr std::size_t frame_text_limit_octets = 4096;
inline constexpr std::size_t frame_list_limit = 64;
inline constexpr std::size_t frame_question_limit = 64;
// Two of these fit into what a worker may allocate (sandbox.cpp); a larger message is not scanned.
inline constexpr std::uint64_t frame_body_limit_octets = 128U << 20U;

struct JobFrame {
    std::vector<std::string> checks;
    ScanInput input;  // `message` is what stands inline
    DnsAnswers answers;
    std::optional<std::uint64_t> file_size;  // the message is in the descriptor beside the frame
    std::optional<Sha256> patterns = {};     // the hash of the set that the check "pattern" looks for
};

struct CheckResult {
    std::string check;
    /// Facts, or the questions without which there are none.
    std::variant<std::vector<std::pair<FactId, FactValue>>, DnsQuestions> outcome;
};

/// Answers over the limits become try_again. nullopt if the frame would be over job_frame_limit_octets all
/// the same.
std::optional<std::string> encode_job(const JobFrame& job);

/// A decoded job. `octets` is the message that stood inline; whoever keeps the two sets
/// `frame.input.message`.
struct ReceivedJob {
    JobFrame frame;
    std::string octets;
};
/// nullopt if anything is out of bounds or malformed.
std::optional<ReceivedJob> decode_job(std::string_view octets);

/// A rule set's patterns on their way to a worker.
struct PatternsFrame {
    PatternSet patterns;
    std::optional<Sha256> drop = {};  // a set that the worker need not hold any longer
};
/// nullopt if the frame would be over job_frame_limit_octets.
std::optional<std::string> encode_patterns(const PatternsFrame& frame);
/// nullopt if anything is out of bounds or malformed. The hash is made anew.
std::optional<PatternsFrame> decode_patterns(std::string_view octets);

std::string encode_result(const std::vector<CheckResult>& results);
/// nullopt if anything is out of bounds or malformed, of a check not among `asked`, or a fact that the
/// dictionary does not give to that check or to that type.
std::optional<std::vector<CheckResult>> decode_result(
    std::string_view octets, const std::vector<std::string>& asked, const FactDictionary& dictionary
);

/// Whether a question may be put to the DNS at all: a name of at most 253 printable octets, of a type that
/// the checks have a use for.
bool is_acceptable_question(const DnsQuestion& question);

}  // namespace wicket
