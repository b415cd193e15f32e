// A text that is wiped from memory when it is no longer needed: passwords on their way from the wire to the
// hash. Movable, not copyable. Never print or log one.
#pragma once

#include <string>
#include <string_view>
#include <utility>

namespace wicket {

/// Overwrites what `text` holds, its spare capacity included, in a way that the compiler keeps; then empties
/// it.
void wipe(std::string& text);

class Secret {
public:
    Secret() = default;
    explicit Secret(std::string text) : text_(std::move(text)) { wipe(text); }
    explicit Secret(std::string_view text) : text_(text) {}
    Secret(Secret&& other) noexcept : text_(std::move(other.text_)) { wipe(other.text_); }
    Secret& operator=(Secret&& other) noexcept {
        if (this != &other) {
            wipe(text_);
            text_ = std::move(other.text_);
            wipe(other.text_);
        }
        return *this;
    }
    Secret(const Secret&) = delete;
    Secret& operator=(const Secret&) = delete;
    ~Secret() { wipe(text_); }

    std::string_view view() const { return text_; }

private:
    std::string text_;
};

/// Whether both are equal, in a time that depends on their lengths only.
bool equal_in_constant_time(std::string_view a, std::string_view b);

}  // namespace wicket
