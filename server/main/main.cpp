#include "filters/scan_pool.hpp"
#include "server/command_line.hpp"

#include <string_view>

int main(int argc, char** argv) {
    // A scan worker must not even read the words of the other commands.
    if (argc > 1 && std::string_view(argv[1]) == "scan") return wicket::run_scan_worker(argc, argv);
    return wicket::run_command_line(argc, argv);
}
