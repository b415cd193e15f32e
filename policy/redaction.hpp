// What [records] redact = "local-parts" makes of a record before it is written: each local part of an
// address, wherever in the record it stands, becomes "~" and 16 hexadecimal digits of a keyed hash. The same
// address always becomes the same, so that records can still be found and counted by it, and nobody can tell
// it who does not have the store's key. Immutable; any thread.
#pragma once

#include "policy/record.hpp"

#include <string>
#include <string_view>

namespace wicket {

class Redactor {
public:
    /// `key`: secret octets, at most 64.
    explicit Redactor(std::string key) : key_(std::move(key)) {}

    /// Without regard to the case of ASCII letters. What is redacted already stays as it is.
    std::string local_part(std::string_view local_part, std::string_view domain) const;
    /// The same address redacted; "" and what has no "@" stay.
    std::string address(std::string_view address) const;
    /// Every address in a text of words, angle brackets and punctuation.
    std::string text(std::string_view text) const;
    /// The lines of a session (policy/transcript.hpp). What a client has given for an address and is none, is
    /// taken for a local part.
    std::string transcript(std::string_view transcript) const;
    /// The whole record; `dictionary` names its facts.
    void redact(DecisionRecord& record, const FactDictionary& dictionary) const;

private:
    std::string path(std::string_view path) const;
    std::string transcript_line(std::string_view line) const;
    void redact(Verdict& verdict) const;
    void redact(Facts& facts, std::string_view domain, const FactDictionary& dictionary) const;
    void redact(FactValue& value) const;

    std::string key_;
};

}  // namespace wicket
