#include "net/tls_context.hpp"

#include "base/random.hpp"
#include "base/text.hpp"
#include "net/tls_guard.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <array>
#include <mutex>
#include <span>
#include <string_view>
#include <system_error>
#include <utility>

namespace wicket {

namespace {

// Session tickets stay readable over a reload: 80 octets is what OpenSSL takes (name, HMAC and AES key).
using TicketKeys = std::array<unsigned char, 80>;

struct ContextFree {
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
using ContextPointer = std::unique_ptr<SSL_CTX, ContextFree>;

// All contexts of one load. Whoever uses one of them holds all of them.
struct Generation {
    ContextPointer fallback;  // for clients that name no host, or one that we do not have
    std::vector<std::pair<std::string, ContextPointer>> named;

    SSL_CTX* find(std::string_view host) const;
};

// RFC 6125 section 6.4.3: a wildcard stands for the whole leftmost label.
bool matches(std::string_view pattern, std::string_view host) {
    if (!pattern.starts_with("*.")) return equal_ignoring_case(pattern, host);
    const auto dot = host.find('.');
    return dot != std::string_view::npos && dot != 0 &&
           equal_ignoring_case(pattern.substr(1), host.substr(dot));
}

SSL_CTX* Generation::find(std::string_view host) const {
    if (host.ends_with('.')) host.remove_suffix(1);
    for (const auto& [pattern, context] : named) {
        if (matches(pattern, host)) return context.get();
    }
    return nullptr;
}

// RFC 6066 section 3: an unknown name is no reason to refuse; the default certificate is shown.
int choose_context(SSL* connection, int* /*alert*/, void* argument) {
    const char* host = SSL_get_servername(connection, TLSEXT_NAMETYPE_host_name);
    if (host == nullptr) return SSL_TLSEXT_ERR_NOACK;
    SSL_CTX* found = static_cast<const Generation*>(argument)->find(host);
    if (found != nullptr) SSL_set_SSL_CTX(connection, found);
    return SSL_TLSEXT_ERR_OK;
}

std::string last_tls_error() {
    const auto code = ERR_get_error();
    ERR_clear_error();
    // What the machine refused has no text of OpenSSL's.
    if (ERR_SYSTEM_ERROR(code)) return std::generic_category().message(ERR_GET_REASON(code));
    const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
    return reason == nullptr ? "unknown error" : reason;
}

std::unexpected<Error> refused(const std::string& what, const std::string& file) {
    return failure(ErrorCode::invalid, what + " " + file + ": " + last_tls_error());
}

void configure(SSL_CTX* context, TicketKeys keys) {
    // RFC 8996: nothing older than TLS 1.2.
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    // Renegotiation costs us more than the client. A client that ends without close_notify has ended all the
    // same: our protocols have their own ends.
    SSL_CTX_set_options(
        context,
        SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE |
            SSL_OP_IGNORE_UNEXPECTED_EOF
    );
    // Idle sessions hold no buffers; writes continue from another address after a wait.
    SSL_CTX_set_mode(
        context,
        SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER
    );
    // Forward secrecy always. No finite-field DHE: one cheap request makes the server compute for
    // milliseconds.
    SSL_CTX_set_cipher_list(
        context, "ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AES256:ECDHE+AES128:!aNULL:!eNULL:!MD5"
    );
    // Resumption by tickets alone, so that no client fills our memory with sessions. One ticket serves one.
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(context, 1);
    SSL_CTX_set_tlsext_ticket_keys(context, keys.data(), static_cast<long>(keys.size()));
    static constexpr unsigned char session_context[] = "mailwicket";
    SSL_CTX_set_session_id_context(context, session_context, sizeof(session_context) - 1);
    guard_against_key_updates(context);
}

Result<ContextPointer> load_context(const TlsIdentity& identity, const TicketKeys& keys) {
    ERR_clear_error();
    ContextPointer context(SSL_CTX_new(TLS_server_method()));
    if (!context) return refused("cannot prepare TLS for", identity.certificate_file);
    configure(context.get(), keys);
    if (SSL_CTX_use_certificate_chain_file(context.get(), identity.certificate_file.c_str()) != 1) {
        return refused("cannot read the certificate", identity.certificate_file);
    }
    if (SSL_CTX_use_PrivateKey_file(context.get(), identity.key_file.c_str(), SSL_FILETYPE_PEM) != 1) {
        return refused("cannot use the key", identity.key_file);
    }
    if (SSL_CTX_check_private_key(context.get()) != 1) {
        return refused("the key does not belong to " + identity.certificate_file + ":", identity.key_file);
    }
    return context;
}

Result<std::shared_ptr<Generation>> load_all(
    std::span<const TlsIdentity> identities, const TicketKeys& keys
) {
    if (identities.empty()) return failure(ErrorCode::invalid, "TLS needs at least one certificate");
    auto generation = std::make_shared<Generation>();
    for (const auto& identity : identities) {
        auto context = load_context(identity, keys);
        if (!context) return std::unexpected(std::move(context.error()));
        if (identity.host.empty() && !generation->fallback) {
            generation->fallback = std::move(*context);
        } else {
            generation->named.emplace_back(identity.host, std::move(*context));
        }
    }
    if (!generation->fallback) {
        auto context = load_context(identities.front(), keys);
        if (!context) return std::unexpected(std::move(context.error()));
        generation->fallback = std::move(*context);
    }
    SSL_CTX_set_tlsext_servername_callback(generation->fallback.get(), choose_context);
    SSL_CTX_set_tlsext_servername_arg(generation->fallback.get(), generation.get());
    return generation;
}

}  // namespace

struct TlsContext::State {
    TicketKeys ticket_keys{};
    mutable std::mutex mutex;  // guards `generation`
    std::shared_ptr<Generation> generation;
};

TlsContext::TlsContext(std::unique_ptr<State> state) : state_(std::move(state)) {}

TlsContext::~TlsContext() = default;

Result<std::unique_ptr<TlsContext>> TlsContext::load(std::vector<TlsIdentity> identities) {
    auto state = std::make_unique<State>();
    fill_random(state->ticket_keys);
    auto generation = load_all(identities, state->ticket_keys);
    if (!generation) return std::unexpected(std::move(generation.error()));
    state->generation = std::move(*generation);
    return std::unique_ptr<TlsContext>(new TlsContext(std::move(state)));
}

Result<> TlsContext::reload(std::vector<TlsIdentity> identities) {
    auto generation = load_all(identities, state_->ticket_keys);
    if (!generation) return std::unexpected(std::move(generation.error()));
    const std::lock_guard lock(state_->mutex);
    state_->generation.swap(*generation);
    return {};
}

std::shared_ptr<SSL_CTX> TlsContext::current() const {
    const std::lock_guard lock(state_->mutex);
    return {state_->generation, state_->generation->fallback.get()};
}

}  // namespace wicket
