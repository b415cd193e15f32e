#include "mail/facts.hpp"

namespace wicket {

const FactValue& Facts::get(FactId id) const {
    static const FactValue absent;
    return id < values_.size() ? values_[id] : absent;
}

void Facts::set(FactId id, FactValue value) {
    if (id >= values_.size()) values_.resize(id + std::size_t{1});
    values_[id] = std::move(value);
}

}  // namespace wicket
