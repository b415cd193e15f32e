// Reads TOML strictly: every key must be asked for, every value must have the type asked for, and every
// mistake is a Diagnostic with file, line, column and a suggestion. Used for mailwicket.toml and for rule
// files alike. A reader borrows its document. One thread.
#pragma once

#include "base/diagnostic.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace wicket {

class ConfigTable;

/// A scalar of the document with its place, for values that have a syntax of their own.
struct ConfigValue {
    enum class Kind : std::uint8_t { text, integer, real, boolean, date, list, table };
    Kind kind = Kind::text;
    std::string text;  // of a text; of a date as RFC 3339
    std::int64_t integer = 0;
    double real = 0;  // also of an integer
    bool boolean = false;
    std::vector<ConfigValue> list;   // the elements of a list
    std::vector<ConfigValue> table;  // the members of a table, in document order; each has its `key`
    std::string key;
    SourcePlace place;
    /// For a string that stands in the document as it is, over one line or several: where its first character
    /// stands. Else, say for one with escapes, equal to `place`.
    SourcePlace text_place;

    /// Where the octet at `offset` of `text` stands, or the value if that is not known.
    SourcePlace place_of(std::size_t offset) const;
};

/// One table of the document. Ask for its keys; then call finish(), which reports those nobody asked for.
class ConfigTable {
public:
    ConfigTable(const ConfigTable&) = delete;
    ConfigTable& operator=(const ConfigTable&) = delete;
    ConfigTable(ConfigTable&&) noexcept;
    ConfigTable& operator=(ConfigTable&&) noexcept;
    ~ConfigTable();

    // Each returns nullopt if the key is absent, or of the wrong type (then it is reported).
    std::optional<std::string> text(std::string_view key);
    std::optional<std::int64_t> integer(std::string_view key, std::int64_t least, std::int64_t most);
    std::optional<double> number(std::string_view key);
    std::optional<bool> boolean(std::string_view key);
    /// "250ms", "3s", "5m", "2h", "30d".
    std::optional<std::chrono::milliseconds> duration(std::string_view key);
    /// A list of texts; with `or_one` a single text counts as a list of one.
    enum class OneOrList : std::uint8_t { list_only, one_or_list };
    std::optional<std::vector<ConfigValue>> texts(
        std::string_view key, OneOrList form = OneOrList::list_only
    );
    /// One of `words`; another is reported with the nearest.
    std::optional<std::string> word(std::string_view key, std::vector<std::string> words);
    /// Whatever stands there.
    std::optional<ConfigValue> value(std::string_view key);
    std::optional<ConfigTable> table(std::string_view key);
    /// The tables of `[[key]]`, in document order.
    std::vector<ConfigTable> tables(std::string_view key);
    /// The tables of `[key.NAME]` with their names, in document order.
    std::vector<std::pair<std::string, ConfigTable>> named_tables(std::string_view key);

    bool has(std::string_view key) const;
    /// The keys that stand here, in document order.
    std::vector<std::string> keys() const;
    /// Where the table begins, and where a key stands (the table's place if it is absent).
    SourcePlace place() const;
    SourcePlace place_of(std::string_view key) const;
    /// The place of the value of `key` (the table's place if it is absent).
    SourcePlace value_place(std::string_view key) const;
    /// The source line at a place of this document, for a caret.
    std::string source_line(const SourcePlace& place) const;
    /// The same to be shown under a mistake: empty if it is longer than that.
    std::string shown_line(const SourcePlace& place) const;
    void error(const SourcePlace& at, std::string message, std::string suggestion = {}) const;
    void warning(const SourcePlace& at, std::string message, std::string suggestion = {}) const;

    /// Where none of `keys` stands, finish() says so at `place`: unless a key is there that was meant to be
    /// one of them.
    void need(std::vector<std::string> keys, SourcePlace place, std::string message);
    /// Reports every key that was not asked for, with the nearest that was.
    void finish();

private:
    friend class ConfigDocument;
    struct State;
    explicit ConfigTable(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

class ConfigDocument {
public:
    /// Reads a file, or text that is named `name` in messages. A syntax error or an unreadable file is
    /// reported and gives nullptr; a table or key that stands twice is reported, and left out the second
    /// time. `diagnostics` must outlive the document.
    static std::unique_ptr<ConfigDocument> load(const std::string& path, Diagnostics& diagnostics);
    static std::unique_ptr<ConfigDocument> parse(
        std::string text, std::string name, Diagnostics& diagnostics
    );

    ~ConfigDocument();
    ConfigTable root();
    const std::string& text() const;

private:
    struct State;
    explicit ConfigDocument(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

/// "250ms", "3s", "5m", "2h", "30d"; nullopt for anything else.
std::optional<std::chrono::milliseconds> parse_duration(std::string_view text);
/// "512", "64K", "10M", "2G" (binary multiples), in octets.
std::optional<std::uint64_t> parse_size(std::string_view text);

}  // namespace wicket
