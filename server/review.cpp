#include "server/review.hpp"

namespace wicket {

Review::Review(const Config& config, DecisionLog& log, Progress& progress) : log_(log), progress_(progress) {
    Diagnostics ignored;
    rules_ = load_rules(config.rules, ignored);
    if (rules_ != nullptr) deciding_.emplace(rules_);
}

Result<> Review::learn() {
    // What cannot be read is named by the pass that looks at what was asked for.
    return log_.scan({}, [this](const RecordId&, Result<std::string_view> octets) {
        progress_.count();
        if (!octets) return true;
        auto stored = decode_record(*octets);
        if (!stored) return true;
        if (SenderHistory::wants_evidence(stored->record)) {
            // Without it the message is told from others by what refused it.
            const auto added = add_evidence(log_, *octets, *stored);
            static_cast<void>(added);
        }
        history_.learn(*stored);
        return true;
    });
}

std::set<std::string> Review::deciding_alone(const StoredRecord& stored) {
    return deciding_ ? deciding_->alone(stored) : std::set<std::string>();
}

std::vector<Sign> Review::signs(const StoredRecord& stored) {
    return signs(stored, deciding_alone(stored));
}

std::vector<Sign> Review::signs(const StoredRecord& stored, const std::set<std::string>& alone) {
    JudgedAgain again;
    if (!alone.empty()) again.single_rule = *alone.begin();
    if (deciding_) again.margin = deciding_->margin(stored);
    return signs_of(stored, history_, again);
}

}  // namespace wicket
