// What `log --by` and `log --chart` make of many records: counts for each value of something, and counts over
// time. Memory is bounded however many values there are. A folded row counts as what it stands for. One
// thread.
#pragma once

#include "policy/record.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace wicket {

// More values than this at once are not held: the rarest half is then counted together as `others`. A value
// takes some 200 octets.
inline constexpr std::size_t group_values_limit = 65'536;

class RecordGroups {
public:
    /// `field`: rule, hit, verdict, ip, network, sender, sender-domain, recipient, recipient-domain, helo,
    /// stage, listener, reply, or fact:NAME. invalid with a suggestion for anything else.
    static Result<RecordGroups> by(std::string_view field, std::size_t values_limit = group_values_limit);
    static const std::vector<std::string>& fields();

    /// Counts it once for each different value that it has, and as "(none)" if it has none.
    void add(const StoredRecord& stored);

    struct Row {
        std::string value;
        std::uint64_t count = 0;
        WallTime first{};
        WallTime last{};
    };
    /// The most frequent first; values of one count by name.
    std::vector<Row> rows() const;
    /// Of all records; a record with several values is in several rows.
    std::uint64_t total() const { return total_; }
    /// What was counted under no value of its own since the table was full: then counts are lower bounds.
    std::uint64_t others() const { return others_; }

private:
    using Values = std::function<void(const StoredRecord&, std::vector<std::string>&)>;
    RecordGroups(Values values, std::size_t limit) : values_(std::move(values)), limit_(limit) {}
    void make_room();

    Values values_;
    std::size_t limit_;
    std::unordered_map<std::string, Row> rows_;
    std::uint64_t total_ = 0;
    std::uint64_t others_ = 0;
    std::vector<std::string> found_;  // of the record at hand
};

/// Records by time, in steps that grow as needed.
class RecordTimes {
public:
    void add(const StoredRecord& stored);

    struct Row {
        WallTime begin{};
        std::uint64_t taken = 0;      // accept, discard
        std::uint64_t set_aside = 0;  // junk, quarantine
        std::uint64_t put_off = 0;    // greylist, defer
        std::uint64_t refused = 0;    // reject, disconnect
        std::uint64_t total() const { return taken + set_aside + put_off + refused + nothing; }
        std::uint64_t nothing = 0;  // none
    };
    struct Chart {
        std::chrono::seconds step{};
        std::vector<Row> rows;  // without gaps
    };
    /// At most `rows_limit` rows, the shortest step that allows it.
    Chart chart(std::size_t rows_limit) const;

private:
    // Minutes are enough for the eye, and 30 days of them fit; of a longer time the step doubles.
    static constexpr std::size_t cells_limit = 65'536;
    std::map<std::int64_t, Row> cells_;  // by time over step
    std::chrono::seconds step_{60};
};

}  // namespace wicket
