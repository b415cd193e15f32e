#include "filters/scan/dkim_key.hpp"

#include "base/text.hpp"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>

#include <algorithm>
#include <array>
#include <bit>
#include <list>
#include <map>
#include <optional>
#include <stdexcept>
#include <vector>

namespace wicket {
namespace {

// A 4096-bit key record has 750 octets; notes (n=) may make it longer, but not like this.
constexpr std::size_t key_record_limit_octets = 4096;
// Domains that write to a server at the same time; each key takes about 2 KiB.
constexpr std::size_t cached_key_limit = 512;

struct Tag {
    std::string_view name;
    std::string_view value;
};

bool is_tag_name(std::string_view name) {
    if (name.empty() || is_digit(name[0]) || name[0] == '_') return false;
    return std::ranges::all_of(name, [](char c) { return is_letter_or_digit(c) || c == '_'; });
}

// RFC 6376 section 3.2: tag-list. Values may hold any octet but ";" here, for notes (n=) are free text.
std::optional<std::vector<Tag>> parse_tags(std::string_view text) {
    std::vector<Tag> tags;
    while (!trimmed(text).empty()) {
        const std::size_t end = std::min(text.find(';'), text.size());
        const std::string_view one = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        const std::size_t equals = one.find('=');
        if (equals == std::string_view::npos) return std::nullopt;
        const Tag tag{trimmed(one.substr(0, equals)), trimmed(one.substr(equals + 1))};
        if (!is_tag_name(tag.name)) return std::nullopt;
        if (std::ranges::any_of(tags, [&](const Tag& other) { return other.name == tag.name; }))
            return std::nullopt;
        tags.push_back(tag);
    }
    return tags;
}

/// Whether a colon-separated list holds `word`, without regard to case.
bool has_word(std::string_view list, std::string_view word) {
    while (true) {
        const std::size_t end = std::min(list.find(':'), list.size());
        if (equal_ignoring_case(trimmed(list.substr(0, end)), word)) return true;
        if (end == list.size()) return false;
        list.remove_prefix(end + 1);
    }
}

/// Reads DER (X.690) one element after the other.
class DerReader {
public:
    explicit DerReader(std::string_view octets) : octets_(octets) {}

