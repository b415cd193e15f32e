#include "base/config_reader.hpp"

#include "base/file.hpp"
#include "base/source_lines.hpp"
#include "base/text.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <fmt/format.h>
#include <limits>
#include <span>
#include <toml++/toml.h>
#include <utility>

namespace wicket {
namespace {

/// The text of a document by lines, and where its mistakes go.
class Source {
public:
    Source(std::string text, std::string name, Diagnostics& diagnostics)
        : lines_(std::move(text)), name_(std::move(name)), diagnostics_(diagnostics) {}

    const std::string& text() const { return lines_.text(); }
    const std::string& name() const { return name_; }
    std::string_view line(std::uint32_t number) const { return lines_.line(number); }
    std::string shown_line(const SourcePlace& at) const {
        return at.file == name_ ? lines_.shown_line(at.line) : std::string();
    }

    /// toml++ counts columns in characters; we count octets.
    SourcePlace place(const toml::source_position& position) const {
        SourcePlace place{name_, position.line, 1};
        const std::string_view text_of_line = line(position.line);
        // Mostly what is asked for stands behind what was asked for last, and a line can be long.
        if (last_.line != position.line || last_.column > position.column) last_ = {position.line, 1, 0};
        auto& [number, column, at] = last_;
        for (; column < position.column && at < text_of_line.size(); ++column) {
            const std::size_t length = is_ascii(text_of_line[at]) ? 0 : utf8_length(text_of_line.substr(at));
            at += std::max<std::size_t>(length, 1);
        }
        place.column += static_cast<std::uint32_t>(at);
        return place;
    }

    std::uint32_t line_count() const { return lines_.count(); }
    /// A line in a copy of the text, without its end.
    std::span<char> in_copy(std::string& copy, std::uint32_t number) const {
        const auto begin = lines_.begin_of(number);
        return begin ? std::span(copy).subspan(*begin, line(number).size()) : std::span<char>();
    }

    /// The rest of the document from a place on.
    std::string_view from(const SourcePlace& place) const {
        const auto begin = lines_.begin_of(place.line);
        if (!begin) return {};
        return std::string_view(text()).substr(std::min(*begin + place.column - 1, text().size()));
    }

    void report(Severity severity, const SourcePlace& at, std::string message, std::string suggestion) const {
        diagnostics_.add({severity, at, std::move(message), std::move(suggestion), shown_line(at)});
    }

private:
    struct Position {
        std::uint32_t line = 0;
        std::uint32_t column = 1;  // in characters
        std::size_t at = 0;        // in octets
    };

