#include "policy/planned_facts.hpp"

namespace wicket {

const std::vector<PlannedFact>& planned_facts() {
    static const std::vector<PlannedFact> facts = {
        {"dmarc.result",
         FactType::word,
         "dmarc", "DMARC of the From field's domain",
         {"pass", "fail", "none", "temperror", "permerror"},
         "temperror"},
        {"dmarc.policy",
         FactType::word,
         "dmarc", "the policy that is in effect for the From field's domain",
         {"none", "quarantine", "reject"},
         ""         },
        {"arc.result",
         FactType::word,
         "arc",   "the state of the ARC chain",
         {"pass", "fail", "none", "temperror"},
         "temperror"},
        {"arc.trusted",
         FactType::boolean,
         "arc",   "the ARC chain is valid and a trusted host sealed it",
         {},
         ""         },
    };
    return facts;
}

}  // namespace wicket
