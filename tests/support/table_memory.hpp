// The expiring memory as a table.
#pragma once

#include "base/keyed_memory.hpp"

#include <map>
#include <string>
#include <utility>

namespace wicket {

class TableMemory : public KeyedMemory {
public:
    explicit TableMemory(const Clock& clock) : clock_(clock) {}
    std::optional<std::string> recall(std::string_view key) override {
        const auto found = rows.find(std::string(key));
        if (found == rows.end() || found->second.second <= clock_.wall()) return std::nullopt;
        return found->second.first;
    }
    void remember(std::string_view key, std::string_view value, WallTime until) override {
        rows[std::string(key)] = {std::string(value), until};
    }
    void forget(std::string_view key) override { rows.erase(std::string(key)); }

    std::map<std::string, std::pair<std::string, WallTime>> rows;

private:
    const Clock& clock_;
};

}  // namespace wicket