    TextLines lines_;
    std::string name_;
    Diagnostics& diagnostics_;
    mutable Position last_;
};

std::string_view kind_of(const toml::node& node) {
    switch (node.type()) {
        case toml::node_type::table: return "a table";
        case toml::node_type::array: return "a list";
        case toml::node_type::string: return "a text";
        case toml::node_type::integer: return "an integer";
        case toml::node_type::floating_point: return "a number";
        case toml::node_type::boolean: return "true or false";
        case toml::node_type::date:
        case toml::node_type::time:
        case toml::node_type::date_time: return "a date or time";
        case toml::node_type::none: break;
    }
    return "nothing";
}

// RFC 3339 section 5.6
std::string date_text(const toml::date& date) {
    return fmt::format("{:04}-{:02}-{:02}", date.year, date.month, date.day);
}

std::string time_text(const toml::time& time) {
    std::string text = fmt::format("{:02}:{:02}:{:02}", time.hour, time.minute, time.second);
    if (time.nanosecond == 0) return text;
    fmt::format_to(std::back_inserter(text), ".{:09}", time.nanosecond);
    text.erase(text.find_last_not_of('0') + 1);
    return text;
}

std::string date_time_text(const toml::date_time& value) {
    std::string text = date_text(value.date) + 'T' + time_text(value.time);
    if (!value.offset) return text;
    const int minutes = value.offset->minutes;
    if (minutes == 0) return text += 'Z';
    const int distance = std::abs(minutes);
    return text += fmt::format("{}{:02}:{:02}", minutes < 0 ? '-' : '+', distance / 60, distance % 60);
}

/// The entries of a table in document order: toml++ keeps them by name.
std::vector<std::pair<const toml::key*, const toml::node*>> in_document_order(const toml::table& table) {
    std::vector<std::pair<const toml::key*, const toml::node*>> entries;
    entries.reserve(table.size());
    for (const auto& [key, node] : table)
        entries.emplace_back(&key, &node);
    std::ranges::sort(entries, {}, [](const auto& entry) {
        const toml::source_position& begin = entry.first->source().begin;
        return std::pair(begin.line, begin.column);
    });
    return entries;
}

/// Where the first octet of a string stands, if the document has it as it is; else the place of the value.
SourcePlace place_of_text(const Source& source, const ConfigValue& value) {
    const std::string_view there = source.from(value.place);
    const bool is_long = there.starts_with("\"\"\"") || there.starts_with("'''");
    if (!is_long && !there.starts_with('"') && !there.starts_with('\'')) return value.place;
    const std::string_view quotes = there.substr(0, is_long ? 3 : 1);
    std::string_view inside = there.substr(quotes.size());
    SourcePlace place = value.place;
    place.column += static_cast<std::uint32_t>(quotes.size());
    // TOML 1.0, "String": a line end right behind the quotes is no part of the value.
    const std::size_t line_end = !is_long                     ? 0
                                 : inside.starts_with('\n')   ? 1
                                 : inside.starts_with("\r\n") ? 2
                                                              : 0;
    if (line_end != 0) {
        inside.remove_prefix(line_end);
        ++place.line;
        place.column = 1;
    }
    for (const char c : value.text) {
        // Within a string toml++ makes one octet of the two of a line end.
        if (c == '\n' && inside.starts_with("\r\n")) inside.remove_prefix(1);
        if (!inside.starts_with(c)) return value.place;
        inside.remove_prefix(1);
    }
    return inside.starts_with(quotes) ? place : value.place;
}

ConfigValue to_value(const Source& source, const toml::node& node) {
    using Kind = ConfigValue::Kind;
    ConfigValue value;
    value.place = value.text_place = source.place(node.source().begin);
    const auto take_date = [&value](std::string text) {
        value.kind = Kind::date;
        value.text = std::move(text);
    };
    if (const auto* text = node.as_string()) {
        value.text = text->get();
        value.text_place = place_of_text(source, value);
    } else if (const auto* integer = node.as_integer()) {
        value.kind = Kind::integer;
        value.integer = integer->get();
        value.real = static_cast<double>(value.integer);
    } else if (const auto* real = node.as_floating_point()) {
        value.kind = Kind::real;
        value.real = real->get();
    } else if (const auto* boolean = node.as_boolean()) {
        value.kind = Kind::boolean;
        value.boolean = boolean->get();
    } else if (const auto* date = node.as_date()) {
        take_date(date_text(date->get()));
    } else if (const auto* time = node.as_time()) {
        take_date(time_text(time->get()));
    } else if (const auto* date_time = node.as_date_time()) {
        take_date(date_time_text(date_time->get()));
    } else if (const auto* list = node.as_array()) {
        value.kind = Kind::list;
        for (const toml::node& item : *list)
            value.list.push_back(to_value(source, item));
    } else if (const auto* table = node.as_table()) {
        value.kind = Kind::table;
        for (const auto& [key, item] : in_document_order(*table)) {
            ConfigValue& member = value.table.emplace_back(to_value(source, *item));
            member.key = key->str();
        }
    }
    return value;
}

/// Digits alone, then a unit; nullopt if that is not what stands there or it does not fit.
std::optional<std::uint64_t> leading_integer(std::string_view text, std::string_view& unit) {
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end == text.data()) return std::nullopt;
    unit = text.substr(static_cast<std::size_t>(end - text.data()));
    return number;
}

// toml++ ends at the first mistake. Of a table or key that stands again the rest is read all the same, so
// often: a file with more of them is no slip of the pen.
constexpr std::size_t repetitions_limit = 16;

/// A table or key that stands already, and the lines that it takes.
struct Repetition {
    SourcePlace place;
    std::string message;
    std::uint32_t end;  // the line behind its last
};

/// nullopt if that is not what the mistake is, or it cannot be told where it ends.
std::optional<Repetition> repetition_of(const Source& source, const toml::parse_error& error) {
    if (!std::string_view(error.description()).contains("cannot redefine existing")) return std::nullopt;
    Repetition found{source.place(error.source().begin), {}, 0};
    const std::string_view line = source.line(found.place.line);
    const std::string_view begin = trimmed(line);
    found.place.column = static_cast<std::uint32_t>(begin.data() - line.data()) + 1;
    found.end = found.place.line + 1;
    if (begin.starts_with('[')) {
        found.message = "this table stands in this file already";
        for (std::uint32_t at = found.end; at <= source.line_count(); ++at, found.end = at)
            if (trimmed(source.line(at)).starts_with('[')) break;
        return found;
    }
    found.message = "this key stands in this table already";
    // A value over several lines, or a member of an inline table, is not taken apart here: toml++ tells the
    // place of the value.
    const std::string_view before_value = line.substr(0, source.place(error.source().begin).column - 1);
    const bool is_whole = std::ranges::count(before_value, '=') == 1 && !begin.contains("\"\"\"") &&
                          !begin.contains("'''") && !begin.ends_with('[') && !begin.ends_with('{') &&
                          !begin.ends_with(',');
    return is_whole ? std::optional(found) : std::nullopt;
}

/// The document without tables and keys that stand again, each of which is reported; nullopt after another
/// mistake.
std::optional<toml::table> parse_without_repetitions(const Source& source) {
    std::string text = source.text();
    for (std::size_t repetitions = 0;; ++repetitions) {
        try {
            return toml::parse(std::string_view(text), std::string_view(source.name()));
        } catch (const toml::parse_error& error) {
            const auto found = repetitions < repetitions_limit ? repetition_of(source, error) : std::nullopt;
            if (!found) {
                source.report(
                    Severity::error, source.place(error.source().begin), std::string(error.description()), {}
                );
                return std::nullopt;
            }
            source.report(Severity::error, found->place, found->message, {});
            // Blanks in its place keep all lines and columns.
            for (std::uint32_t line = found->place.line; line < found->end; ++line)
                std::ranges::fill(source.in_copy(text, line), ' ');
        }
    }
}

struct Unit {
    std::string_view name;
    std::uint64_t factor;
};

template <std::size_t Count>
std::optional<std::uint64_t> in_units(
    std::string_view text, const std::array<Unit, Count>& units, std::uint64_t most
) {
    std::string_view name;
    const auto number = leading_integer(text, name);
    if (!number) return std::nullopt;
    const auto* unit = std::ranges::find(units, name, &Unit::name);
    if (unit == units.end() || *number > most / unit->factor) return std::nullopt;
    return *number * unit->factor;
}

}  // namespace

