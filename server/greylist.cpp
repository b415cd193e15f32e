#include "server/greylist.hpp"

#include "base/sha256.hpp"
#include "base/text.hpp"

#include <algorithm>
#include <charconv>

namespace wicket {

std::string Greylist::key_of(const IpAddress& client, std::string_view sender, std::string_view recipient) {
    std::string text = neighbourhood(client).to_string();
    // No address has a line end in it.
    text.append(" ").append(lower_case(sender)).append("\n").append(lower_case(recipient));
    const Sha256 hash = sha256_of(text);
    return "greylist " + std::string(hash.begin(), hash.end());
}

std::optional<std::int64_t> Greylist::age(std::string_view key) {
    const auto value = memory_.recall(key);
    std::int64_t first = 0;
    if (!value || std::from_chars(value->data(), value->data() + value->size(), first).ec != std::errc())
        return std::nullopt;
    const auto now = std::chrono::floor<std::chrono::seconds>(clock_.wall()).time_since_epoch().count();
    // A clock that was set back makes nobody wait for years.
    return std::max<std::int64_t>(now - first, 0);
}

void Greylist::begin(std::string_view key) {
    if (memory_.recall(key)) return;
    const WallTime now = clock_.wall();
    const auto seconds = std::chrono::floor<std::chrono::seconds>(now).time_since_epoch().count();
    memory_.remember(key, std::to_string(seconds), now + greylist_window);
}

void Greylist::keep(std::string_view key) {
    if (const auto value = memory_.recall(key)) memory_.remember(key, *value, clock_.wall() + greylist_pass);
}

}  // namespace wicket
