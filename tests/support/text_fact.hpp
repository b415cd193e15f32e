// A fact's text, as expectations compare it.
#pragma once

#include "mail/facts.hpp"

#include <string>
#include <string_view>

namespace wicket {

inline FactValue text(std::string_view value) {
    return std::string(value);
}

}  // namespace wicket
