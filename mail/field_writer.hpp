// Writes header fields that we add: folded at 78 columns (RFC 5322 section 2.1.1), and proof against what
// peers put into them: no octet that it is given can end a line or make another field. Values; any thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace wicket {

/// A text in which every control octet (C0, DEL) and every octet that is not UTF-8 is '?', cut to
/// `limit_octets`.
std::string printable(std::string_view text, std::size_t limit_octets);

/// A quoted-string (RFC 5322 section 3.2.4) of printable(text), cut so that between its quotes stand at most
/// `limit_octets`, the escaping ones counted.
std::string quoted(std::string_view text, std::size_t limit_octets);

class FieldWriter {
public:
    /// `name`: ours, never a peer's.
    explicit FieldWriter(std::string_view name);

    /// Adds a piece that is never broken, after a space or, if it would pass column 78, on a new line.
    void add(std::string_view piece);
    /// Adds a piece directly to the one before it.
    void append(std::string_view piece);
    /// The field with CRLF.
    std::string finish();

private:
    std::string text_;
    std::size_t column_;
};

/// A field of ours with free text: words are folded, control octets are '?'. Empty if `name` is not a field
/// name.
std::string text_field(std::string_view name, std::string_view value);

}  // namespace wicket