SourcePlace ConfigValue::place_of(std::size_t offset) const {
    SourcePlace there = text_place;
    if (text_place == place) return there;
    const std::string_view before = std::string_view(text).substr(0, offset);
    const std::size_t line_end = before.rfind('\n');
    if (line_end != std::string_view::npos) {
        there.line += static_cast<std::uint32_t>(std::ranges::count(before, '\n'));
        there.column = 1;
    }
    there.column += static_cast<std::uint32_t>(before.size() - (line_end + 1));
    return there;
}

struct ConfigTable::State {
    /// One of these keys must stand in the table.
    struct Need {
        std::vector<std::string> keys;
        SourcePlace place;
        std::string message;
    };

    const Source* source;
    const toml::table* table;
    SourcePlace place;
    std::vector<std::string> asked;
    std::vector<Need> needs;

    /// Marks the key as known and gives what stands there.
    const toml::node* ask(std::string_view key) {
        if (std::ranges::find(asked, key) == asked.end()) asked.emplace_back(key);
        return table->get(key);
    }

    void wrong_type(std::string_view key, const toml::node& node, std::string_view wanted) const {
        source->report(
            Severity::error,
            source->place(node.source().begin),
            fmt::format("\"{}\" must be {}, not {}", key, wanted, kind_of(node)),
            {}
        );
    }

