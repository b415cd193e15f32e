#include "server/command_output.hpp"

#include "server/exit_codes.hpp"

#include <boost/json.hpp>

#include <cstdio>

namespace wicket {

void print_diagnostics(const Diagnostics& diagnostics, OutputForm form) {
    namespace json = boost::json;
    for (const Diagnostic& diagnostic : diagnostics.sorted()) {
        if (form == OutputForm::text) {
            std::fprintf(stderr, "%s\n", render(diagnostic).c_str());
            continue;
        }
        const json::object row{
            {"file",       diagnostic.place.file                                       },
            {"line",       diagnostic.place.line                                       },
            {"column",     diagnostic.place.column                                     },
            {"severity",   diagnostic.severity == Severity::error ? "error" : "warning"},
            {"message",    diagnostic.message                                          },
            {"suggestion", diagnostic.suggestion                                       },
        };
        std::printf("%s\n", json::serialize(row).c_str());
    }
}

std::shared_ptr<const Config> config_for(const CommandContext& context) {
    Diagnostics diagnostics;
    auto config = load_config(context.config_file, diagnostics);
    if (!config) print_diagnostics(diagnostics, OutputForm::text);
    return config;
}

int report(const Error& error) {
    std::fprintf(stderr, "mailwicket: %s\n", error.message.c_str());
    switch (error.code) {
        case ErrorCode::not_found:
        case ErrorCode::exists: return exit_failed;
        case ErrorCode::invalid: return exit_usage;
        case ErrorCode::io:
        case ErrorCode::no_space:
        case ErrorCode::busy:
        case ErrorCode::timed_out: return exit_temporary;
        case ErrorCode::corrupt:
        case ErrorCode::unavailable: return exit_unavailable;
    }
    return exit_unavailable;
}

}  // namespace wicket
