// What a thread tells the system about itself.
#pragma once

#include <string_view>

namespace wicket {

/// Gives the calling thread the name that `top -H` and `ps -T` show; 15 octets of it are kept (prctl(2),
/// PR_SET_NAME).
void name_thread(std::string_view name);

}  // namespace wicket
