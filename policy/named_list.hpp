// Lists of a rule file's [[list]], held in memory: `client.ip in list(partners)`. One entry a line, `#` at
// its beginning or after a blank begins a comment, `expires=2027-01-31` at its end is the day from which on
// it matches no more. Immutable once parsed; any thread. Looking up allocates in lists of regular expressions
// that expire, else nothing.
#pragma once

#include "base/clock.hpp"
#include "base/diagnostic.hpp"
#include "base/ip.hpp"
#include "base/result.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace re2 {
class RE2;
}

namespace wicket {

enum class ListKind : std::uint8_t {
    ip,       // addresses and networks
    domain,   // domains, each with all its subdomains
    address,  // whole addresses, or @domain
    glob,     // `*` and `?`
    regex,    // RE2, somewhere in the text
};

std::string_view to_string(ListKind kind);

/// An entry as it stands in the file, for the linter.
struct ListEntry {
    std::string text;
    SourcePlace place;
    std::optional<WallTime> expires;
};

class NamedList {
public:
    ~NamedList();
    /// Reports every bad line at its place under `file`; nullptr if there was one. `entries`, if not null,
    /// gets all of them.
    static std::shared_ptr<const NamedList> parse(
        ListKind kind,
        std::string_view content,
        const std::string& file,
        Diagnostics& diagnostics,
        std::vector<ListEntry>* entries = nullptr
    );

    ListKind kind() const { return kind_; }
    std::size_t size() const;
    /// Whether any entry expires, so that `now` matters.
    bool has_expiring() const { return has_expiring_; }
    /// Of an ip list.
    bool contains(const IpAddress& address, WallTime now = WallTime::min()) const;
    /// Of the other kinds; case is ignored, but for regex, where `(?i)` says so.
    bool contains(std::string_view text, WallTime now = WallTime::min()) const;
    /// Whether some entry of this list covers all that `entry` of a list of the same kind stands for. Of
    /// globs and regular expressions: whether it stands here too.
    bool covers(std::string_view entry) const;

private:
    struct Hash {
        using is_transparent = void;
        std::size_t operator()(std::string_view text) const;
    };
    struct Equal {
        using is_transparent = void;
        bool operator()(std::string_view a, std::string_view b) const;
    };

    struct Pattern {
        std::string text;
        std::unique_ptr<const re2::RE2> compiled;  // of a regex
        WallTime expires;
    };
    struct JoinedPatterns;
    struct Network {
        IpNetwork network;
        WallTime expires;
    };
    struct BadEntry {
        std::string message;
        std::size_t offset = 0;  // in octets, into the entry
    };

    explicit NamedList(ListKind kind);
    static bool stands_before(const Network& a, const Network& b);
    std::optional<BadEntry> add(std::string_view entry, WallTime expires);
    std::optional<BadEntry> add_regex(std::string_view entry, WallTime expires);
    void add_text(std::string text, WallTime expires);
    bool has_text(std::string_view text, WallTime now) const;
    void order_networks();
    void join_patterns();
    bool matches_any(std::string_view text, WallTime now) const;

    ListKind kind_;
    bool has_expiring_ = false;
    std::vector<Network> networks_;    // sorted by prefix length, then address: see contains
    std::vector<int> prefix_lengths_;  // those that occur, IPv4 as 96 and more
    std::unordered_map<std::string, WallTime, Hash, Equal> texts_;  // with the time of expiry
    std::vector<Pattern> patterns_;
    std::unique_ptr<JoinedPatterns> joined_;  // all of a regex list at once
};

using NamedLists = std::map<std::string, std::shared_ptr<const NamedList>, std::less<>>;

/// Whether `text` matches `glob`, where `*` stands for any octets and `?` for one; ASCII case is ignored.
/// Time is at most the product of the two lengths; no allocation.
bool matches_glob(std::string_view glob, std::string_view text);
/// Whether a text stands for more than itself to matches_glob().
inline bool is_glob(std::string_view text) {
    return text.find_first_of("*?") != std::string_view::npos;
}

}  // namespace wicket