    std::unique_ptr<State> child(const toml::table& of) const {
        return std::make_unique<State>(State{source, &of, source->place(of.source().begin), {}, {}});
    }
};

ConfigTable::ConfigTable(std::unique_ptr<State> state) : state_(std::move(state)) {}
ConfigTable::ConfigTable(ConfigTable&&) noexcept = default;
ConfigTable& ConfigTable::operator=(ConfigTable&&) noexcept = default;
ConfigTable::~ConfigTable() = default;

std::optional<std::string> ConfigTable::text(std::string_view key) {
    const toml::node* node = state_->ask(key);
    if (node == nullptr) return std::nullopt;
    if (const auto* text = node->as_string()) return text->get();
    state_->wrong_type(key, *node, "a text");
    return std::nullopt;
}

std::optional<std::int64_t> ConfigTable::integer(
    std::string_view key, std::int64_t least, std::int64_t most
) {
    const toml::node* node = state_->ask(key);
    if (node == nullptr) return std::nullopt;
    const auto* integer = node->as_integer();
    if (integer == nullptr) {
        state_->wrong_type(key, *node, "an integer");
        return std::nullopt;
    }
    if (integer->get() >= least && integer->get() <= most) return integer->get();
    error(
        value_place(key),
        fmt::format("\"{}\" must be between {} and {}, not {}", key, least, most, integer->get())
    );
    return std::nullopt;
}

std::optional<double> ConfigTable::number(std::string_view key) {
    const toml::node* node = state_->ask(key);
    if (node == nullptr) return std::nullopt;
    if (const auto* integer = node->as_integer()) return static_cast<double>(integer->get());
    const auto* real = node->as_floating_point();
    if (real == nullptr) {
        state_->wrong_type(key, *node, "a number");
        return std::nullopt;
    }
    if (std::isfinite(real->get())) return real->get();
    error(value_place(key), fmt::format("\"{}\" must be a finite number", key));
    return std::nullopt;
}

std::optional<bool> ConfigTable::boolean(std::string_view key) {
    const toml::node* node = state_->ask(key);
    if (node == nullptr) return std::nullopt;
    if (const auto* boolean = node->as_boolean()) return boolean->get();
    state_->wrong_type(key, *node, "true or false");
    return std::nullopt;
}

std::optional<std::chrono::milliseconds> ConfigTable::duration(std::string_view key) {
    const auto written = text(key);
    if (!written) return std::nullopt;
    const auto duration = parse_duration(*written);
    if (!duration) {
        error(
            value_place(key),
            fmt::format("\"{}\" must be a duration such as \"250ms\", \"3s\", \"5m\", \"2h\" or \"30d\"", key)
        );
    }
    return duration;
}

std::optional<std::vector<ConfigValue>> ConfigTable::texts(std::string_view key, OneOrList form) {
    const toml::node* node = state_->ask(key);
    if (node == nullptr) return std::nullopt;
    std::vector<ConfigValue> items;
    if (form == OneOrList::one_or_list && node->is_string()) {
        items.push_back(to_value(*state_->source, *node));
        return items;
    }
    const auto* list = node->as_array();
    if (list == nullptr) {
        state_->wrong_type(
            key, *node, form == OneOrList::one_or_list ? "a text or a list of texts" : "a list of texts"
        );
        return std::nullopt;
    }
    bool are_texts = true;
    for (const toml::node& item : *list) {
        if (item.is_string()) {
            items.push_back(to_value(*state_->source, item));
        } else {
            state_->wrong_type(key, item, "a list of texts");
            are_texts = false;
        }
    }
    if (!are_texts) return std::nullopt;
    return items;
}

