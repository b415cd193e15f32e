#include "filters/scan_pool_senders.hpp"

#include <utility>

namespace wicket {

bool SenderQuestions::may_ask(const std::string& sender, const DnsQuestion& question, SteadyTime now) {
    if (is_known(question)) return true;
    if (now >= window_end_) {
        asked_.clear();
        window_end_ = now + sender_question_window;
    }
    const auto found = asked_.find(sender);
    if (found == asked_.end()) {
        if (asked_.size() < senders_limit) asked_.emplace(sender, 1);
        return limit_ != 0;
    }
    if (found->second >= limit_) return false;
    ++found->second;
    return true;
}

void SenderQuestions::answered(const DnsQuestion& question, const DnsAnswer& answer) {
    if (answer.status == DnsStatus::found || answer.status == DnsStatus::no_data) note_known(question);
}

bool SenderQuestions::is_known(const DnsQuestion& question) {
    if (known_.contains(question)) return true;
    if (!known_before_.contains(question)) return false;
    note_known(question);
    return true;
}

void SenderQuestions::note_known(const DnsQuestion& question) {
    if (known_.size() >= known_limit) known_before_ = std::exchange(known_, {});
    known_.insert(question);
}

}  // namespace wicket
