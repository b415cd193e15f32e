// Addresses on the web in text, and one spelling for each, so that a pattern need not know how they can be
// written: RFC 3986 section 6.2.2, and what browsers make of hosts and slashes (the URL standard, section
// 4). Pure; linear; any thread.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

namespace wicket {

// Longer addresses are cut off here; what browsers take is not much more.
inline constexpr std::size_t url_limit_octets = 2048;

/// Tells each address that begins with http, https, ftp or "www.", as it stands there.
void find_urls(std::string_view text, const std::function<void(std::string_view)>& found);

/// Scheme and host in lower case, the host in ASCII, numbers for hosts as IPv4 addresses, no needless percent
/// signs; "www.x" and "//x" with http: in front. "" for what leads nowhere on the web: no scheme, cid:,
/// mailto:. At most url_limit_octets.
std::string normal_url(std::string_view url);

}  // namespace wicket
