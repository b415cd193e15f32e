// `whatif --reexamine`: checks run again for facts that a record lacks, from the DNS answers in the record
// and the message, where it is kept. The parsing is done in scan workers, as ever; nothing is asked of the
// network. Any thread, one examination at a time.
#pragma once

#include "base/result.hpp"
#include "policy/rules.hpp"
#include "policy/whatif.hpp"
#include "server/config.hpp"
#include "store/store.hpp"

#include <memory>

namespace wicket {

class Reexaminer {
public:
    /// Starts a scan worker. All must outlive it; `rules` is what is to judge.
    static Result<std::unique_ptr<Reexaminer>> start(
        const Config& config, std::shared_ptr<const RuleSet> rules, DecisionLog& log
    );
    ~Reexaminer();

    /// What can be found out of `missing`, and why the rest cannot.
    Reexamined examine(const RecordedDecision& record, const MissingFacts& missing);

private:
    struct State;
    explicit Reexaminer(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace wicket
