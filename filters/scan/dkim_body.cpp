#include "filters/scan/dkim_body.hpp"

#include "base/text.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

namespace wicket {
namespace {

constexpr std::string_view crlf = "\r\n";

std::string_view without_trailing_space(std::string_view line) {
    while (!line.empty() && is_wsp(line.back()))
        line.remove_suffix(1);
    return line;
}

/// Where the canonical octets go: counted, and hashed. Small parts are gathered first.
class Sink {
public:
    explicit Sink(const std::vector<std::uint64_t>& limits) {
        for (const std::uint64_t limit : limits)
            digests_.to.emplace(limit, Sha256{});
        next_ = digests_.to.begin();
    }

    void add(std::string_view octets) {
        while (!octets.empty()) {
            const std::size_t part = std::min(octets.size(), gathered_.size() - size_);
            std::copy_n(octets.data(), part, gathered_.data() + size_);
            commit(part);
            octets.remove_prefix(part);
        }
    }

    void add_empty_lines(std::uint64_t count) {
        static const std::string many = [] {
            std::string lines;
            while (lines.size() < 2048)
                lines += crlf;
            return lines;
        }();
        for (std::uint64_t left = count * crlf.size(); left != 0;) {
            const auto part = static_cast<std::size_t>(std::min<std::uint64_t>(left, many.size()));
            add(std::string_view(many).substr(0, part));
            left -= part;
        }
    }

    /// Each run of white space becomes one space. Without a branch for an octet: text has a space every few.
    void add_relaxed(std::string_view line) {
        bool was_space = false;
        while (!line.empty()) {
            const std::size_t part = std::min(line.size(), gathered_.size() - size_);
            char* out = gathered_.data() + size_;
            for (const char c : line.substr(0, part)) {
                const bool is_space = is_wsp(c);
                *out = is_space ? ' ' : c;
                out += is_space && was_space ? 0 : 1;
                was_space = is_space;
            }
            commit(static_cast<std::size_t>(out - gathered_.data()) - size_);
            line.remove_prefix(part);
        }
    }

    DkimBodyDigests finish() {
        flush();
        digests_.whole = sha256_.finish();
        for (; next_ != digests_.to.end(); ++next_)
            next_->second = digests_.whole;
        return std::move(digests_);
    }

private:
    void commit(std::size_t added) {
        size_ += added;
        if (size_ == gathered_.size()) flush();
    }

    void flush() {
        std::string_view left(gathered_.data(), size_);
        for (; next_ != digests_.to.end() && next_->first < digests_.octets + left.size(); ++next_) {
            hash(left, static_cast<std::size_t>(next_->first - digests_.octets));
            next_->second = sha256_.so_far();
        }
        hash(left, left.size());
        size_ = 0;
    }

    void hash(std::string_view& left, std::size_t length) {
        sha256_.add(left.substr(0, length));
        digests_.octets += length;
        left.remove_prefix(length);
    }

    Sha256Stream sha256_;
    DkimBodyDigests digests_;
    std::map<std::uint64_t, Sha256>::iterator next_;  // whose octets are not all here yet
    std::size_t size_ = 0;
    std::array<char, 4096> gathered_;
};

}  // namespace

DkimBodyDigests digest_body(
    std::string_view body, DkimCanonicalization canonicalization, const std::vector<std::uint64_t>& limits
) {
    Sink sink(limits);
    const bool is_relaxed = canonicalization == DkimCanonicalization::relaxed;
    std::uint64_t empty_lines = 0;  // since the last that is not: at the end of the body they do not count
    bool is_any_line = false;
    while (!body.empty()) {
        const std::size_t end = body.find(crlf);
        std::string_view line = body.substr(0, end);
        // RFC 6376 section 3.4.3 and 3.4.4: a last line without CRLF gets one.
        body.remove_prefix(end == std::string_view::npos ? body.size() : end + crlf.size());
        if (is_relaxed) line = without_trailing_space(line);
        if (line.empty()) {
            ++empty_lines;
            continue;
        }
        is_any_line = true;
        sink.add_empty_lines(std::exchange(empty_lines, 0));
        if (is_relaxed) {
            sink.add_relaxed(line);
        } else {
            sink.add(line);
        }
        sink.add(crlf);
    }
    // Section 3.4.3: simple makes a CRLF of an empty body; relaxed leaves it empty.
    if (!is_any_line && !is_relaxed) sink.add(crlf);
    return sink.finish();
}

}  // namespace wicket