std::optional<std::string> ConfigTable::word(std::string_view key, std::vector<std::string> words) {
    auto written = text(key);
    if (!written || std::ranges::find(words, *written) != words.end()) return written;
    std::string choices;
    for (const std::string& choice : words)
        choices += (choices.empty() ? "" : ", ") + choice;
    error(
        value_place(key),
        fmt::format("\"{}\" must be one of {}; it is \"{}\"", key, choices, *written),
        nearest_word(*written, words)
    );
    return std::nullopt;
}

std::optional<ConfigValue> ConfigTable::value(std::string_view key) {
    const toml::node* node = state_->ask(key);
    if (node == nullptr) return std::nullopt;
    return to_value(*state_->source, *node);
}

std::optional<ConfigTable> ConfigTable::table(std::string_view key) {
    const toml::node* node = state_->ask(key);
    if (node == nullptr) return std::nullopt;
    if (const auto* table = node->as_table()) return ConfigTable(state_->child(*table));
    state_->wrong_type(key, *node, fmt::format("a table: [{}]", key));
    return std::nullopt;
}

std::vector<ConfigTable> ConfigTable::tables(std::string_view key) {
    std::vector<ConfigTable> tables;
    const toml::node* node = state_->ask(key);
    if (node == nullptr) return tables;
    const std::string wanted = fmt::format("a list of tables: [[{}]]", key);
    const auto* list = node->as_array();
    if (list == nullptr) {
        state_->wrong_type(key, *node, wanted);
        return tables;
    }
    for (const toml::node& item : *list) {
        if (const auto* table = item.as_table())
            tables.push_back(ConfigTable(state_->child(*table)));
        else
            state_->wrong_type(key, item, wanted);
    }
    return tables;
}

std::vector<std::pair<std::string, ConfigTable>> ConfigTable::named_tables(std::string_view key) {
    std::vector<std::pair<std::string, ConfigTable>> tables;
    const toml::node* node = state_->ask(key);
    if (node == nullptr) return tables;
    const auto* parent = node->as_table();
    if (parent == nullptr) {
        state_->wrong_type(key, *node, fmt::format("named tables: [{}.NAME]", key));
        return tables;
    }
    for (const auto& [name, item] : in_document_order(*parent)) {
        if (const auto* table = item->as_table()) {
            tables.emplace_back(std::string(name->str()), ConfigTable(state_->child(*table)));
        } else {
            state_->wrong_type(fmt::format("{}.{}", key, name->str()), *item, "a table");
        }
    }
    return tables;
}

bool ConfigTable::has(std::string_view key) const {
    return state_->table->contains(key);
}

std::vector<std::string> ConfigTable::keys() const {
    std::vector<std::string> keys;
    for (const auto& [key, node] : in_document_order(*state_->table))
        keys.emplace_back(key->str());
    return keys;
}

SourcePlace ConfigTable::place() const {
    return state_->place;
}

SourcePlace ConfigTable::place_of(std::string_view key) const {
    const auto found = state_->table->find(key);
    if (found == state_->table->end()) return state_->place;
    return state_->source->place(found->first.source().begin);
}

SourcePlace ConfigTable::value_place(std::string_view key) const {
    const toml::node* node = state_->table->get(key);
    return node == nullptr ? state_->place : state_->source->place(node->source().begin);
}

std::string ConfigTable::shown_line(const SourcePlace& place) const {
    return state_->source->shown_line(place);
}

std::string ConfigTable::source_line(const SourcePlace& place) const {
    if (place.file != state_->source->name()) return {};
    return std::string(state_->source->line(place.line));
}