    /// The content of the next element if it has this tag and a length in its shortest form.
    std::optional<std::string_view> take(unsigned char tag) {
        if (octets_.size() < 2 || static_cast<unsigned char>(octets_[0]) != tag) return std::nullopt;
        std::size_t length = static_cast<unsigned char>(octets_[1]);
        std::size_t header = 2;
        if (length >= 0x80) {
            const std::size_t count = length - 0x80;
            if (count == 0 || count > 2 || octets_.size() < 2 + count) return std::nullopt;
            length = 0;
            for (std::size_t at = 0; at < count; ++at)
                length = length << 8U | static_cast<unsigned char>(octets_[2 + at]);
            header += count;
        }
        if (octets_.size() - header < length) return std::nullopt;
        const std::string_view content = octets_.substr(header, length);
        octets_.remove_prefix(header + length);
        return content;
    }
    bool is_at_end() const { return octets_.empty(); }

private:
    std::string_view octets_;
};

constexpr unsigned char der_integer = 0x02;
constexpr unsigned char der_bit_string = 0x03;
constexpr unsigned char der_object = 0x06;
constexpr unsigned char der_sequence = 0x30;
// 1.2.840.113549.1.1.1, rsaEncryption.
constexpr std::string_view rsa_object("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01", 9);

/// RFC 8017 appendix A.1.1: RSAPublicKey.
bool take_rsa_numbers(std::string_view der, DkimKeyRecord& record) {
    DerReader outer(der);
    const auto sequence = outer.take(der_sequence);
    if (!sequence || !outer.is_at_end()) return false;
    DerReader inner(*sequence);
    auto modulus = inner.take(der_integer);
    auto exponent = inner.take(der_integer);
    if (!modulus || !exponent || !inner.is_at_end() || modulus->empty() || exponent->empty()) return false;
    if ((modulus->front() & 0x80) != 0 || (exponent->front() & 0x80) != 0) return false;
    modulus->remove_prefix(std::min(modulus->find_first_not_of('\0'), modulus->size()));
    exponent->remove_prefix(std::min(exponent->find_first_not_of('\0'), exponent->size()));
    // An even or gigantic exponent is an attack on the verifier's time or on its arithmetic.
    if (modulus->empty() || exponent->empty() || exponent->size() > 4) return false;
    if ((exponent->back() & 1) == 0 || (modulus->back() & 1) == 0) return false;
    if (exponent->size() == 1 && exponent->front() == 1) return false;
    record.modulus = *modulus;
    record.exponent = *exponent;
    const auto first = static_cast<unsigned char>(record.modulus.front());
    record.bits =
        static_cast<unsigned>((record.modulus.size() - 1) * 8) + static_cast<unsigned>(std::bit_width(first));
    return true;
}

bool take_rsa(std::string_view der, DkimKeyRecord& record) {
    if (take_rsa_numbers(der, record)) return true;
    // RFC 5280 section 4.1: SubjectPublicKeyInfo.
    DerReader outer(der);
    const auto sequence = outer.take(der_sequence);
    if (!sequence || !outer.is_at_end()) return false;
    DerReader inner(*sequence);
    const auto algorithm = inner.take(der_sequence);
    const auto bits = inner.take(der_bit_string);
    if (!algorithm || !bits || !inner.is_at_end() || bits->empty() || bits->front() != '\0') return false;
    DerReader object(*algorithm);
    if (object.take(der_object) != rsa_object) return false;
    return take_rsa_numbers(bits->substr(1), record);
}

std::string_view value_of(const std::vector<Tag>& tags, std::string_view name, std::string_view otherwise) {
    const auto tag = std::ranges::find(tags, name, &Tag::name);
    return tag == tags.end() ? otherwise : tag->value;
}

struct KeyDeleter {
    void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
struct KeyContextDeleter {
    void operator()(EVP_PKEY_CTX* context) const { EVP_PKEY_CTX_free(context); }
};
struct DigestContextDeleter {
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};
struct NumberDeleter {
    void operator()(BIGNUM* number) const { BN_free(number); }
};
struct BuilderDeleter {
    void operator()(OSSL_PARAM_BLD* builder) const { OSSL_PARAM_BLD_free(builder); }
};
struct ParametersDeleter {
    void operator()(OSSL_PARAM* parameters) const { OSSL_PARAM_free(parameters); }
};
struct MethodDeleter {
    void operator()(EVP_MD* method) const { EVP_MD_free(method); }
};
using Key = std::unique_ptr<EVP_PKEY, KeyDeleter>;
using KeyContext = std::unique_ptr<EVP_PKEY_CTX, KeyContextDeleter>;
using Number = std::unique_ptr<BIGNUM, NumberDeleter>;

const unsigned char* octets_of(std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
}

/// Built from its numbers: OpenSSL 3.0's own decoders take five times as long.
Key make_rsa(const DkimKeyRecord& record) {
    const Number modulus(
        BN_bin2bn(octets_of(record.modulus), static_cast<int>(record.modulus.size()), nullptr)
    );
    const Number exponent(
        BN_bin2bn(octets_of(record.exponent), static_cast<int>(record.exponent.size()), nullptr)
    );
    const std::unique_ptr<OSSL_PARAM_BLD, BuilderDeleter> builder(OSSL_PARAM_BLD_new());
    if (!modulus || !exponent || !builder) return nullptr;
    if (OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, modulus.get()) != 1) return nullptr;
    if (OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, exponent.get()) != 1) return nullptr;
    const std::unique_ptr<OSSL_PARAM, ParametersDeleter> parameters(OSSL_PARAM_BLD_to_param(builder.get()));
    const KeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, "RSA", nullptr));
    if (!parameters || !context || EVP_PKEY_fromdata_init(context.get()) != 1) return nullptr;
    EVP_PKEY* key = nullptr;
    if (EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, parameters.get()) != 1) return nullptr;
    return Key(key);
}

