// Signs that a refusal was a mistake, and how much each weighs. `suspects` ranks refusals by their sum. One
// pass over the records learns who was accepted and who tried again (SenderHistory), a second looks at each
// refusal. One thread.
#pragma once

#include "policy/record.hpp"

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace wicket {

enum class SignKind : std::uint8_t {
    dkim_aligned,     // a DKIM signature of the author's domain verified
    sender_accepted,  // this address was accepted before, from this network
    spf_aligned,      // SPF passed for the author's domain
    allow_listed,     // an allow list knows the host
    domain_accepted,  // the sender's domain was accepted before, from this network
    spf_pass,         // SPF passed, but the author is not known or is another domain
    retried,          // the same network sent the same message again, as mail servers do
    single_rule,      // one rule alone decided
    low_margin,       // hardly over the threshold
};

struct SignRow {
    SignKind kind;
    std::string_view word;  // in --json
    int weight;
    std::string_view meaning;
};
/// The one table: kind, word, weight, meaning. Proofs of who it is weigh most, then that we have taken his
/// mail before; that a rule stood alone or the margin was small is no more than a hint.
const std::vector<SignRow>& sign_table();
const SignRow& row_of(SignKind kind);

struct Sign {
    SignKind kind;
    std::string detail;  // "example.org", "4 times"
};
int weight_of(const std::vector<Sign>& signs);
// From this sum on `rules hits` counts a refusal among the suspects: one proof of identity is enough.
inline constexpr int suspect_weight = 4;

// Each table of a history holds no more: some 30 octets an entry. What comes later is then not learned.
inline constexpr std::size_t history_limit = 400'000;
// The same message again within this time is a client that does not read replies, not a queue.
inline constexpr std::chrono::minutes retry_pause{5};

class SenderHistory {
public:
    explicit SenderHistory(std::size_t limit = history_limit) : limit_(limit) {}
    SenderHistory(const SenderHistory&) = delete;
    SenderHistory& operator=(const SenderHistory&) = delete;

    /// Whether learn() needs the evidence of the record, which has the hash of its message.
    static bool wants_evidence(const DecisionRecord& record);
    /// In the order of time.
    void learn(const StoredRecord& stored);

    bool accepted_sender_before(const DecisionRecord& record) const;
    bool accepted_domain_before(const DecisionRecord& record) const;
    /// Tries to hand over one message: known by its hash where it was taken, else by what refused it. What
    /// was put off before there was a message belongs to what came next in the same envelope.
    struct Tries {
        std::uint64_t count = 0;  // refusals
        WallTime first{};
        WallTime last{};
    };
    /// nullptr if it was not learned as a refusal. Two tries of one message have the same.
    const Tries* tries(const DecisionRecord& record) const;
    /// Whether a table was full: then signs may be missing.
    bool is_capped() const { return is_capped_; }

private:
    using Times = std::unordered_map<std::uint64_t, WallTime>;
    void note(Times& times, std::uint64_t key, WallTime time);
    Tries& tries_of(const DecisionRecord& record);
    static bool is_before(const Times& times, std::uint64_t key, WallTime time);

    std::size_t limit_;
    Times senders_;  // when first accepted
    Times domains_;
    std::deque<Tries> tries_;
    std::unordered_map<std::uint64_t, Tries*> messages_;  // by envelope, and hash or what refused it
    std::unordered_map<std::uint64_t, Tries*> put_off_;   // by envelope: what has no message yet
    std::unordered_map<std::uint64_t, Tries*> refusals_;  // by id of the record
    bool is_capped_ = false;
};

/// What judging the record again has shown; nothing where it could not be.
struct JudgedAgain {
    std::string single_rule = {};       // without which it would have passed; empty: none, or not known
    std::optional<double> margin = {};  // points over the threshold that decided
};

/// Whether the verdict is a refusal by rules: reject, disconnect, junk, quarantine, discard; `deferred`: also
/// greylist and defer. What no rule decided (builtin:*) is none.
enum class DeferredToo : bool { no, yes };
bool is_refusal(const DecisionRecord& record, DeferredToo deferred);

std::vector<Sign> signs_of(
    const StoredRecord& stored, const SenderHistory& history, const JudgedAgain& again
);

/// Whether two domains belong together: the same, or one is below the other.
bool are_aligned(std::string_view a, std::string_view b);

}  // namespace wicket
