// Which of a record's DNS questions a fact rests on. The record keeps all questions of a transaction
// together; whose a question was shows in its name and type. Pure; any thread.
#pragma once

#include "policy/record.hpp"

#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace wicket {

/// The zone of a list as it is recorded (DnsList::shown_zone), by the name of its fact: `dnsbl.zen`.
using ListZones = std::map<std::string, std::string, std::less<>>;

class FactEvidence {
public:
    FactEvidence(const StoredRecord& stored, const ListZones& zones);

    /// Indices of the record's lookups, in order; empty for what asks nobody.
    std::vector<std::size_t> of(std::string_view fact) const;
    /// Those that belong to no fact that we know.
    std::vector<std::size_t> rest() const;

private:
    std::vector<std::vector<std::string>> checks_;  // by lookup: who asked it
};

/// A question with its answer on one line: NAME TYPE: ANSWER  [ttl 60, 1.5 ms].
std::string lookup_to_text(const DnsLookup& lookup);

}  // namespace wicket
