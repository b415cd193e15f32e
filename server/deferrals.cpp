#include "server/deferrals.hpp"

#include "base/sha256.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

namespace wicket {
namespace {

/// Neighbours of one network are one sender: large ones try again from another host.
std::string key_head(std::string_view kind, const IpAddress& client, std::string_view sender) {
    std::string head(kind);
    head.append(" ").append(neighbourhood(client).to_string()).append(" ").append(sender);
    return head;
}

/// Short, however many an envelope holds. No address has a line end in it.
std::string short_key(const std::string& text) {
    const Sha256 hash = sha256_of(text);
    return "deferred " + std::string(hash.begin(), hash.end());
}

}  // namespace

std::string Deferrals::envelope_key(
    const IpAddress& client, std::string_view sender, std::string_view recipient
) {
    return short_key(key_head("envelope", client, sender).append("\n").append(recipient));
}

std::string Deferrals::message_key(
    const IpAddress& client,
    std::string_view sender,
    std::vector<std::string> recipients,
    std::string_view sha256
) {
    std::ranges::sort(recipients);
    std::string text = key_head("message", client, sender).append("\n");
    for (const std::string& recipient : recipients)
        text.append(recipient).append("\n");
    return short_key(text.append(sha256));
}

std::int64_t Deferrals::count(std::string_view key) {
    const auto value = memory_.recall(key);
    std::int64_t count = 0;
    if (value) std::from_chars(value->data(), value->data() + value->size(), count);
    return std::max<std::int64_t>(count, 0);
}

void Deferrals::add(std::string_view key) {
    memory_.remember(key, std::to_string(count(key) + 1), clock_.wall() + deferral_memory);
}

}  // namespace wicket
