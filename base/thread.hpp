// What a thread tells the system about itself.
#pragma once

#include <string_view>

namespace wicket {

/// Gives the calling thread the name that `top -H` and `ps -T` show; 15 octets of it are kept (prctl(2),
/// PR_SET_NAME).
void name_thread(std::string_view name);

/// For long work that nobody waits for: the calling thread, and those that it starts, get the nice value
/// `nice`, and take turns so long that whoever wakes beside them need not wait for the end of one
/// (sched_setattr(2); Linux before 6.12 knows no turns, and one who wakes goes before them anyway). Nothing
/// is lost if the kernel refuses.
void work_in_background(int nice);

}  // namespace wicket
