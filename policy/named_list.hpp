// Lists of a rule file's [[list]], held in memory: `client.ip in list(partners)`. One entry a line, `#`
// begins a comment. Immutable once parsed; any thread; no allocation while looking up.
#pragma once

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
#include <unordered_set>
#include <vector>

namespace wicket {

enum class ListKind : std::uint8_t {
    ip,       // addresses and networks
    domain,   // domains, each with all its subdomains
    address,  // whole addresses, or @domain
    glob,     // `*` and `?`
};

std::string_view to_string(ListKind kind);

class NamedList {
public:
    /// Reports every bad line at its place under `file`; nullptr if there was one.
    static std::shared_ptr<const NamedList> parse(
        ListKind kind, std::string_view content, const std::string& file, Diagnostics& diagnostics
    );

    ListKind kind() const { return kind_; }
    std::size_t size() const { return networks_.size() + texts_.size() + globs_.size(); }
    /// Of an ip list.
    bool contains(const IpAddress& address) const;
    /// Of the other kinds; case is ignored.
    bool contains(std::string_view text) const;

private:
    struct Hash {
        using is_transparent = void;
        std::size_t operator()(std::string_view text) const;
    };
    struct Equal {
        using is_transparent = void;
        bool operator()(std::string_view a, std::string_view b) const;
    };

    explicit NamedList(ListKind kind) : kind_(kind) {}
    bool add(std::string_view entry);

    ListKind kind_;
    std::vector<IpNetwork> networks_;  // sorted by prefix length, then address: see contains
    std::vector<int> prefix_lengths_;  // those that occur, IPv4 as 96 and more
    std::unordered_set<std::string, Hash, Equal> texts_;
    std::vector<std::string> globs_;
};

using NamedLists = std::map<std::string, std::shared_ptr<const NamedList>, std::less<>>;

/// Whether `text` matches `glob`, where `*` stands for any octets and `?` for one; ASCII case is ignored.
/// Time is at most the product of the two lengths; no allocation.
bool matches_glob(std::string_view glob, std::string_view text);

}  // namespace wicket
