// Memory that filters may have across messages, and that may forget: the interface alone, since filters must
// not know the store. Values expire; a failure to remember is never an error for mail.
#pragma once

#include "base/clock.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace wicket {

class KeyedMemory {
public:
    virtual ~KeyedMemory() = default;
    /// nullopt: never known, expired, or not readable now. May block for a disk read.
    virtual std::optional<std::string> recall(std::string_view key) = 0;
    /// Unsynced; `until` is wall time.
    virtual void remember(std::string_view key, std::string_view value, WallTime until) = 0;
    virtual void forget(std::string_view key) = 0;
};

}  // namespace wicket
