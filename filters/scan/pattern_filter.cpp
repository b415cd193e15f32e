#include "filters/scan/pattern_filter.hpp"

#include "mail/header.hpp"
#include "mail/message_text.hpp"
#include "mail/pattern_matcher.hpp"

#include <algorithm>

namespace wicket {
namespace {

PatternPart part_of(MessagePiece piece) {
    switch (piece) {
        case MessagePiece::fields: return PatternPart::headers;
        case MessagePiece::texts: return PatternPart::body;
        case MessagePiece::urls: break;
    }
    return PatternPart::urls;
}

/// Looks for the patterns in what is read of a message.
class PatternReader : public MessageReader {
public:
    PatternReader(const PatternMatcher& matcher, PatternFindings& findings)
        : matcher_(matcher), findings_(findings) {}

    bool wants(MessagePiece piece) const override { return matcher_.wants(part_of(piece)); }
    void field(std::string_view name, std::string_view value) override {
        line_.assign(name);
        line_ += ": ";
        line_ += value;
        findings_.look_at(PatternPart::headers, line_);
        if (matcher_.wants_field(name)) findings_.look_at_field(name, value);
    }
    void text(std::string_view text) override { findings_.look_at(PatternPart::body, text); }
    void url(std::string_view url) override { findings_.look_at(PatternPart::urls, url); }
    void missing(MessagePiece piece, std::string_view reason) override {
        findings_.miss(part_of(piece), reason);
    }

private:
    const PatternMatcher& matcher_;
    PatternFindings& findings_;
    std::string line_;  // kept for its room
};

}  // namespace

std::vector<FactId> PatternFilter::needs() const {
    return {id_of(CoreFact::message_size)};
}

std::variant<Observation, DnsQuestions> PatternFilter::scan(
    const ScanInput& input, const DnsAnswers& /*answers*/
) const {
    Observation observation;
    if (input.patterns == nullptr) return observation;
    const PatternMatcher& matcher = *input.patterns;
    PatternFindings findings(matcher);
    PatternReader reader(matcher, findings);
    const bool reads_decoded = matcher.wants(PatternPart::headers) || matcher.wants(PatternPart::body) ||
                               matcher.wants(PatternPart::urls);
    if (reads_decoded) read_message(input.message, &charsets_, reader);
    if (matcher.wants(PatternPart::raw)) {
        const std::size_t begin = std::min(parse_header(input.message).size_octets, input.message.size());
        const std::string_view body = input.message.substr(begin);
        findings.look_at(PatternPart::raw, body.substr(0, pattern_raw_limit_octets));
        if (body.size() > pattern_raw_limit_octets)
            findings.miss(PatternPart::raw, "the body is longer than is looked at");
    }
    observation.facts = findings.facts();
    return observation;
}

}  // namespace wicket
