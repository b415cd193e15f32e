// What the front itself sees in a finished message: facts about its header, the marks of loops, and the
// forged Authentication-Results that are cut out of what users are served. One linear look at the header
// block; what must be parsed in depth is the scan workers' business. Any thread.
#pragma once

#include "base/message_bytes.hpp"
#include "mail/fact_dictionary.hpp"
#include "store/mail_store.hpp"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace wicket {

struct MessageFacts {
    std::vector<std::pair<FactId, FactValue>> facts;
    std::vector<CutRange> cuts;
    std::vector<std::string> delivered_to;  // canonical account names
    std::size_t own_received = 0;
};

/// `hostname`: ours, in lower case. A message that cannot be read gives unknown facts.
MessageFacts examine_message(const MessageBytes& message, std::string_view hostname);

}  // namespace wicket
