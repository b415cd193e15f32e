// Remembers which questions a check asked for a sender's domain, so that the next job of that domain brings
// the answers along and needs one pass. What depends on the client or the local-part is not remembered. One
// loop; bounded.
#pragma once

#include "base/clock.hpp"
#include "base/dns.hpp"

#include <list>
#include <map>
#include <string>
#include <vector>

namespace wicket {

class QuestionMemory {
public:
    /// The questions remembered under `key`; none if they are older than the records they came from may be.
    std::vector<DnsQuestion> recall(const std::string& key, SteadyTime now);
    void learn(const std::string& key, std::vector<DnsQuestion> questions, SteadyTime now);
    void forget(const std::string& key);

private:
    struct Entry {
        std::string key;
        std::vector<DnsQuestion> questions;
        SteadyTime learned_at;
    };
    std::list<Entry> entries_;  // the most recently used first
    std::map<std::string, std::list<Entry>::iterator> by_key_;
};

}  // namespace wicket
