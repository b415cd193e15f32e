// A decision record as it is kept: what was decided and from which facts, apart from the evidence, so that
// who judges a million records anew reads nothing else; and DNS answers apart from both, for many records
// have the same. Octets and their places only: policy/ writes and reads them, store/ keeps them. Values; any
// thread.
#pragma once

#include "base/result.hpp"

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace wicket {

/// The first octets of the SHA-256 of an answer: enough that nobody finds two answers of one name.
inline constexpr std::size_t answer_name_octets = 16;

struct RecordAnswer {
    std::string name;
    std::string octets;
    bool operator==(const RecordAnswer&) const = default;
};

struct RecordOctets {
    std::string decision;
    std::string evidence;
    std::vector<RecordAnswer> answers;  // named by the evidence
    std::string evidence_fault = {};    // of what is read: why there is no evidence, though there was

    std::size_t size() const {
        std::size_t octets = decision.size() + evidence.size();
        for (const RecordAnswer& answer : answers)
            octets += answer.name.size() + answer.octets.size();
        return octets;
    }
    bool operator==(const RecordOctets&) const = default;
};

/// The octets of an answer by its name. not_found if it is not kept any more.
using AnswerSource = std::function<Result<std::string>(std::string_view name)>;

}  // namespace wicket
