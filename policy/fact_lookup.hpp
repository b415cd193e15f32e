// Facts for the time of one decision, in which hundreds of conditions ask for the same few again and again:
// none is searched for. Borrows the facts, which must not change meanwhile. Only policy/ includes this; one
// thread.
#pragma once

#include "mail/facts.hpp"

#include <array>

namespace wicket {

class FactLookup {
public:
    explicit FactLookup(const Facts& facts) : facts_(facts) {
        facts.for_each([this](FactId id, const FactValue& value) {
            if (id < known_.size()) known_[id] = &value;
        });
    }
    FactLookup(const FactLookup&) = delete;
    FactLookup& operator=(const FactLookup&) = delete;

    const FactValue& get(FactId id) const {
        if (id >= known_.size()) return facts_.get(id);
        return known_[id] != nullptr ? *known_[id] : absent_;
    }
    const Facts& facts() const { return facts_; }

private:
    // All core facts and some lists; those beyond, as of hundreds of patterns, are looked up each time.
    static constexpr std::size_t limit = 128;
    inline static const FactValue absent_;

    const Facts& facts_;
    std::array<const FactValue*, limit> known_{};
};

}  // namespace wicket
