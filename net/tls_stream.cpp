#include "net/tls_stream.hpp"

#include "base/text.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <cerrno>
#include <utility>

namespace wicket {

void TlsStream::SslFree::operator()(SSL* connection) const {
    SSL_free(connection);
}

std::unique_ptr<TlsStream> TlsStream::create(std::shared_ptr<SSL_CTX> context, int fd) {
    std::unique_ptr<TlsStream> stream(new TlsStream);
    stream->ssl_.reset(SSL_new(context.get()));
    if (!stream->ssl_ || SSL_set_fd(stream->ssl_.get(), fd) != 1) {
        ERR_clear_error();
        return nullptr;
    }
    SSL_set_accept_state(stream->ssl_.get());
    stream->context_ = std::move(context);
    return stream;
}

Progress TlsStream::classify(int result) {
    const int error_number = errno;
    switch (SSL_get_error(ssl_.get(), result)) {
        case SSL_ERROR_WANT_READ: return Progress::wants_readable;
        case SSL_ERROR_WANT_WRITE: return Progress::wants_writable;
        case SSL_ERROR_ZERO_RETURN: return Progress::closed;
        case SSL_ERROR_SYSCALL:
            is_usable_ = false;
            return error_number == 0 || error_number == ECONNRESET || error_number == EPIPE
                       ? Progress::closed
                       : Progress::failed;
        default: is_usable_ = false; return Progress::failed;
    }
}

Progress TlsStream::handshake() {
    ERR_clear_error();
    errno = 0;
    const int result = SSL_accept(ssl_.get());
    if (result != 1) return classify(result);
    is_usable_ = true;
    details_.version = SSL_get_version(ssl_.get());
    details_.cipher = SSL_get_cipher_name(ssl_.get());
    const char* host = SSL_get_servername(ssl_.get(), TLSEXT_NAMETYPE_host_name);
    if (host != nullptr) details_.server_name = lower_case(std::string_view(host));
    return Progress::done;
}

Transfer TlsStream::read(std::span<char> into) {
    std::size_t total = 0;
    // A record has 16 KiB at most: take those that have been received already, so that the caller is woken
    // once.
    do {
        std::size_t octets = 0;
        ERR_clear_error();
        errno = 0;
        const int result = SSL_read_ex(ssl_.get(), into.data() + total, into.size() - total, &octets);
        if (result != 1) {
            if (total != 0) break;
            return {classify(result), 0};
        }
        total += octets;
    } while (total < into.size() && SSL_pending(ssl_.get()) > 0);
    return {Progress::done, total};
}

Transfer TlsStream::write(std::string_view octets) {
    std::size_t written = 0;
    ERR_clear_error();
    errno = 0;
    const int result = SSL_write_ex(ssl_.get(), octets.data(), octets.size(), &written);
    if (result != 1) return {classify(result), 0};
    return {Progress::done, written};
}

bool TlsStream::has_pending() const {
    return SSL_has_pending(ssl_.get()) == 1;
}

bool TlsStream::has_input() {
    char octet = 0;
    std::size_t octets = 0;
    ERR_clear_error();
    errno = 0;
    const int result = SSL_peek_ex(ssl_.get(), &octet, 1, &octets);
    // A connection that has failed says so again at the next read.
    if (result != 1) classify(result);
    return result == 1;
}

void TlsStream::shut_down() {
    if (!is_usable_) return;
    ERR_clear_error();
    SSL_shutdown(ssl_.get());
    ERR_clear_error();
    is_usable_ = false;
}

}  // namespace wicket
