// The public suffix list, as Debian's libpsl brings it: no file is read and nothing is fetched, so that the
// same build gives the same answer everywhere. Any thread.
#pragma once

#include <string_view>

namespace wicket {

/// The domain that somebody registered: `example.co.uk` of `a.example.co.uk`, as the end of `domain`. Empty
/// for a public suffix itself, for an address, and for what is no domain.
std::string_view registrable_domain(std::string_view domain);

}  // namespace wicket