/// A key made ready to verify with.
struct DecodedKey {
    Key key;
    KeyContext context;  // of RSA
};

}  // namespace

struct DkimKeyCache::State {
    using Entry = std::pair<std::string, DecodedKey>;

    std::list<Entry> entries;  // the most recently used first
    std::map<std::string, std::list<Entry>::iterator, std::less<>> by_name;
    std::unique_ptr<EVP_MD, MethodDeleter> sha256{EVP_MD_fetch(nullptr, "SHA256", nullptr)};

    DecodedKey decode(const DkimKeyRecord& record) const {
        DecodedKey decoded;
        if (record.type == DkimKeyType::ed25519) {
            decoded.key.reset(EVP_PKEY_new_raw_public_key(
                EVP_PKEY_ED25519, nullptr, octets_of(record.point), record.point.size()
            ));
            return decoded;
        }
        decoded.key = make_rsa(record);
        if (!decoded.key) return decoded;
        decoded.context.reset(EVP_PKEY_CTX_new_from_pkey(nullptr, decoded.key.get(), nullptr));
        if (!decoded.context || EVP_PKEY_verify_init(decoded.context.get()) != 1 ||
            EVP_PKEY_CTX_set_rsa_padding(decoded.context.get(), RSA_PKCS1_PADDING) != 1 ||
            EVP_PKEY_CTX_set_signature_md(decoded.context.get(), sha256.get()) != 1) {
            decoded.context.reset();
        }
        return decoded;
    }

    const DecodedKey& find(const DkimKeyRecord& record) {
        const std::string name = record.type == DkimKeyType::rsa
                                     ? "r" + record.exponent + ":" + record.modulus
                                     : "e" + record.point;
        if (const auto found = by_name.find(name); found != by_name.end()) {
            entries.splice(entries.begin(), entries, found->second);
            return entries.front().second;
        }
        if (entries.size() == cached_key_limit) {
            by_name.erase(entries.back().first);
            entries.pop_back();
        }
        entries.emplace_front(name, decode(record));
        by_name.emplace(name, entries.begin());
        return entries.front().second;
    }
};

DkimKeyCache::DkimKeyCache() : state_(std::make_unique<State>()) {
    // Without openssl.cnf: a provider that it names could not be loaded in the sandbox.
    OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, nullptr);
    if (!state_->sha256) throw std::runtime_error("OpenSSL has no SHA-256");
    // Whatever OpenSSL loads at the first use of an algorithm, it loads here.
    DkimKeyRecord warm_up{.type = DkimKeyType::ed25519, .point = std::string(32, '\x01')};
    verify(warm_up, std::string(32, '\0'), std::string(64, '\0'));
    warm_up = {.type = DkimKeyType::rsa, .modulus = std::string(128, '\xff'), .exponent = "\x03"};
    verify(warm_up, std::string(32, '\0'), std::string(128, '\0'));
}

DkimKeyCache::~DkimKeyCache() = default;

bool DkimKeyCache::verify(const DkimKeyRecord& key, std::string_view sha256, std::string_view signature) {
    const DecodedKey& decoded = state_->find(key);
    bool is_good = false;
    if (decoded.key && key.type == DkimKeyType::ed25519) {
        // RFC 8463 section 3: Ed25519 over the SHA-256 digest.
        const std::unique_ptr<EVP_MD_CTX, DigestContextDeleter> context(EVP_MD_CTX_new());
        is_good = context &&
                  EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, decoded.key.get()) == 1 &&
                  EVP_DigestVerify(
                      context.get(), octets_of(signature), signature.size(), octets_of(sha256), sha256.size()
                  ) == 1;
    } else if (decoded.context) {
        is_good = EVP_PKEY_verify(
                      decoded.context.get(),
                      octets_of(signature),
                      signature.size(),
                      octets_of(sha256),
                      sha256.size()
                  ) == 1;
    }
    ERR_clear_error();
    return is_good;
}

