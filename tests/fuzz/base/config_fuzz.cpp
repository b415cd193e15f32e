// Whatever the text: no crash, every mistake has a place within it, and a document that cannot be read has
// one.

#include "base/config_reader.hpp"
#include "base/log.hpp"

#include <cstdlib>

namespace wicket {
namespace {

void require(bool holds) {
    if (!holds) std::abort();
}

void check_value(const ConfigValue& value, const ConfigTable& table) {
    require(value.place.line > 0 && value.place.column > 0);
    if (value.text_place != value.place)
        require(
            table.source_line(value.text_place).substr(value.text_place.column - 1).starts_with(value.text)
        );
    for (const ConfigValue& item : value.list)
        check_value(item, table);
    for (const ConfigValue& item : value.table)
        check_value(item, table);
}

}  // namespace
}  // namespace wicket

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer calls it by this name.
extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    using namespace wicket;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    Diagnostics diagnostics;
    if (const auto document = ConfigDocument::parse(std::string(text), "fuzz", diagnostics)) {
        ConfigTable root = document->root();
        for (const std::string& key : root.keys()) {
            if (key.size() % 2 == 0) check_value(root.value(key).value(), root);
            if (key.size() % 3 == 0) root.named_tables(key);
            if (key.size() % 3 == 1) root.tables(key);
            if (key.size() % 5 == 0) root.texts(key, ConfigTable::OneOrList::one_or_list);
            root.duration("duration");
        }
        root.finish();
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
