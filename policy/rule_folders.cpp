// Where rule files come from: folders on the disk, texts of tests, the sources of a rule set of the past.
#include "base/file.hpp"
#include "base/text.hpp"
#include "policy/rule_loader.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <iterator>
#include <map>
#include <system_error>
#include <utility>

namespace wicket {
namespace {

std::vector<std::string> file_names_beside(const std::string& path) {
    std::vector<std::string> names;
    const std::string folder = parent_of(path);
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(folder.empty() ? "." : folder, error)) {
        names.push_back(entry.path().filename().string());
    }
    return names;
}

/// "20-more.tom", "b.tml", "c.TOML", "d.toml.txt": meant to be read. Not what editors and packages leave.
bool is_misnamed(std::string_view name) {
    static constexpr std::array left_overs = {
        std::string_view("~"),
        std::string_view(".bak"),
        std::string_view(".disabled"),
        std::string_view(".dpkg-dist"),
        std::string_view(".dpkg-new"),
        std::string_view(".dpkg-old"),
        std::string_view(".off"),
        std::string_view(".old"),
        std::string_view(".orig"),
        std::string_view(".rej"),
        std::string_view(".rpmnew"),
        std::string_view(".rpmorig"),
        std::string_view(".rpmsave"),
        std::string_view(".save"),
        std::string_view(".swp"),
        std::string_view(".tmp"),
        std::string_view(".ucf-dist"),
        std::string_view(".ucf-new"),
        std::string_view(".ucf-old")
    };
    if (name.starts_with('.') || name.starts_with('#') ||
        std::ranges::any_of(left_overs, [&](auto end) { return name.ends_with(end); }))
        return false;
    const auto dot = name.find('.');
    if (dot == std::string_view::npos) return false;
    const std::string ending = lower_case(name.substr(dot + 1));
    if (ending.contains("toml")) return true;
    return !nearest_word(ending, std::array<std::string, 1>{"toml"}).empty();
}

/// A pipe would be waited for.
Result<std::string> read_rule_file(const std::string& path) {
    std::error_code error;
    const auto type = std::filesystem::status(path, error).type();
    using enum std::filesystem::file_type;
    if (type == fifo || type == socket || type == character || type == block)
        return failure(ErrorCode::invalid, path + " is no file");
    return read_file(path);
}

/// The *.toml files of a folder in lexical order; hidden ones are editors' own.
std::vector<RuleFile> read_folder(const std::string& folder, Diagnostics& diagnostics) {
    std::vector<std::string> names;
    std::error_code error;
    std::filesystem::directory_iterator entries(folder, error);
    if (error) {
        diagnostics.error({folder, 0, 0}, "cannot read this folder of rules: " + error.message());
        return {};
    }
    for (const std::filesystem::directory_iterator end; entries != end && !error; entries.increment(error)) {
        const std::string name = entries->path().filename().string();
        if (name.ends_with(".toml") && !name.starts_with('.'))
            names.push_back(name);
        else if (is_misnamed(name))
            diagnostics.error(
                {entries->path().string(), 1, 1},
                "this looks like a rule file, but only *.toml is read",
                name.substr(0, name.find('.')) + ".toml"
            );
    }
    if (names.empty()) diagnostics.warning({folder, 0, 0}, "no *.toml file in this folder of rules");
    std::ranges::sort(names);
    std::vector<RuleFile> files;
    for (const std::string& name : names) {
        const std::string path = folder + (folder.ends_with('/') ? "" : "/") + name;
        auto content = read_rule_file(path);
        if (!content)
            diagnostics.error({path, 0, 0}, content.error().message);
        else
            files.push_back({path, 0, name, std::move(*content)});
    }
    return files;
}

/// The path of a source in the folders that it came from; its own name if they are not known.
std::string path_of_source(const std::string& name, const std::vector<std::string>& folders) {
    // A file of the first folder is named without it, one of the second "2/NAME".
    std::size_t number = 1;
    const std::string folder = parent_of(name);
    if (!folder.empty() && std::from_chars(folder.data(), folder.data() + folder.size(), number).ptr !=
                               folder.data() + folder.size() - 1)
        return name;
    return number > 0 && number <= folders.size() ? folders[number - 1] + name.substr(folder.size()) : name;
}

std::shared_ptr<const RuleSet> compile_texts(
    const std::vector<std::pair<std::string, std::string>>& files,
    const std::vector<std::string>& places,
    Diagnostics& diagnostics,
    RuleReading reading,
    const ServedDomains* domains
) {
    std::vector<RuleFile> rule_files;
    std::map<std::string, std::string> others;
    std::vector<std::string> folders;
    for (const auto& [name, content] : files) {
        if (!name.ends_with(".toml")) {
            others.emplace(name, content);
            continue;
        }
        const auto folder = std::ranges::find(folders, parent_of(name));
        const auto number = static_cast<std::size_t>(folder - folders.begin());
        if (folder == folders.end()) folders.push_back(parent_of(name));
        rule_files.push_back({path_of_source(name, places), number, name, content});
    }
    const ListFileReader reader{
        [&others](const std::string&, const std::string& source) -> Result<std::string> {
            const auto found = others.find(source);
            if (found == others.end()) return failure(ErrorCode::not_found, "no such file");
            return found->second;
        },
        [&others](const std::string&) {
            std::vector<std::string> names;
            for (const auto& [name, content] : others)
                names.push_back(name.substr(parent_of(name).size()));
            return names;
        },
    };
    return RuleLoader(diagnostics, reader, reading, domains).load(std::move(rule_files));
}

/// What a folder of rules may hold beside rules and what they name.
bool is_documentation(std::string_view name) {
    return name.ends_with(".md") || name.starts_with("README") || name.starts_with("LICENSE");
}

void warn_of_unread(const std::filesystem::path& path, std::string_view why, Diagnostics& diagnostics) {
    diagnostics.warning({path.string(), 1, 1}, "not read: " + std::string(why));
}

/// Warns of files of a folder that nobody reads, and of rule files in folders below it. `others` are the
/// folders of rules, `used` the files that rules name.
void find_unread(
    const std::string& folder,
    const std::vector<std::string>& others,
    const std::vector<std::string>& used,
    Diagnostics& diagnostics
) {
    namespace fs = std::filesystem;
    std::error_code error;
    const auto is_same_as_any = [](const fs::path& path, const std::vector<std::string>& paths) {
        return std::ranges::any_of(paths, [&](const std::string& one) {
            std::error_code ignored;
            return fs::equivalent(path, one, ignored);
        });
    };
    for (const auto& entry : fs::directory_iterator(folder, error)) {
        const std::string name = entry.path().filename().string();
        if (name.starts_with('.')) continue;
        if (entry.is_directory(error)) {
            if (is_same_as_any(entry.path(), others)) continue;
            for (const auto& below : fs::directory_iterator(entry.path(), error))
                if (below.path().extension() == ".toml")
                    warn_of_unread(
                        below.path(), "only the *.toml files of the folder itself are rules", diagnostics
                    );
        } else if (!name.ends_with(".toml") && !is_misnamed(name) && !is_documentation(name) &&
                   !is_same_as_any(entry.path(), used)) {
            warn_of_unread(
                entry.path(), "only *.toml files are rules, and no rule file names this one", diagnostics
            );
        }
    }
}

}  // namespace