std::string decode_base64_tag(std::string_view text) {
    std::string packed;
    for (const char c : text) {
        if (!is_fws(c)) packed += c;
    }
    if (packed.empty() || packed.size() % 4 != 0) return {};
    std::string octets(packed.size() / 4 * 3, '\0');
    const int length = EVP_DecodeBlock(
        reinterpret_cast<unsigned char*>(octets.data()), octets_of(packed), static_cast<int>(packed.size())
    );
    if (length < 0) return {};
    // EVP_DecodeBlock takes padding for zeros.
    const std::size_t padding = packed.ends_with("==") ? 2 : packed.ends_with('=') ? 1 : 0;
    octets.resize(static_cast<std::size_t>(length) - padding);
    return octets;
}

std::expected<DkimKeyRecord, DkimKeyError> parse_dkim_key(std::string_view record) {
    const auto fail = [](DkimKeyFault fault, unsigned bits = 0) {
        return std::unexpected(DkimKeyError{fault, bits});
    };
    if (record.size() > key_record_limit_octets) return fail(DkimKeyFault::bad_syntax);
    const auto tags = parse_tags(record);
    if (!tags || tags->empty()) return fail(DkimKeyFault::bad_syntax);
    // RFC 6376 section 3.6.1: v= is the first tag, if it is there.
    const auto version = std::ranges::find(*tags, std::string_view("v"), &Tag::name);
    if (version != tags->end() && (version != tags->begin() || version->value != "DKIM1"))
        return fail(DkimKeyFault::bad_version);
    DkimKeyRecord key;
    const std::string_view type = value_of(*tags, "k", "rsa");
    if (type == "ed25519") {
        key.type = DkimKeyType::ed25519;
    } else if (type != "rsa") {
        return fail(DkimKeyFault::unknown_type);
    }
    if (!has_word(value_of(*tags, "h", "sha256"), "sha256")) return fail(DkimKeyFault::sha256_not_allowed);
    const std::string_view services = value_of(*tags, "s", "*");
    if (!has_word(services, "*") && !has_word(services, "email")) return fail(DkimKeyFault::not_for_mail);
    key.is_test = has_word(value_of(*tags, "t", ""), "y");
    key.is_strict = has_word(value_of(*tags, "t", ""), "s");
    const auto material = std::ranges::find(*tags, std::string_view("p"), &Tag::name);
    if (material == tags->end()) return fail(DkimKeyFault::bad_syntax);
    if (material->value.empty()) return fail(DkimKeyFault::revoked);
    const std::string octets = decode_base64_tag(material->value);
    if (key.type == DkimKeyType::ed25519) {
        if (octets.size() != 32) return fail(DkimKeyFault::bad_key);
        key.point = octets;
        key.bits = 256;
        return key;
    }
    if (!take_rsa(octets, key)) return fail(DkimKeyFault::bad_key);
    if (key.bits < dkim_key_usable_bits) return fail(DkimKeyFault::too_short, key.bits);
    if (key.bits > dkim_key_most_bits) return fail(DkimKeyFault::too_long, key.bits);
    return key;
}

std::string_view describe(DkimKeyFault fault) {
    switch (fault) {
        case DkimKeyFault::bad_syntax: return "the key record is malformed";
        case DkimKeyFault::bad_version: return "the key record's v= is not DKIM1 or not first";
        case DkimKeyFault::unknown_type: return "the key's type is unknown";
        case DkimKeyFault::revoked: return "the key is revoked";
        case DkimKeyFault::bad_key: return "the key cannot be decoded";
        case DkimKeyFault::too_short: return "the key has less than 1024 bits";
        case DkimKeyFault::too_long: return "the key has more than 4096 bits";
        case DkimKeyFault::sha256_not_allowed: return "the key does not allow sha256";
        case DkimKeyFault::not_for_mail: break;
    }
    return "the key is not for mail";
}

}  // namespace wicket
