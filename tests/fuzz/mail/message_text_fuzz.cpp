// Whatever the message: its parts lie within it, in order and without overlap; what is told of it is UTF-8,
// laid out in one way, and within all limits; the same message says the same again.

#include "mail/message_text.hpp"
#include "mail/mime_walk.hpp"
#include "mail/url_finder.hpp"

#include <cstdlib>
#include <functional>
#include <set>
#include <string>

namespace wicket {
namespace {

void require(bool holds) {
    if (!holds) std::abort();
}

void require_utf8(std::string_view text) {
    while (!text.empty()) {
        const Utf8Character next = first_character(text);
        require(next.length > 1 || next.value < 0x80);
        text.remove_prefix(next.length);
    }
}

class WalkChecker : public MimeVisitor {
public:
    explicit WalkChecker(std::string_view message) : message_(message), at_(message.data()) {}

    void header(const HeaderBlock& header, MimeEntity entity) override {
        require(entity != MimeEntity::message || entities_ == 0);
        ++entities_;
        for (const HeaderField& field : header.fields)
            require_within(field.name);
    }
    void leaf(const MimeLeaf& leaf) override {
        require(leaf.type.word.contains('/'));
        require(leaf.type.parameters.size() <= mime_parameters_limit);
        require_within(leaf.content);
        const std::size_t limit = leaf.content.size() / 2;
        const DecodedOctets whole = decode_transfer(leaf.content, leaf.encoding, leaf.content.size());
        require(!whole.is_cut && whole.octets.size() <= leaf.content.size());
        const DecodedOctets half = decode_transfer(leaf.content, leaf.encoding, limit);
        require(half.octets == whole.octets.substr(0, limit));
        require(half.is_cut == (whole.octets.size() > limit));
    }
    void cut(std::string_view reason) override { require(!reason.empty()); }

    std::size_t entities() const { return entities_; }

private:
    /// Behind everything that was told before.
    void require_within(std::string_view view) {
        if (view.empty()) return;
        require(std::greater_equal<>()(view.data(), at_));
        at_ = view.data() + view.size();
        require(std::less_equal<>()(at_, message_.data() + message_.size()));
    }

    std::string_view message_;
    const char* at_;
    std::size_t entities_ = 0;
};

/// Of a charset that nobody else knows: what it makes need not be UTF-8.
class OddCharset : public CharsetDecoder {
public:
    std::optional<std::string> decode(std::string_view charset, std::string_view octets) const override {
        if (charset != "x-odd") return std::nullopt;
        return std::string(octets.rbegin(), octets.rend());
    }
};

class TextChecker : public MessageReader {
public:
    bool wants(MessagePiece /*piece*/) const override { return true; }
    void field(std::string_view name, std::string_view value) override {
        require(!name.empty());
        require_utf8(value);
        tell(name);
        tell(value);
    }
    void text(std::string_view text) override {
        require(!text.empty() && text.front() != ' ' && text.back() != ' ');
        require(text.front() != '\n' && text.back() != '\n');
        require(!text.contains("  ") && !text.contains(" \n") && !text.contains("\n "));
        require(!text.contains('\r') && !text.contains('\t'));
        require_utf8(text);
        require(text.size() <= 3 * message_text_limit_octets);
        tell(text);
    }
    void url(std::string_view url) override {
        require(!url.empty() && url.size() <= url_limit_octets && url.contains(':'));
        require(urls_.emplace(url).second && urls_.size() <= message_urls_limit);
        tell(url);
    }
    void missing(MessagePiece /*piece*/, std::string_view reason) override { tell(reason); }

    std::string told;

private:
    void tell(std::string_view text) {
        told += text;
        told += '\0';
    }

    std::set<std::string, std::less<>> urls_;
};

void check_message(std::string_view message) {
    WalkChecker walk(message);
    walk_mime(message, walk);
    require(walk.entities() >= 1 && walk.entities() <= MimeLimits{}.parts + 1);
    const OddCharset charset;
    TextChecker first;
    read_message(message, &charset, first);
    TextChecker second;
    read_message(message, &charset, second);
    require(first.told == second.told);
}

void check_urls(std::string_view text) {
    const char* at = text.data();
    find_urls(text, [&](std::string_view url) {
        require(std::greater_equal<>()(url.data(), at) && url.size() > 4);
        at = url.data() + url.size();
        require(std::less_equal<>()(at, text.data() + text.size()));
    });
    require(normal_url(text).size() <= url_limit_octets);
}

}  // namespace
}  // namespace wicket

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer calls it by this name.
extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    wicket::check_message(text);
    wicket::check_urls(text);
    return 0;
}