void ConfigTable::error(const SourcePlace& at, std::string message, std::string suggestion) const {
    state_->source->report(Severity::error, at, std::move(message), std::move(suggestion));
}

void ConfigTable::warning(const SourcePlace& at, std::string message, std::string suggestion) const {
    state_->source->report(Severity::warning, at, std::move(message), std::move(suggestion));
}

void ConfigTable::need(std::vector<std::string> keys, SourcePlace place, std::string message) {
    const bool is_there = std::ranges::any_of(keys, [&](const std::string& key) { return has(key); });
    if (is_there) return;
    for (const std::string& key : keys)
        state_->ask(key);
    state_->needs.push_back({std::move(keys), std::move(place), std::move(message)});
}

void ConfigTable::finish() {
    std::vector<std::string> suggested;
    for (const auto& [key, node] : in_document_order(*state_->table)) {
        if (std::ranges::find(state_->asked, key->str()) != state_->asked.end()) continue;
        suggested.push_back(nearest_word(key->str(), state_->asked));
        error(
            state_->source->place(key->source().begin),
            fmt::format(
                "unknown {} \"{}\"",
                node->is_table() || node->is_array_of_tables() ? "table" : "key",
                key->str()
            ),
            suggested.back()
        );
    }
    for (const State::Need& need : state_->needs) {
        const bool is_misspelt = std::ranges::any_of(need.keys, [&](const std::string& key) {
            return std::ranges::find(suggested, key) != suggested.end();
        });
        if (!is_misspelt) error(need.place, need.message);
    }
    state_->needs.clear();
}

struct ConfigDocument::State {
    Source source;
    toml::table table;
};

ConfigDocument::ConfigDocument(std::unique_ptr<State> state) : state_(std::move(state)) {}
ConfigDocument::~ConfigDocument() = default;

std::unique_ptr<ConfigDocument> ConfigDocument::load(const std::string& path, Diagnostics& diagnostics) {
    auto text = read_file(path);
    if (!text) {
        diagnostics.error({path, 0, 0}, text.error().message);
        return nullptr;
    }
    return parse(std::move(*text), path, diagnostics);
}

std::unique_ptr<ConfigDocument> ConfigDocument::parse(
    std::string text, std::string name, Diagnostics& diagnostics
) {
    auto state =
        std::make_unique<State>(Source(std::move(text), std::move(name), diagnostics), toml::table());
    auto table = parse_without_repetitions(state->source);
    if (!table) return nullptr;
    state->table = std::move(*table);
    return std::unique_ptr<ConfigDocument>(new ConfigDocument(std::move(state)));
}

ConfigTable ConfigDocument::root() {
    const SourcePlace begin{state_->source.name(), 1, 1};
    return ConfigTable(std::make_unique<ConfigTable::State>(
        ConfigTable::State{&state_->source, &state_->table, begin, {}, {}}
    ));
}

const std::string& ConfigDocument::text() const {
    return state_->source.text();
}

std::optional<std::chrono::milliseconds> parse_duration(std::string_view text) {
    constexpr std::array units = {
        Unit{"ms", 1         },
        Unit{"s",  1000      },
        Unit{"m",  60'000    },
        Unit{"h",  3'600'000 },
        Unit{"d",  86'400'000}
    };
    // A century: longer is a mistake, and must not overflow when it is added to a time.
    constexpr std::uint64_t most = 36'525ULL * 86'400'000ULL;
    const auto millis = in_units(text, units, most);
    if (!millis) return std::nullopt;
    return std::chrono::milliseconds(static_cast<std::int64_t>(*millis));
}

std::optional<std::uint64_t> parse_size(std::string_view text) {
    constexpr std::array units = {
        Unit{"",  1        },
        Unit{"K", 1U << 10U},
        Unit{"M", 1U << 20U},
        Unit{"G", 1U << 30U}
    };
    return in_units(text, units, std::numeric_limits<std::int64_t>::max());
}

}  // namespace wicket
