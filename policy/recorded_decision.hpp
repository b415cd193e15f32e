// A record as far as it is judged anew: the facts, under the dictionary of the rules that are to judge them,
// and what came of them then. Read straight from the octets, into an object that is used again, because
// `whatif` reads a million of them. Values; one thread each.
#pragma once

#include "base/record_id.hpp"
#include "base/result.hpp"
#include "mail/fact_dictionary.hpp"
#include "policy/record.hpp"
#include "policy/verdict.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace wicket {

struct RecordedRecipient {
    std::string address;
    Action action = Action::none;
    Stage stage = Stage::connect;
    std::string rule;
    bool has_own_facts = false;  // else it was decided by the record's facts alone
    Facts own_facts;             // those of the record included
    bool differs_at_rcpt = false;
    Facts facts_at_rcpt;  // what it was decided by at RCPT, where that differs

    const Facts& facts(const Facts& of_record) const { return has_own_facts ? own_facts : of_record; }
};

struct RecordedDecision {
    RecordId id;
    WallTime time;
    Action action = Action::none;
    Stage stage = Stage::connect;
    std::string rule;
    bool has_from = false;
    bool policy_shadow = false;
    bool is_open = false;
    bool is_late = false;
    std::vector<std::string> rules_in_shadow;  // by the circuit breaker
    std::string rules_hash;                    // 32 octets
    Facts facts;
    std::vector<RecordedRecipient> recipients;
    bool took_message() const;
};

class DecisionReader {
public:
    explicit DecisionReader(const FactDictionary& dictionary);
    /// Reads no other facts than the `wanted`.
    DecisionReader(const FactDictionary& dictionary, const std::vector<FactId>& wanted);
    /// corrupt if the octets make no sense, or a newer version wrote them. `out` is then of no use.
    Result<> read(std::string_view octets, RecordedDecision& out) const;

private:
    struct Target {
        FactId id;
        FactType type;
    };
    static constexpr FactId no_fact = 0xFFFF;
    /// `wanted` may be nullptr: all.
    DecisionReader(const FactDictionary& dictionary, const std::vector<FactId>* wanted);
    /// What a fact's number or name means under the dictionary, and the type it is stored with.
    std::optional<Target> target_of(std::uint64_t number, std::string_view name, std::uint64_t type) const;
    /// Whether the octets begin with the number of a fact that nobody asks for: the rest need not be read.
    bool is_unwanted(std::string_view octets) const;
    bool read_fact(std::string_view octets, Facts& facts) const;
    bool read_recipient(std::string_view octets, RecordedRecipient& out, const RecordedDecision& record)
        const;

    std::vector<Target> by_number_;  // by record name number; no_fact: the dictionary does not have it
    struct Hash {
        using is_transparent = void;
        std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
    };
    std::unordered_map<std::string, Target, Hash, std::equal_to<>> by_name_;
};

}  // namespace wicket
