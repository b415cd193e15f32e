#include "policy/json_line.hpp"
#include "server/command_output.hpp"
#include "server/commands.hpp"
#include "server/exit_codes.hpp"
#include "server/long_command.hpp"
#include "store/store.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <cstdio>
#include <fmt/format.h>
#include <utility>
#include <vector>

namespace wicket {
namespace {

namespace json = boost::json;

}  // namespace

int verify_command(const CommandContext& context) {
    const auto config = config_for(context);
    if (!config) return exit_config;
    yield_to_others();
    Result<std::uint64_t> read;
    std::vector<std::string> found;
    // What a server has replaced meanwhile is missing in one snapshot; damage is in the next one, too.
    for (int look = 0; look < 2 && (look == 0 || !found.empty()); ++look) {
        auto store = open_snapshot(*config);
        if (!store) return report_of_store(store.error(), context.form);
        const std::vector<std::string> before = std::exchange(found, {});
        read = (*store)->mail().verify([&](const std::string& fault) {
            if (look == 0 || std::ranges::find(before, fault) != before.end()) found.push_back(fault);
        });
        if (!read) return report(read.error(), context.form);
    }
    const std::size_t faults = found.size();
    for (const std::string& fault : found)
        fmt::print(
            "{}\n",
            context.form == OutputForm::json ? json_line(json::object{
                                                   {"fault", fault}
        })
                                             : fault
        );
    if (context.form == OutputForm::json)
        fmt::print(
            R"({{"summary":{{"messages":{},"faults":{}}}}}
)",
            *read,
            faults
        );
    else
        std::fprintf(stderr, "%s", fmt::format("{} messages read, {} faults\n", *read, faults).c_str());
    return faults == 0 ? exit_ok : exit_failed;
}

}  // namespace wicket
