// `export`: a record as a file that `rules test` reads, and the message beside it.
#include "base/clock.hpp"
#include "base/file.hpp"
#include "policy/exported_test.hpp"
#include "server/aftermath_service.hpp"
#include "server/command_output.hpp"
#include "server/commands.hpp"
#include "server/exit_codes.hpp"
#include "server/record_scan.hpp"
#include "server/store_request.hpp"

#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <filesystem>
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

namespace wicket {
namespace {

// A refusal is written some 10 ms after its reply, and its id may be asked for at once.
constexpr int export_tries = 20;
constexpr int export_wait_milliseconds = 50;
constexpr std::chrono::minutes export_fresh_age{1};
constexpr std::size_t export_piece_octets = 1U << 20U;

/// A new file that nobody else can read; removed again unless it is kept().
class NewFile {
public:
    static Result<NewFile> create(const std::string& path) {
        NewFile made;
        made.path_ = path;
        made.file_ = FileDescriptor(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
        if (made.file_.is_open()) return made;
        if (errno == EEXIST) return failure(ErrorCode::exists, path + " is there already");
        return system_failure("cannot make " + path, errno);
    }
    NewFile(NewFile&& other) noexcept
        : file_(std::move(other.file_)), path_(std::exchange(other.path_, {})) {}
    NewFile(const NewFile&) = delete;
    NewFile& operator=(NewFile&&) = delete;
    NewFile& operator=(const NewFile&) = delete;
    ~NewFile() {
        if (!path_.empty()) ::unlink(path_.c_str());
    }

    Result<> write(std::string_view octets) {
        while (!octets.empty()) {
            const ssize_t length = ::write(file_.get(), octets.data(), octets.size());
            if (length < 0 && errno == EINTR) continue;
            if (length < 0) return system_failure("cannot write " + path_, errno);
            octets.remove_prefix(static_cast<std::size_t>(length));
        }
        return {};
    }
    void keep() { path_.clear(); }

private:
    NewFile() = default;
    FileDescriptor file_;
    std::string path_;
};

Result<> write_message(MessageReader& reader, NewFile& file) {
    for (;;) {
        auto piece = reader.next(export_piece_octets);
        if (!piece) return std::unexpected(piece.error());
        if (piece->empty()) return {};
        if (auto written = file.write(*piece); !written) return written;
    }
}

int report_of_export(const Error& error, OutputForm form) {
    const int code = report(error, form);
    return error.code == ErrorCode::exists ? exit_cannot_create : code;
}

/// The record as `explain --json` has it, and the store that it was found in.
struct Exported {
    std::unique_ptr<Store> store;
    std::string json;
    DecisionRecord record;
};

Result<Exported> read_exported(const Config& config, const RecordId& id) {
    const bool is_fresh = id.time() + export_fresh_age > system_clock().wall();
    for (int left = is_fresh ? export_tries : 1;; --left) {
        Exported made;
        auto store = open_snapshot(config);
        if (!store) {
            if (store.error().code == ErrorCode::not_found) store.error().code = ErrorCode::unavailable;
            return std::unexpected(store.error());
        }
        made.store = std::move(*store);
        auto stored = read_record(made.store->decisions(), id);
        if (!stored && stored.error().code == ErrorCode::not_found && left > 1) {
            ::poll(nullptr, 0, export_wait_milliseconds);
            continue;
        }
        if (!stored) return std::unexpected(stored.error());
        add_folds(made.store->decisions(), *stored);
        if (auto added = add_aftermath(*made.store, stored->record); !added)
            return std::unexpected(std::move(added.error()));
        made.json = record_to_json(*stored, RecordJson::full) + '\n';
        made.record = std::move(stored->record);
        return made;
    }
}

/// What makes a test of it, on standard error: the files go where the administrator wants them.
void tell_test(const std::string& file, const Exported& exported, const Config& config) {
    Diagnostics ignored;
    const auto rules = load_rules(config.rules, ignored);
    const std::string name = std::filesystem::path(file).filename().string();
    std::fprintf(
        stderr,
        "A test for a file beside the rules, with the verdict that you want:\n\n%s",
        exported_tests(exported.record, exported.json, name, rules.get()).c_str()
    );
}

}  // namespace

int export_command(const CommandContext& context, const ExportOptions& options) {
    const auto config = config_for(context);
    if (!config) return exit_config;
    const auto id = id_or_report(options.id, context.form);
    if (!id) return exit_failed;
    if (options.with_message && options.output.empty())
        return report(
            {ErrorCode::invalid, "--message needs --output FILE: the message is written to FILE.eml"},
            context.form
        );
    const auto exported = read_exported(*config, *id);
    if (!exported) return report(exported.error(), context.form);
    if (options.output.empty()) {
        fmt::print("{}", exported->json);
        return exit_ok;
    }
    std::unique_ptr<MessageReader> message;
    if (options.with_message) {
        auto opened = exported->store->mail().open_raw(*id);
        if (!opened && opened.error().code == ErrorCode::not_found)
            return report(
                {ErrorCode::not_found,
                 "the store has no message of " + id->to_string() + ": it was not kept, or is gone"},
                context.form
            );
        if (!opened) return report(opened.error(), context.form);
        message = std::move(*opened);
    }
    auto record = NewFile::create(options.output);
    if (!record) return report_of_export(record.error(), context.form);
    if (auto written = record->write(exported->json); !written) return report(written.error(), context.form);
    if (message) {
        auto file = NewFile::create(options.output + ".eml");
        if (!file) return report_of_export(file.error(), context.form);
        if (auto written = write_message(*message, *file); !written)
            return report(written.error(), context.form);
        file->keep();
    }
    record->keep();
    if (context.form == OutputForm::text) tell_test(options.output, *exported, *config);
    return exit_ok;
}

}  // namespace wicket
