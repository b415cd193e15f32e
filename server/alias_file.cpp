#include "server/alias_file.hpp"

#include "base/text.hpp"
#include "base/unicode_names.hpp"
#include "mail/address.hpp"
#include "store/accounts.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <optional>

namespace wicket {
namespace {

/// Reads one file line by line; every mistake has the column of the word at fault.
class AliasReader {
public:
    AliasReader(
        const std::string& file,
        const std::string& domain,
        const std::vector<std::string>& our_domains,
        Diagnostics& diagnostics
    )
        : file_(file), domain_(domain), our_domains_(our_domains), diagnostics_(diagnostics) {}

    void read_line(std::string_view line) {
        ++number_;
        line_ = line;
        const std::string_view content = trimmed(line.substr(0, line.find('#')));
        if (content.empty()) return;
        const std::size_t gap = content.find_first_of(" \t");
        const std::string_view alias = content.substr(0, gap);
        if (gap == std::string_view::npos)
            return complain(alias, fmt::format("the alias {} has no target", alias));
        const std::vector<std::string> targets = read_targets(content.substr(gap));
        if (targets.empty()) return;
        if (alias == "*" || (alias.starts_with("*@") && ascii_domain(alias.substr(2)) == domain_)) {
            if (!table_.catch_all.empty()) complain(alias, "there is a second catch-all");
            table_.catch_all = targets;
            return;
        }
        const auto address = parse_mailbox(
            alias.contains('@') ? std::string(alias) : fmt::format("{}@{}", alias, domain_),
            AddressCharset::utf8
        );
        if (!address)
            return complain(alias, fmt::format("{} is no alias: {}", alias, describe(address.error().fault)));
        if (ascii_domain(address->domain()) != domain_)
            return complain(
                alias,
                fmt::format("the alias {} is not in the domain {} that this file belongs to", alias, domain_)
            );
        if (alias.contains('*'))
            return complain(
                alias, fmt::format("{} is no pattern: the one for all that is left is *", alias), "*"
            );
        const std::string canonical = canonical_account_name(address->local_part(), domain_);
        const std::string local_part = canonical.substr(0, canonical.rfind('@'));
        table_.places.emplace(local_part, place_of(alias));
        if (!table_.by_local_part.emplace(local_part, targets).second)
            complain(alias, fmt::format("the alias {} stands here twice", alias));
    }

    AliasTable take() { return std::move(table_); }

private:
    std::vector<std::string> read_targets(std::string_view text) {
        std::vector<std::string> targets;
        while (true) {
            const std::size_t comma = text.find(',');
            if (const auto target = read_target(trimmed(text.substr(0, comma)))) targets.push_back(*target);
            if (comma == std::string_view::npos) return targets;
            text.remove_prefix(comma + 1);
        }
    }

    std::optional<std::string> read_target(std::string_view word) {
        const auto address = parse_mailbox(
            word.contains('@') ? std::string(word) : fmt::format("{}@{}", word, domain_), AddressCharset::utf8
        );
        if (!address) {
            complain(
                word,
                fmt::format("the target \"{}\" is no address: {}", word, describe(address.error().fault))
            );
            return std::nullopt;
        }
        if (std::ranges::find(our_domains_, ascii_domain(address->domain())) == our_domains_.end()) {
            complain(
                word,
                fmt::format("the target {} is not ours, and mail cannot be sent on yet", word),
                nearest_word(address->domain(), our_domains_)
            );
            return std::nullopt;
        }
        std::string canonical = canonical_account_name(address->local_part(), address->domain());
        table_.targets.push_back({canonical, place_of(word)});
        return canonical;
    }

    SourcePlace place_of(std::string_view word) const {
        const auto column = static_cast<std::uint32_t>(word.data() - line_.data()) + 1;
        return {file_, number_, column};
    }

    void complain(std::string_view word, std::string message, std::string suggestion = {}) {
        diagnostics_.error(place_of(word), std::move(message), std::move(suggestion), std::string(line_));
    }

    const std::string& file_;
    const std::string& domain_;
    const std::vector<std::string>& our_domains_;
    Diagnostics& diagnostics_;
    AliasTable table_;
    std::string_view line_;
    std::uint32_t number_ = 0;
};

}  // namespace

AliasTable parse_aliases(
    std::string_view text,
    const std::string& file,
    const std::string& domain,
    const std::vector<std::string>& our_domains,
    Diagnostics& diagnostics
) {
    AliasReader reader(file, domain, our_domains, diagnostics);
    while (!text.empty()) {
        const std::size_t end = text.find('\n');
        reader.read_line(text.substr(0, end));
        if (end == std::string_view::npos) break;
        text.remove_prefix(end + 1);
    }
    return reader.take();
}

}  // namespace wicket