std::shared_ptr<const RuleSet> load_rules(
    const std::vector<std::string>& folders,
    Diagnostics& diagnostics,
    RuleReading reading,
    const ServedDomains* domains
) {
    const std::size_t errors_before = diagnostics.error_count();
    std::vector<RuleFile> files;
    for (std::size_t at = 0; at < folders.size(); ++at) {
        auto found = read_folder(folders[at], diagnostics);
        for (RuleFile& file : found) {
            file.folder = at;
            if (at != 0) file.hash_name = std::to_string(at + 1) + '/' + file.hash_name;
        }
        std::ranges::move(found, std::back_inserter(files));
    }
    const ListFileReader reader{
        [](const std::string& path, const std::string&) { return read_rule_file(path); },
        [](const std::string& path) { return file_names_beside(path); },
    };
    const bool are_all_read = diagnostics.error_count() == errors_before;
    RuleLoader loader(diagnostics, reader, reading, domains);
    if (!are_all_read) loader.expect_unknown_names();
    auto rules = loader.load(std::move(files));
    const auto used = loader.files_beside();
    if (reading == RuleReading::for_check && used)
        for (const std::string& folder : folders)
            find_unread(folder, folders, *used, diagnostics);
    return rules;
}

std::shared_ptr<const RuleSet> compile_rules(
    const std::vector<std::pair<std::string, std::string>>& files,
    Diagnostics& diagnostics,
    RuleReading reading,
    const ServedDomains* domains
) {
    return compile_texts(files, {}, diagnostics, reading, domains);
}

std::shared_ptr<const RuleSet> recompile_rules(
    const std::vector<RuleSource>& sources, Diagnostics& diagnostics, const std::vector<std::string>& folders
) {
    std::vector<std::pair<std::string, std::string>> files;
    for (const RuleSource& source : sources)
        files.emplace_back(source.name, source.content);
    return compile_texts(files, folders, diagnostics, RuleReading::as_it_was, nullptr);
}

}  // namespace wicket
