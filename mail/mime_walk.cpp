#include "mail/mime_walk.hpp"

#include "base/text.hpp"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

namespace wicket {
namespace {

/// A multipart, or a message, that is open at a place of the text.
struct OpenEntity {
    std::string boundary = {};  // of a message: empty, for its end is that of what holds it
    bool is_digest = false;
    bool has_parts = false;
    std::size_t content_begin = 0;
};

/// A line that ends a part.
struct Delimiter {
    std::size_t line_begin;
    std::size_t line_end;  // after its LF
    std::size_t level;     // which of the open entities it belongs to
    bool is_close;
};

std::size_t end_of_line(std::string_view text, std::size_t at) {
    const std::size_t newline = text.find('\n', at);
    return newline == std::string_view::npos ? text.size() : newline + 1;
}

std::string_view without_line_end_at(std::string_view text) {
    if (text.ends_with('\n')) text.remove_suffix(1);
    if (text.ends_with('\r')) text.remove_suffix(1);
    return text;
}

bool begins_field(std::string_view line) {
    const std::size_t colon = line.find(':');
    const std::string_view name = trimmed(line.substr(0, colon));
    return colon != std::string_view::npos && !name.empty() && name.data() == line.data() &&
           std::ranges::none_of(name, is_wsp);
}

MimeValue value_of(const HeaderBlock& header, std::string_view name) {
    const HeaderField* const field = header.find(name);
    return field == nullptr ? MimeValue{} : parse_mime_value(field->value);
}

class MimeWalk {
public:
    MimeWalk(std::string_view text, MimeVisitor& visitor, const MimeLimits& limits)
        : text_(text), visitor_(visitor), limits_(limits) {}

    void run() {
        const HeaderBlock header = parse_header(text_);
        if (header.fault == HeaderFault::too_large || header.fault == HeaderFault::too_many_lines)
            visitor_.cut("the header is too large");
        visitor_.header(header, MimeEntity::message);
        enter(header, header.size_octets);
        while (!is_over_ && at_ < text_.size()) {
            const auto delimiter = find_delimiter(at_);
            if (!delimiter) break;
            close_down_to(delimiter->level, delimiter->line_begin);
            at_ = delimiter->line_end;
            open_.back().has_parts = true;
            if (delimiter->is_close)
                open_.pop_back();
            else
                read_part();
        }
        while (!is_over_ && !open_.empty())
            close_last(text_.size());
    }

private:
    /// Reads the header of a part that begins at at_, and what follows from it.
    void read_part() {
        if (++parts_ > limits_.parts) {
            is_over_ = true;
            visitor_.cut("the message has too many parts");
            return;
        }
        const std::size_t begin = at_;
        const bool is_header = begins_field(text_.substr(begin, end_of_line(text_, begin) - begin));
        std::size_t end = begin;
        std::size_t body = begin;
        while (end < text_.size()) {
            const std::size_t next = end_of_line(text_, end);
            const std::string_view line = without_line_end_at(text_.substr(end, next - end));
            if (delimiter_in(line, end, next)) {
                body = end;
                break;
            }
            if (line.empty()) {
                body = next;
                break;
            }
            // RFC 2046 section 5.1 wants the empty line; without it, what is no field is text.
            if (!is_header) break;
            end = body = next;
        }
        const HeaderBlock header = parse_header(text_.substr(begin, end - begin), limits_.part_header);
        if (header.fault == HeaderFault::too_large || header.fault == HeaderFault::too_many_lines)
            visitor_.cut("the header of a part is too large");
        visitor_.header(header, MimeEntity::part);
        enter(header, body);
    }

    /// What begins at `body` under this header. Goes on to the next delimiter.
    void enter(const HeaderBlock& header, std::size_t body) {
        at_ = body;
        MimeLeaf leaf{
            .type = value_of(header, "Content-Type"),
            .disposition = value_of(header, "Content-Disposition"),
        };
        if (const HeaderField* const field = header.find("Content-Transfer-Encoding"))
            leaf.encoding = parse_transfer_encoding(unfold(field->value));
        const bool is_in_digest = !open_.empty() && open_.back().is_digest;
        if (!leaf.type.word.contains('/')) leaf.type.word = is_in_digest ? "message/rfc822" : "text/plain";
        if (leaf.type.word.starts_with("multipart/") && !leaf.type.get("boundary").empty()) {
            open({
                .boundary = std::string(leaf.type.get("boundary")),
                .is_digest = leaf.type.word == "multipart/digest",
                .content_begin = body,
            });
            return;
        }
        const bool is_message = leaf.type.word == "message/rfc822" || leaf.type.word == "message/global";
        if (is_message && leaf.encoding == TransferEncoding::identity) {
            read_embedded(body);
            return;
        }
        // Without a boundary there are no parts: what is there is read as it stands.
        if (leaf.type.word.starts_with("multipart/")) leaf.type.word = "text/plain";
        const auto delimiter = find_delimiter(body);
        at_ = delimiter ? delimiter->line_begin : text_.size();
        std::string_view content = text_.substr(body, at_ - body);
        if (delimiter) content = without_line_end_at(content);
        leaf.content = content;
        visitor_.leaf(leaf);
    }

