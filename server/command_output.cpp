#include "server/command_output.hpp"

#include "policy/json_line.hpp"
#include "server/exit_codes.hpp"

#include <boost/json.hpp>

#include <array>
#include <cerrno>
#include <fmt/format.h>
#include <system_error>
#include <unistd.h>

namespace wicket {
namespace {

namespace json = boost::json;

struct ErrorWord {
    ErrorCode code;
    std::string_view word;
    int exit;
};

constexpr std::array<ErrorWord, 9> error_words = {
    {
     {ErrorCode::io, "io", exit_temporary},
     {ErrorCode::no_space, "no_space", exit_temporary},
     {ErrorCode::busy, "busy", exit_temporary},
     {ErrorCode::timed_out, "timed_out", exit_temporary},
     {ErrorCode::not_found, "not_found", exit_failed},
     {ErrorCode::exists, "exists", exit_failed},
     {ErrorCode::corrupt, "corrupt", exit_unavailable},
     {ErrorCode::invalid, "invalid", exit_usage},
     {ErrorCode::unavailable, "unavailable", exit_unavailable},
     }
};

const ErrorWord& row_of(ErrorCode code) {
    return *std::ranges::find(error_words, code, &ErrorWord::code);
}

void print_line(std::FILE* out, const std::string& line) {
    if (out == stderr)
        std::fprintf(stderr, "%s\n", line.c_str());  // nobody can be told if it fails
    else
        fmt::print(out, "{}\n", line);
}

}  // namespace

void print_diagnostics(const Diagnostics& diagnostics, OutputForm form, std::FILE* json_output) {
    for (const Diagnostic& diagnostic : diagnostics.sorted()) {
        if (form == OutputForm::text) {
            print_line(stderr, render(diagnostic));
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
        print_line(json_output, json_line(row));
    }
}

std::shared_ptr<const Config> config_for(const CommandContext& context) {
    Diagnostics diagnostics;
    auto config = load_config(context.config_file, diagnostics);
    if (config) return config;
    print_diagnostics(diagnostics, context.form, stderr);
    if (context.form == OutputForm::json)
        print_error(
            {ErrorCode::invalid,
             fmt::format(
                 "{}: {} mistake{}",
                 context.config_file,
                 diagnostics.error_count(),
                 diagnostics.error_count() == 1 ? "" : "s"
             )},
            context.form
        );
    return nullptr;
}

std::shared_ptr<const RuleSet> rules_for(const std::vector<std::string>& folders, OutputForm form) {
    Diagnostics diagnostics;
    auto rules = load_rules(folders, diagnostics);
    if (!rules) print_diagnostics(diagnostics, form, stderr);
    return rules;
}

void print_error(const Error& error, OutputForm form) {
    if (form == OutputForm::text) return print_line(stderr, "mailwicket: " + error.message);
    print_line(
        stderr,
        json_line(json::object{
            {"error", error.message         },
            {"code",  error_word(error.code)}
    })
    );
}

int report(const Error& error, OutputForm form) {
    print_error(error, form);
    return row_of(error.code).exit;
}

namespace {

Result<std::unique_ptr<Store>> open_with(
    Result<std::unique_ptr<Store>> (*open)(const std::string&), const Config& config
) {
    if (::access(config.state.c_str(), R_OK | X_OK) != 0 && errno == EACCES)
        return failure(
            ErrorCode::unavailable,
            "only root and the user that the server runs as may read the store in " + config.state
        );
    auto store = open(config.state);
    if (!store && store.error().code == ErrorCode::not_found)
        return failure(ErrorCode::not_found, "there is no store in " + config.state + " yet");
    return store;
}

}  // namespace

Result<std::unique_ptr<Store>> open_reader(const Config& config) {
    return open_with(Store::open_reader, config);
}

Result<std::unique_ptr<Store>> open_snapshot(const Config& config) {
    return open_with(Store::open_snapshot, config);
}

int report_of_store(const Error& error, OutputForm form) {
    const int code = report(error, form);
    if (error.code == ErrorCode::not_found) return exit_unavailable;
    return error.code == ErrorCode::invalid ? exit_config : code;
}

std::string_view error_word(ErrorCode code) {
    return row_of(code).word;
}

ErrorCode error_of_word(std::string_view word) {
    const auto row = std::ranges::find(error_words, word, &ErrorWord::word);
    return row == error_words.end() ? ErrorCode::unavailable : row->code;
}

void flush_output() {
    if (std::fflush(stdout) != 0)
        throw std::system_error(errno, std::system_category(), "cannot write the output");
}

}  // namespace wicket
