// Certificates and the settings of TLS for all listeners: 1.2 and later, resumption, names chosen by SNI.
// reload() swaps all of it at once or nothing; handshakes under way keep what they began with. Any thread.
#pragma once

#include "base/result.hpp"

#include <memory>
#include <string>
#include <vector>

typedef struct ssl_ctx_st SSL_CTX;

namespace wicket {

struct TlsIdentity {
    std::string host;  // empty: the default one
    std::string certificate_file;
    std::string key_file;
};

class TlsContext {
public:
    /// invalid with the file's name if a certificate or key cannot be read, or they do not belong together.
    static Result<std::unique_ptr<TlsContext>> load(std::vector<TlsIdentity> identities);
    ~TlsContext();

    /// The same files again, or others. On an error everything stays as it was.
    Result<> reload(std::vector<TlsIdentity> identities);
    /// The context for a new connection; chooses by SNI itself.
    std::shared_ptr<SSL_CTX> current() const;

private:
    struct State;
    explicit TlsContext(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace wicket
