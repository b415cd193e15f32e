// A bound on what a TLS 1.3 client may make us compute after the handshake: key updates cost it one record
// and us a key derivation, and OpenSSL 3.0 itself has no limit. Any thread.
#pragma once

#include <openssl/types.h>

namespace wicket {

// RFC 8446 section 5.5 asks for an update after 2^24.5 records with AES-GCM: a session of ours needs none.
inline constexpr int key_update_limit = 32;

/// Connections of `context` whose client sends more than key_update_limit updates are cut off.
void guard_against_key_updates(SSL_CTX* context);

}  // namespace wicket
