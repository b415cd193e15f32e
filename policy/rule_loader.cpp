#include "policy/rule_loader.hpp"

#include "base/file.hpp"
#include "base/sha256.hpp"
#include "base/source_lines.hpp"
#include "base/text.hpp"
#include "base/unicode_names.hpp"
#include "policy/planned_facts.hpp"
#include "policy/scope_names.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

namespace wicket {
namespace {

// More than any rule set can need: beyond it a slip of the decimal point is likelier.
constexpr double points_limit = 1000;

std::string list_word(const std::shared_ptr<const NamedList>& list) {
    return list == nullptr ? std::string() : std::string(to_string(list->kind()));
}

bool is_name(std::string_view name) {
    return !name.empty() && name.size() <= 64 && is_letter_or_digit(name.front()) &&
           std::ranges::all_of(name, [](char c) {
               return is_digit(c) || (c >= 'a' && c <= 'z') || c == '-' || c == '_' || c == '.';
           });
}

/// The path of what stands beside a file under that name.
std::string beside(const std::string& file, const std::string& name) {
    return name.starts_with('/') ? name : parent_of(file) + name;
}

}  // namespace

RuleLoader::RuleLoader(
    Diagnostics& diagnostics, ListFileReader reader, RuleReading reading, const ServedDomains* domains
)
    : diagnostics_(diagnostics),
      reader_(std::move(reader)),
      reading_(reading),
      domains_(domains),
      made_(std::make_shared<CompiledRules>()) {}

std::shared_ptr<const RuleSet> RuleLoader::load(std::vector<RuleFile> files) {
    const std::size_t errors_before = diagnostics_.error_count();
    declare_planned_facts();
    std::vector<std::unique_ptr<ConfigDocument>> documents;
    std::vector<Root> roots;
    for (const RuleFile& file : files) {
        folder_ = file.folder;
        keep_source(file.hash_name, file.content);
        made_->folders_.resize(std::max(made_->folders_.size(), file.folder + 1));
        made_->folders_[file.folder] = parent_of(file.path);
        auto document = ConfigDocument::parse(file.content, file.path, diagnostics_);
        if (!document) {
            lacks_files_ = true;
            continue;
        }
        roots.push_back({document->root(), &file, {}});
        documents.push_back(std::move(document));
    }
    read_declarations(roots);
    read_rules(roots);
    read_overrides_and_tests(roots);
    const std::vector<ScopedName> names = scoped_names();
    const auto is_without_mistakes = [&] {
        return !lacks_files_ && diagnostics_.error_count() == errors_before;
    };
    const bool is_whole = is_without_mistakes();
    const auto source_line = [&](const SourcePlace& place) {
        const auto is_here = [&](const Root& root) { return root.file->path == place.file; };
        const auto found = std::ranges::find_if(roots, is_here);
        return found == roots.end() ? line_beside(place) : found->table.shown_line(place);
    };
    const LintInput linted{
        *made_, linted_lists_, patterns_, reading_, is_whole, system_clock().wall(), source_line
    };
    lint_expiry(linted, diagnostics_);
    leave_out_rules_without_conditions();
    made_->hash_ = hash_of_sources();
    made_->complete();
    lint_rules(linted, diagnostics_);
    const bool is_good = is_without_mistakes();
    if (domains_ != nullptr) check_scope_names(names, *domains_, diagnostics_);
    return is_good ? made_ : nullptr;
}

void RuleLoader::read_declarations(std::vector<Root>& roots) {
    for (auto& [root, file, rules] : roots) {
        folder_ = file->folder;
        source_ = file->hash_name;
        read_thresholds(root);
        for (auto& [name, table] : root.named_tables("dnsbl"))
            read_dns_list(name, table);
        for (auto& table : root.tables("list"))
            read_list(table, *file);
        for (auto& table : root.tables("pattern"))
            read_pattern(table);
    }
    finish_patterns();
}

void RuleLoader::read_rules(std::vector<Root>& roots) {
    for (auto& [root, file, rules] : roots) {
        rules = root.tables("rule");
        for (auto& table : rules) {
            const auto replaces = table.value("replace");
            const auto id = table.value("id");
            if (id && replaces && replaces->boolean) replacing_[id->text] = file->folder;
        }
    }
    for (auto& [root, file, rules] : roots) {
        folder_ = file->folder;
        source_ = file->hash_name;
        for (auto& table : rules)
            read_rule(table);
    }
}

void RuleLoader::read_overrides_and_tests(std::vector<Root>& roots) {
    for (auto& [root, file, rules] : roots) {
        folder_ = file->folder;
        source_ = file->hash_name;
        for (auto& table : root.tables("override"))
            read_override(table);
    }
    for (auto& [root, file, rules] : roots) {
        folder_ = file->folder;
        for (auto& table : root.tables("test"))
            read_test(table, *file);
        root.finish();
    }
}

std::vector<ScopedName> RuleLoader::scoped_names() const {
    std::vector<ScopedName> names;
    for (const Rule& rule : made_->rules_)
        names.insert(names.end(), rule.scoped_names.begin(), rule.scoped_names.end());
    for (const Override& one : made_->overrides_)
        names.insert(names.end(), one.scoped_names.begin(), one.scoped_names.end());
    return names;
}

bool RuleLoader::may_be_declared(std::string_view name) const {
    if (std::ranges::find(facts_with_mistakes_, name) != facts_with_mistakes_.end()) return true;
    const bool is_fact = made_->dictionary_.find(name).has_value();
    // What has no dot is a rule or list, or no fact of anybody; a mistake without a name is one of its own.
    return lacks_files_ && !is_fact && !name.empty() &&
           (!name.contains('.') || name.starts_with("dnsbl.") || name.starts_with("pattern.") ||
            name.starts_with("list("));
}

std::optional<std::vector<std::string>> RuleLoader::files_beside() const {
    if (lacks_files_) return std::nullopt;
    std::vector<std::string> files;
    for (const auto& [path, name] : source_names_)
        files.push_back(path);
    return files;
}

/// Those whose conditions have mistakes, so that the others can be looked at.
void RuleLoader::leave_out_rules_without_conditions() {
    std::vector<Rule> kept;
    std::vector<std::optional<std::size_t>> moved_to;
    for (Rule& rule : made_->rules_) {
        if (rule.cases.empty()) {
            moved_to.emplace_back();
            continue;
        }
        moved_to.emplace_back(kept.size());
        kept.push_back(std::move(rule));
    }
    made_->rules_ = std::move(kept);
    for (Override& one : made_->overrides_) {
        std::erase_if(one.modes, [&](const auto& mode) { return !moved_to[mode.first]; });
        for (auto& [index, mode] : one.modes)
            index = *moved_to[index];
    }
}

/// A line of a file that was read beside a rule file.
std::string RuleLoader::line_beside(const SourcePlace& place) {
    const auto name = source_names_.find(place.file);
    if (name == source_names_.end()) return {};
    const auto source = std::ranges::find(made_->sources_, name->second, &RuleSource::name);
    if (source == made_->sources_.end()) return {};
    // Taken apart once: a list may have as many mistakes as lines.
    return lines_beside_.try_emplace(place.file, source->content).first->second.shown_line(place.line);
}

void RuleLoader::keep_source(std::string name, std::string content) {
    const bool is_new = std::ranges::find(made_->sources_, name, &RuleSource::name) == made_->sources_.end();
    if (!is_new) return;
    made_->sources_.push_back({std::move(name), std::move(content)});
    made_->source_folders_.push_back(folder_);
}

std::string RuleLoader::hash_of_sources() const {
    std::string hashed;
    for (const RuleSource& source : made_->sources_)
        hashed += source.name + '\0' + std::to_string(source.content.size()) + '\0' + source.content;
    const Sha256 hash = sha256_of(hashed);
    return to_hex({reinterpret_cast<const char*>(hash.data()), hash.size()});
}

void RuleLoader::declare_planned_facts() {
    for (const PlannedFact& fact : planned_facts()) {
        const auto id = made_->dictionary_.declare(
            {.name = std::string(fact.name),
             .type = fact.type,
             .stage = Stage::end,
             .filter = std::string(fact.filter),
             .meaning = std::string(fact.meaning) + " (no check of this version makes it)",
             .words = fact.words,
             .unknown_word = std::string(fact.unknown_word)}
        );
        if (id) planned_.push_back(*id);
    }
}

void RuleLoader::replace_row(FactId fact, const FactDeclaration& row) {
    // A dictionary only grows, so that nobody sees a row change: this makes another one, with the same
    // numbers.
    FactDictionary made;
    const auto& rows = made_->dictionary_.rows();
    for (std::size_t at = made.rows().size(); at < rows.size(); ++at)
        made.declare(at == fact ? row : rows[at]);
    made_->dictionary_ = std::move(made);
}

void RuleLoader::report(
    const ConfigTable& table,
    const Text& text,
    std::size_t offset,
    std::string message,
    std::string suggestion
) {
    table.error(text.place_of(offset), std::move(message), std::move(suggestion));
}

RuleLoader::Text RuleLoader::key_of(const ConfigTable& table, const ConfigValue& member) {
    // The members of an inline table stand on one line (TOML 1.0), the key before its value.
    Text key;
    key.text = member.key;
    key.place = key.text_place = member.place;
    const std::string line = table.source_line(member.place);
    const std::string_view before = std::string_view(line).substr(0, member.place.column);
    const auto found = before.rfind(member.key);
    if (found == std::string_view::npos) return key;
    const bool is_quoted = found > 0 && (line[found - 1] == '\'' || line[found - 1] == '"');
    key.place.column = static_cast<std::uint32_t>(found + (is_quoted ? 0 : 1));
    key.text_place.column = static_cast<std::uint32_t>(found + 1);
    return key;
}

RuleLoader::Claim RuleLoader::claim_name(
    ConfigTable& table, std::string_view key, Names& taken, const std::string& name, std::string_view what
) {
    const bool replaces = table.boolean("replace").value_or(false);
    const SourcePlace place = key.empty() ? table.place() : table.value_place(key);
    if (!is_name(name)) {
        table.error(
            place,
            "the name of a " + std::string(what) + " is up to 64 characters of a-z, 0-9, \"-\", \"_\", \".\""
        );
        return Claim::refused;
    }
    const auto [found, is_new] = taken.emplace(name, Claimed{place, folder_});
    const std::string named = std::string(what) + " \"" + name + '"';
    if (is_new && replaces && lacks_files_) return Claim::is_new;
    if (is_new && replaces) {
        std::vector<std::string> others;
        for (const auto& [other, claimed] : taken)
            if (other != name) others.push_back(other);
        table.error(
            table.value_place("replace"), "there is no " + named + " to replace", nearest_word(name, others)
        );
        return Claim::refused;
    }
    if (is_new) return Claim::is_new;
    const bool is_of_earlier = found->second.folder < folder_;
    if (replaces && is_of_earlier) {
        found->second = {place, folder_};
        return Claim::replaces;
    }
    // What was meant to replace it is told by the key that is misspelt.
    const std::vector<std::string> meant = {"replace"};
    const bool is_misspelt = std::ranges::any_of(table.keys(), [&](const std::string& one) {
        return one != meant.front() && !nearest_word(one, meant).empty();
    });
    if (is_of_earlier && is_misspelt) return Claim::refused;
    table.error(
        place,
        named + " stands already at " + found->second.place.to_string() +
            (is_of_earlier ? "; replace = true puts this one in its place"
             : replaces    ? ": only what an earlier folder has can be replaced"
                           : "")
    );
    return Claim::refused;
}

std::optional<Millipoints> RuleLoader::to_millipoints(const ConfigTable& table, const ConfigValue& value) {
    using Kind = ConfigValue::Kind;
    if (value.kind != Kind::integer && value.kind != Kind::real) {
        table.error(value.place, "points must be a number");
        return std::nullopt;
    }
    if (!std::isfinite(value.real) || std::abs(value.real) > points_limit) {
        table.error(value.place, "points must be between -1000 and 1000");
        return std::nullopt;
    }
    const double exact = value.real * 1000;
    const auto points = static_cast<Millipoints>(std::llround(exact));
    if (std::abs(exact - static_cast<double>(points)) > 1e-6) {
        table.error(value.place, "points have at most three decimals, so that they add up as shown");
        return std::nullopt;
    }
    return points;
}

std::pair<std::optional<Millipoints>, std::optional<Millipoints>> RuleLoader::read_threshold_values(
    ConfigTable& table
) {
    std::pair<std::optional<Millipoints>, std::optional<Millipoints>> values;
    if (const auto junk = table.value("junk")) values.first = to_millipoints(table, *junk);
    if (const auto reject = table.value("reject")) values.second = to_millipoints(table, *reject);
    table.finish();
    return values;
}

void RuleLoader::read_thresholds(ConfigTable& root) {
    auto table = root.table("thresholds");
    if (!table) return;
    const Claim claim = claim_name(*table, {}, thresholds_, "thresholds", "table");
    const auto [junk, reject] = read_threshold_values(*table);
    // Nothing merges: what a later folder does not say is the default again.
    made_->junk_threshold_ = junk.value_or(default_junk_threshold);
    made_->reject_threshold_ = reject.value_or(default_reject_threshold);
    if (claim != Claim::refused) {
        made_->thresholds_place_ = table->place();
        made_->thresholds_source_ = source_;
    }
    check_thresholds(*table, made_->junk_threshold_, made_->reject_threshold_);
}

void RuleLoader::check_thresholds(const ConfigTable& table, Millipoints junk, Millipoints reject) {
    const auto place = [&table](std::string_view key) {
        return table.has(key) ? table.value_place(key) : table.place();
    };
    // Mail that nothing speaks against has 0 points.
    if (junk <= 0) table.error(place("junk"), "the junk threshold must be above 0: good mail has 0 points");
    if (reject <= 0)
        table.error(place("reject"), "the reject threshold must be above 0: good mail has 0 points");
    else if (reject <= junk)
        table.error(
            place("reject"), "the reject threshold must be above the junk threshold: nothing would go to Junk"
        );
}

std::optional<std::string> RuleLoader::read_beside(
    const ConfigTable& table,
    std::string_view key,
    const std::string& name,
    const RuleFile& file,
    std::string_view what
) {
    const std::string path = beside(file.path, name);
    const std::string source = beside(file.hash_name, name);
    auto content = reader_.read(path, source);
    if (!content) {
        const std::string wanted = path.substr(parent_of(path).size());
        const std::string near = nearest_word(wanted, reader_.neighbours(path));
        // What is there and cannot be read, such as a folder, is not meant by another name.
        table.error(
            table.value_place(key),
            "cannot read the " + std::string(what) + ' ' + path + ": " + content.error().message,
            near.empty() || near == wanted ? std::string() : parent_of(name) + near
        );
        return std::nullopt;
    }
    keep_source(source, *content);
    source_names_[path] = source;
    made_->list_files_.push_back(path);
    return std::move(*content);
}

void RuleLoader::read_list(ConfigTable& table, const RuleFile& file) {
    const auto name = table.text("name");
    const auto kind_word = table.word("kind", {"ip", "domain", "address", "glob", "regex"});
    const auto list_file = table.text("file");
    const Claim claim = name ? claim_name(table, "name", list_names_, *name, "list") : Claim::refused;
    static_cast<void>(table.boolean("replace"));
    for (const std::string_view key : {"name", "kind", "file"})
        table.need({std::string(key)}, table.place(), "a list needs \"" + std::string(key) + '"');
    table.finish();
    if (claim == Claim::refused) return;
    std::shared_ptr<const NamedList>& list = lists_[*name];  // null: its mistakes are reported once, here
    if (!kind_word || !list_file) return;
    ListKind kind = ListKind::ip;
    for (const ListKind one : {ListKind::domain, ListKind::address, ListKind::glob, ListKind::regex}) {
        if (*kind_word == to_string(one)) kind = one;
    }
    const auto content = read_beside(table, "file", *list_file, file, "list file");
    if (!content) return;
    const std::string path = beside(file.path, *list_file);
    LintedList linted{*name, table.place(), nullptr, {}};
    linted.list = list = NamedList::parse(kind, *content, path, diagnostics_, &linted.entries);
    std::erase_if(linted_lists_, [&](const LintedList& one) { return one.name == *name; });
    std::erase_if(made_->lists_, [&](const ShownList& one) { return one.name == *name; });
    made_->lists_.push_back({*name, table.place(), path, list_word(list), linted.entries.size()});
    linted_lists_.push_back(std::move(linted));
}

void RuleLoader::read_listeners(ConfigTable& table, PolicyScope& scope) {
    const auto items = table.texts("listeners", ConfigTable::OneOrList::one_or_list);
    if (!items) return;
    if (items->empty()) table.error(table.value_place("listeners"), "an empty list: it would match nobody");
    const auto& services = made_->dictionary_.row(id_of(CoreFact::listener_service)).words;
    for (const ConfigValue& item : *items) {
        if (const auto network = IpNetwork::parse(item.text)) {
            scope.listeners.push_back(*network);
        } else if (std::ranges::find(services, item.text) != services.end()) {
            scope.services.push_back(item.text);
        } else {
            table.error(
                item.place,
                "\"" + item.text + "\" is neither a service nor an address",
                nearest_word(item.text, services)
            );
        }
    }
}

PolicyScope RuleLoader::read_scope(ConfigTable& table, std::vector<ScopedName>& names) {
    PolicyScope scope;
    const auto take = [&](std::string_view key, ScopedName::Kind kind, std::vector<std::string>& out) {
        const auto items = table.texts(key, ConfigTable::OneOrList::one_or_list);
        if (!items) return;
        if (items->empty()) table.error(table.value_place(key), "an empty list: it would match nobody");
        for (const ConfigValue& item : *items) {
            if (item.text.empty()) table.error(item.place, "an empty text: it would match nobody");
            const bool is_domain = kind == ScopedName::Kind::domain;
            out.push_back(is_domain ? ascii_domain(item.text) : ascii_domain_address(item.text));
            names.push_back({kind, out.back(), item.place, table.shown_line(item.place)});
        }
    };
    take("domains", ScopedName::Kind::domain, scope.domains);
    take("recipients", ScopedName::Kind::recipient, scope.recipients);
    read_listeners(table, scope);
    for (const std::string& recipient : scope.recipients) {
        const bool has_domain = recipient.contains('@') || recipient.ends_with('*');
        if (has_domain && (recipient.empty() || can_match_an_address(recipient))) continue;
        table.error(
            table.value_place("recipients"),
            "\"" + recipient + "\" matches no address",
            has_domain ? "" : recipient + "@*"
        );
    }
    const auto clients = table.texts("clients", ConfigTable::OneOrList::one_or_list);
    if (!clients) return scope;
    if (clients->empty()) table.error(table.value_place("clients"), "an empty list: it would match nobody");
    for (const ConfigValue& item : *clients) {
        if (const auto network = IpNetwork::parse(item.text))
            scope.clients.push_back(*network);
        else
            table.error(item.place, "expected an address or a network such as 192.0.2.0/24 (host bits zero)");
    }
    return scope;
}

}  // namespace wicket
