#include "filters/scan/dkim_digest.hpp"

#include <cstdio>
#include <ctime>
#include <new>
#include <stdexcept>
#include <sys/types.h>

extern "C" {
// The header is C99 and uses its boolean.
#define _Bool bool  // NOLINT(bugprone-reserved-identifier)
#include <opendkim/dkim.h>
#undef _Bool
}

namespace wicket {
namespace {

struct LibraryDeleter {
    void operator()(DKIM_LIB* library) const { dkim_close(library); }
};
struct MessageDeleter {
    void operator()(DKIM* message) const { dkim_free(message); }
};

/// libopendkim's interface knows no const; it copies fields and only reads the body.
unsigned char* mutable_octets_of(std::string_view text) {
    return reinterpret_cast<unsigned char*>(const_cast<char*>(text.data()));
}

/// Keys are not its business: without this it would ask the DNS by itself.
DKIM_CBSTAT
no_key(DKIM* /*message*/, DKIM_SIGINFO* /*signature*/, unsigned char* /*buffer*/, size_t /*size*/) noexcept {
    return DKIM_CBSTAT_NOTFOUND;
}

std::string tag_of(DKIM_SIGINFO* signature, const char* name) {
    const unsigned char* const value = dkim_sig_gettagvalue(signature, false, mutable_octets_of(name));
    return value == nullptr ? std::string() : reinterpret_cast<const char*>(value);
}

DkimCanonicalization body_canonicalization_of(DKIM_SIGINFO* signature) {
    dkim_canon_t header = DKIM_CANON_SIMPLE;
    dkim_canon_t body = DKIM_CANON_SIMPLE;
    dkim_sig_getcanons(signature, &header, &body);
    return body == DKIM_CANON_RELAXED ? DkimCanonicalization::relaxed : DkimCanonicalization::simple;
}

std::expected<DkimDigest, std::string> digest_of(DKIM_SIGINFO* signature) {
    const int error = dkim_sig_geterror(signature);
    // "No key" is what it makes of no_key, "l= too large" of getting no body.
    if (error != DKIM_SIGERROR_UNKNOWN && error != DKIM_SIGERROR_OK && error != DKIM_SIGERROR_NOKEY &&
        error != DKIM_SIGERROR_TOOLARGE_L) {
        const char* const words = dkim_sig_geterrorstr(error);
        return std::unexpected(words != nullptr ? words : "the signature cannot be processed");
    }
    void* header = nullptr;
    void* body = nullptr;
    std::size_t header_size = 0;
    std::size_t body_size = 0;
    if (dkim_sig_gethashes(signature, &header, &header_size, &body, &body_size) != DKIM_STAT_OK) {
        return std::unexpected("the digests cannot be computed");
    }
    DkimDigest digest;
    digest.header_sha256.assign(static_cast<const char*>(header), header_size);
    digest.body_canonicalization = body_canonicalization_of(signature);
    digest.body_hash_tag = tag_of(signature, "bh");
    digest.signature_tag = tag_of(signature, "b");
    return digest;
}

}  // namespace

struct DkimDigester::State {
    std::unique_ptr<DKIM_LIB, LibraryDeleter> library;
};

DkimDigester::DkimDigester() : state_(std::make_unique<State>()) {
    state_->library.reset(dkim_init(nullptr, nullptr));
    if (!state_->library) throw std::runtime_error("libopendkim cannot be started");
    // Without BADSIGHANDLES a signature that it dislikes vanishes from the list without a word.
    unsigned flags = DKIM_LIBFLAGS_BADSIGHANDLES | DKIM_LIBFLAGS_DELAYSIGPROC;
    dkim_options(state_->library.get(), DKIM_OP_SETOPT, DKIM_OPTS_FLAGS, &flags, sizeof flags);
    dkim_set_key_lookup(state_->library.get(), no_key);
}

DkimDigester::~DkimDigester() = default;

std::vector<std::expected<DkimDigest, std::string>> DkimDigester::digest(
    const std::vector<std::string_view>& fields
) {
    DKIM_STAT status = DKIM_STAT_OK;
    const std::unique_ptr<DKIM, MessageDeleter> message(
        dkim_verify(state_->library.get(), mutable_octets_of("scan"), nullptr, &status)
    );
    if (!message) throw std::bad_alloc();
    for (const std::string_view field : fields) {
        // A field that it takes for malformed is left out, as a signer would have.
        if (!field.empty()) dkim_header(message.get(), mutable_octets_of(field), field.size());
    }
    dkim_eoh(message.get());
    // Says that no signature is good, since it has no keys.
    dkim_eom(message.get(), nullptr);
    std::vector<std::expected<DkimDigest, std::string>> digests;
    DKIM_SIGINFO** signatures = nullptr;
    int count = 0;
    if (dkim_getsiglist(message.get(), &signatures, &count) != DKIM_STAT_OK) return digests;
    for (int index = 0; index < count; ++index)
        digests.push_back(digest_of(signatures[index]));
    return digests;
}

}  // namespace wicket
