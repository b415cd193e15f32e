// KeyedMemory in a table of the refusals' database, unsynced. Any thread.
#pragma once

#include "base/clock.hpp"
#include "base/keyed_memory.hpp"
#include "store/database.hpp"

#include <cstdint>
#include <string>

namespace wicket {

class RocksMemory : public KeyedMemory {
public:
    enum class Access : std::uint8_t { read_write, read_only };
    RocksMemory(Database& database, const Clock& clock, Access access);

    std::optional<std::string> recall(std::string_view key) override;
    void remember(std::string_view key, std::string_view value, WallTime until) override;
    void forget(std::string_view key) override;

    /// Removes what has expired; returns how much. May take long.
    std::uint64_t sweep();

private:
    Database& database_;
    const Clock& clock_;
    Access access_;
};

}  // namespace wicket
