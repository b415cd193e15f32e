#include "net/tls_guard.hpp"

#include <openssl/ssl.h>

#include <cstdint>
#include <sys/socket.h>

namespace wicket {

namespace {

int counter_index() {
    static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
    return index;
}

// The count lives in the slot itself, where OpenSSL keeps a pointer.
void watch(int is_write, int /*version*/, int content, const void* octets, std::size_t length, SSL* connection, void*) {
    if (is_write != 0 || content != SSL3_RT_HANDSHAKE || length == 0) return;
    if (*static_cast<const unsigned char*>(octets) != SSL3_MT_KEY_UPDATE) return;
    const auto count = reinterpret_cast<std::intptr_t>(SSL_get_ex_data(connection, counter_index())) + 1;
    SSL_set_ex_data(connection, counter_index(), reinterpret_cast<void*>(count));
    // SSL_read would go on as long as the client sends; after this the kernel answers it with a reset.
    if (count > key_update_limit) ::shutdown(SSL_get_fd(connection), SHUT_RDWR);
}

}  // namespace

void guard_against_key_updates(SSL_CTX* context) {
    counter_index();
    SSL_CTX_set_msg_callback(context, watch);
}

}  // namespace wicket