    void read_embedded(std::size_t body) {
        if (++parts_ > limits_.parts) {
            is_over_ = true;
            visitor_.cut("the message has too many parts");
            return;
        }
        if (!open({.content_begin = body})) return;
        // Its header ends where the part does, at the latest.
        const std::size_t end = find_header_end(body);
        const HeaderBlock header = parse_header(text_.substr(body, end - body), limits_.part_header);
        if (header.fault == HeaderFault::too_large || header.fault == HeaderFault::too_many_lines)
            visitor_.cut("the header of a message within it is too large");
        visitor_.header(header, MimeEntity::embedded);
        enter(header, end);
    }

    /// Where the header block that begins at `begin` ends: after its empty line, or before a delimiter.
    std::size_t find_header_end(std::size_t begin) const {
        for (std::size_t at = begin; at < text_.size();) {
            const std::size_t next = end_of_line(text_, at);
            const std::string_view line = without_line_end_at(text_.substr(at, next - at));
            if (delimiter_in(line, at, next)) return at;
            if (line.empty()) return next;
            at = next;
        }
        return text_.size();
    }

    bool open(OpenEntity entity) {
        if (open_.size() == limits_.depth) {
            is_over_ = true;
            visitor_.cut("the message is nested too deeply");
            return false;
        }
        open_.push_back(std::move(entity));
        return true;
    }

    /// The line at `begin`, if it delimits a part of anything that is open.
    std::optional<Delimiter> delimiter_in(std::string_view line, std::size_t begin, std::size_t end) const {
        if (!line.starts_with("--") || open_.empty()) return std::nullopt;
        const std::string_view rest = line.substr(2);
        std::string_view exact = rest;
        // RFC 2046 section 5.1.1: white space may stand behind.
        while (!exact.empty() && is_wsp(exact.back()))
            exact.remove_suffix(1);
        for (std::size_t level = open_.size(); level-- > 0;) {
            const std::string& boundary = open_[level].boundary;
            if (boundary.empty()) continue;
            if (exact == boundary) return Delimiter{begin, end, level, false};
            if (exact.size() == boundary.size() + 2 && exact.starts_with(boundary) && exact.ends_with("--"))
                return Delimiter{begin, end, level, true};
        }
        // It is enough that the boundary appears in its entirety at the beginning of the line.
        for (std::size_t level = open_.size(); level-- > 0;) {
            const std::string& boundary = open_[level].boundary;
            if (!boundary.empty() && rest.starts_with(boundary))
                return Delimiter{begin, end, level, rest.substr(boundary.size()).starts_with("--")};
        }
        return std::nullopt;
    }

    std::optional<Delimiter> find_delimiter(std::size_t from) const {
        for (std::size_t at = from; at < text_.size();) {
            if (text_.substr(at, 2) == "--") {
                const std::size_t next = end_of_line(text_, at);
                if (auto found = delimiter_in(without_line_end_at(text_.substr(at, next - at)), at, next))
                    return found;
                at = next;
                continue;
            }
            const std::size_t found = text_.find("\n--", at);
            if (found == std::string_view::npos) break;
            at = found + 1;
        }
        return std::nullopt;
    }

    /// Ends everything within the entity of that level.
    void close_down_to(std::size_t level, std::size_t end) {
        while (open_.size() > level + 1)
            close_last(end);
    }

    void close_last(std::size_t end) {
        const OpenEntity last = std::move(open_.back());
        open_.pop_back();
        if (last.boundary.empty() || last.has_parts) return;
        // Its boundary never came, so mail programs show what is there.
        MimeLeaf leaf;
        leaf.type.word = "text/plain";
        leaf.content =
            text_.substr(last.content_begin, std::max(end, last.content_begin) - last.content_begin);
        visitor_.leaf(leaf);
    }

    std::string_view text_;
    MimeVisitor& visitor_;
    MimeLimits limits_;
    std::vector<OpenEntity> open_;
    std::size_t at_ = 0;
    std::size_t parts_ = 0;
    bool is_over_ = false;
};

}  // namespace

void walk_mime(std::string_view message, MimeVisitor& visitor, const MimeLimits& limits) {
    MimeWalk(message, visitor, limits).run();
}

}  // namespace wicket
