#include "filters/scan_pool.hpp"
#include "server/command_line.hpp"

#include <string_view>
#include <sys/stat.h>

int main(int argc, char** argv) {
    // Whatever a command makes is mail, passwords or records: nobody else's to read.
    ::umask(077);
    // A scan worker must not even read the words of the other commands.
    if (argc > 1 && std::string_view(argv[1]) == "scan") return wicket::run_scan_worker(argc, argv);
    return wicket::run_command_line(argc, argv);
}
