#include "mail/message_text.hpp"

#include "base/text.hpp"
#include "mail/html_text.hpp"
#include "mail/mime_walk.hpp"
#include "mail/url_finder.hpp"

#include <array>
#include <string>
#include <unordered_set>
#include <utility>

namespace wicket {
namespace {

// Messages within messages that are encoded, which no standard allows and some mail programs open.
constexpr unsigned encoded_messages_limit = 4;

bool is_html_name(std::string_view name) {
    return name.ends_with(".html") || name.ends_with(".htm") || name.ends_with(".shtml") ||
           name.ends_with(".xhtml");
}

class TextCollector final : public MimeVisitor, private HtmlVisitor {
public:
    TextCollector(const CharsetDecoder* charsets, MessageReader& reader)
        : charsets_(charsets), reader_(reader), wants_urls_(reader.wants(MessagePiece::urls)) {}

    void header(const HeaderBlock& header, MimeEntity entity) override {
        if (!reader_.wants(MessagePiece::fields)) return;
        const bool is_of_message = entity == MimeEntity::message && !is_within_encoded_;
        for (const HeaderField& field : header.fields) {
            if (!is_of_message && !starts_with_ignoring_case(field.name, "content-")) continue;
            if (field.value.size() > fields_left_) {
                reader_.missing(MessagePiece::fields, "there are more header fields than are looked at");
                break;
            }
            fields_left_ -= field.value.size();
            tell_field(field);
        }
    }

    void leaf(const MimeLeaf& leaf) override {
        if (!reader_.wants(MessagePiece::texts) && !wants_urls_) return;
        const bool is_message = leaf.type.word.starts_with("message/rfc822");
        if (is_message || leaf.type.word == "message/global") {
            read_encoded_message(leaf);
            return;
        }
        const bool is_html = leaf.type.word == "text/html" || leaf.type.word == "application/xhtml+xml" ||
                             is_html_name(name_of(leaf));
        if (!is_html && !leaf.type.word.starts_with("text/")) return;
        const std::string octets = decode(leaf);
        std::string_view charset = leaf.type.get("charset");
        if (charset.empty() && is_html) charset = charset_in_html(octets);
        const std::string text = decode_text(octets, charset, charsets_);
        ShownText shown;
        if (is_html)
            read_html(text, shown, *this);
        else
            append_plain_text(text, shown);
        if (shown.text().empty()) return;
        find_in(shown.text());
        reader_.text(shown.text());
    }

    void cut(std::string_view reason) override {
        for (const MessagePiece piece : {MessagePiece::fields, MessagePiece::texts, MessagePiece::urls})
            reader_.missing(piece, reason);
    }

private:
    void tell_field(const HeaderField& field) {
        std::string value = without_invisible(decode_words(field.value, charsets_));
        // RFC 2231: the name of an attachment, in a way that patterns can read.
        if (value.contains('*') && starts_with_ignoring_case(field.name, "content-")) {
            for (const MimeParameter& one : parse_mime_value(field.value).parameters) {
                if (!one.is_extended) continue;
                value += "; " + decode_text(one.name, "", nullptr) + "=\"" +
                         decode_text(one.value, one.charset, charsets_) + '"';
            }
        }
        reader_.field(field.name, value);
    }

    /// The file name of a part, in lower case.
    static std::string name_of(const MimeLeaf& leaf) {
        std::string_view name = leaf.disposition.get("filename");
        if (name.empty()) name = leaf.type.get("name");
        return lower_case(trimmed(name));
    }

    std::string decode(const MimeLeaf& leaf) {
        DecodedOctets decoded = decode_transfer(leaf.content, leaf.encoding, text_left_);
        text_left_ -= decoded.octets.size();
        if (decoded.is_cut) {
            reader_.missing(MessagePiece::texts, "there is more text than is looked at");
            reader_.missing(MessagePiece::urls, "there is more text than is looked at");
        }
        return std::move(decoded.octets);
    }

    void read_encoded_message(const MimeLeaf& leaf) {
        if (encoded_messages_ == encoded_messages_limit) {
            cut("there are too many encoded messages in it");
            return;
        }
        ++encoded_messages_;
        const std::string octets = decode(leaf);
        const bool was_within = std::exchange(is_within_encoded_, true);
        walk_mime(octets, *this);
        is_within_encoded_ = was_within;
    }

    void link(std::string_view value) override { add(value); }
    void hidden(std::string_view text) override { find_in(text); }

    void find_in(std::string_view text) {
        if (wants_urls_) find_urls(text, [this](std::string_view url) { add(url); });
    }

    void add(std::string_view found) {
        if (!wants_urls_) return;
        std::string url = normal_url(found);
        if (url.empty() || urls_.contains(url)) return;
        if (urls_.size() == message_urls_limit) {
            reader_.missing(MessagePiece::urls, "there are more addresses than are looked at");
            return;
        }
        if (url.size() == url_limit_octets)
            reader_.missing(MessagePiece::urls, "an address is longer than is looked at");
        reader_.url(url);
        urls_.insert(std::move(url));
    }

    const CharsetDecoder* charsets_;
    MessageReader& reader_;
    bool wants_urls_;
    std::size_t fields_left_ = message_fields_limit_octets;
    std::size_t text_left_ = message_text_limit_octets;
    std::unordered_set<std::string> urls_;
    unsigned encoded_messages_ = 0;
    bool is_within_encoded_ = false;
};

}  // namespace

void read_message(std::string_view message, const CharsetDecoder* charsets, MessageReader& reader) {
    TextCollector collector(charsets, reader);
    walk_mime(message, collector);
}

}  // namespace wicket
