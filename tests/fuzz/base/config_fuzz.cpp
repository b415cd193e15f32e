// Whatever the text: no crash, every mistake has a place within it, and a document that cannot be read has
// one.

#include "base/config_reader.hpp"
#include "base/log.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <string>
#include <vector>

namespace wicket {
namespace {

void require(bool holds) {
    if (!holds) std::abort();
}

void check_value(const ConfigValue& value, const ConfigTable& table) {
    require(value.place.line > 0 && value.place.column > 0);
    if (value.text_place != value.place) {
        for (std::size_t at = 0; at < value.text.size(); ++at) {
            if (value.text[at] == '\n' || value.text[at] == '\r') continue;
            const SourcePlace place = value.place_of(at);
            require(table.source_line(place).at(place.column - 1) == value.text[at]);
        }
    }
    for (const ConfigValue& item : value.list)
        check_value(item, table);
    for (const ConfigValue& item : value.table)
        check_value(item, table);
}

/// A value is of the type and within the bounds that were asked for, or there is none.
void check_scalars(ConfigTable& root, const std::string& key) {
    switch (key.size() % 7) {
        case 0:
            if (const auto value = root.integer(key, 0, 1000)) require(*value >= 0 && *value <= 1000);
            break;
        case 1:
            if (const auto value = root.number(key)) require(std::isfinite(*value));
            break;
        case 2: root.boolean(key); break;
        case 3:
            if (const auto value = root.word(key, {"on", "off"})) require(*value == "on" || *value == "off");
            break;
        case 4:
            if (auto table = root.table(key)) {
                table->text("text");
                table->finish();
            }
            break;
        case 5: root.text(key); break;
        default: break;
    }
}

void check_numbers(std::string_view text) {
    if (const auto size = parse_size(text)) require(parse_size("0" + std::string(text)) == size);
    if (const auto duration = parse_duration(text)) require(duration->count() >= 0);
}

}  // namespace
}  // namespace wicket

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer calls it by this name.
extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    using namespace wicket;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    check_numbers(text);
    Diagnostics diagnostics;
    if (const auto document = ConfigDocument::parse(std::string(text), "fuzz", diagnostics)) {
        ConfigTable root = document->root();
        for (const std::string& key : root.keys()) {
            if (key.size() % 2 == 0) check_value(root.value(key).value(), root);
            if (key.size() % 3 == 0) root.named_tables(key);
            if (key.size() % 3 == 1) root.tables(key);
            if (key.size() % 5 == 0) root.texts(key, ConfigTable::OneOrList::one_or_list);
            root.duration("duration");
            require(root.has(key) && root.place_of(key).line > 0);
            check_scalars(root, key);
        }
        const std::vector<std::string> keys = root.keys();
        std::string absent = "absent";
        while (std::ranges::find(keys, absent) != keys.end())
            absent += 't';
        require(!root.has(absent) && !root.integer(absent, 0, 1) && !root.number(absent));
        require(!root.boolean(absent) && !root.word(absent, {"a"}) && !root.table(absent));
        root.need({absent}, root.place(), "needed");
        root.need(keys, root.place(), "one of those that are there");
        require(
            keys.empty() || root.shown_line(root.place_of(keys.front())).size() <= shown_line_limit_octets
        );
        root.warning(root.place(), "looked at");
        root.finish();
        require(diagnostics.has_errors());
    } else {
        require(diagnostics.has_errors());
    }
    for (const Diagnostic& item : diagnostics.sorted()) {
        require(item.place.line > 0);
        render(item);
    }
    require(escape_for_log(text).size() <= log_field_limit_octets);
    return 0;
}
