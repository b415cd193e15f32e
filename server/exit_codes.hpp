// The exit codes of every command (sysexits).
#pragma once

namespace wicket {

inline constexpr int exit_ok = 0;
inline constexpr int exit_failed = 1;  // a test failed, an id is not known
inline constexpr int exit_usage = 64;
inline constexpr int exit_no_user = 67;  // no such account
inline constexpr int exit_unavailable = 69;
inline constexpr int exit_software = 70;       // a bug of ours
inline constexpr int exit_cannot_create = 73;  // the account exists
inline constexpr int exit_temporary = 75;
inline constexpr int exit_config = 78;

}  // namespace wicket
