#include "auth/password.hpp"
#include "mail/address.hpp"
#include "server/account_service.hpp"
#include "server/command_output.hpp"
#include "server/commands.hpp"
#include "server/control.hpp"
#include "server/exit_codes.hpp"
#include "server/state_folder.hpp"
#include "store/store.hpp"

#include <boost/json.hpp>

#include <cstdio>
#include <fmt/format.h>
#include <iostream>
#include <termios.h>
#include <unistd.h>

namespace wicket {
namespace {

namespace json = boost::json;

/// No echo while a person types; restored in any case.
class QuietTerminal {
public:
    QuietTerminal() {
        if (::isatty(STDIN_FILENO) == 0 || ::tcgetattr(STDIN_FILENO, &before_) != 0) return;
        termios quiet = before_;
        quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO);
        is_quiet_ = ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet) == 0;
        if (is_quiet_) fmt::print(stderr, "Password: ");
    }
    ~QuietTerminal() {
        if (!is_quiet_) return;
        ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_);
        fmt::print(stderr, "\n");
    }
    QuietTerminal(const QuietTerminal&) = delete;
    QuietTerminal& operator=(const QuietTerminal&) = delete;

private:
    termios before_{};
    bool is_quiet_ = false;
};

Result<std::string> read_password() {
    const QuietTerminal terminal;
    std::string line;
    if (!std::getline(std::cin, line) || line.empty())
        return failure(ErrorCode::invalid, "no password: it is read as one line from standard input");
    return line;
}

/// The canonical name of an address in one of our domains.
Result<std::string> account_name(const Config& config, const std::string& address) {
    const auto mailbox = parse_mailbox(address, AddressCharset::utf8);
    if (!mailbox)
        return failure(
            ErrorCode::invalid, fmt::format("{} is no address: {}", address, describe(mailbox.error().fault))
        );
    if (config.find_domain(mailbox->domain()) == nullptr) {
        std::vector<std::string> names;
        for (const DomainConfig& domain : config.domains)
            names.push_back(domain.name);
        const std::string near = nearest_word(mailbox->domain(), names);
        return failure(
            ErrorCode::invalid,
            fmt::format(
                "{} is not a [[domain]] of {}{}",
                mailbox->domain(),
                config.file,
                near.empty() ? "" : "; did you mean " + near + "?"
            )
        );
    }
    return canonical_account_name(mailbox->local_part(), mailbox->domain());
}

/// Through the running server, else on the store itself.
Result<std::string> perform(const Config& config, const std::string& request) {
    auto answer = ask_server(config.state, request);
    if (answer || answer.error().code != ErrorCode::unavailable) return answer;
    // What root made here, a server that runs as somebody else could not open.
    const auto identity = store_identity(config);
    if (!identity) return std::unexpected(identity.error());
    if (auto prepared = prepare_state(config, *identity); !prepared) return std::unexpected(prepared.error());
    if (auto became = become(*identity); !became) return std::unexpected(became.error());
    auto store = Store::open({.folder = config.state});
    if (!store) return std::unexpected(store.error());
    const auto now =
        std::chrono::duration_cast<std::chrono::seconds>(system_clock().wall().time_since_epoch());
    std::string direct = answer_account_request((*store)->accounts(), request, now.count());
    (*store)->close();
    return direct;
}

ErrorCode code_of(std::string_view word) {
    if (word == "not_found") return ErrorCode::not_found;
    if (word == "exists") return ErrorCode::exists;
    if (word == "invalid") return ErrorCode::invalid;
    if (word == "no_space") return ErrorCode::no_space;
    return ErrorCode::unavailable;
}

int report_of_account(const Error& error) {
    const int code = report(error);
    if (error.code == ErrorCode::not_found) return exit_no_user;
    return error.code == ErrorCode::exists ? exit_cannot_create : code;
}

int show(const std::string& answer, OutputForm form) {
    boost::system::error_code error;
    const json::value parsed = json::parse(answer, error);
    if (error || !parsed.is_object()) return report({ErrorCode::io, "the answer cannot be read"});
    const json::object& object = parsed.get_object();
    if (const json::value* message = object.if_contains("error")) {
        const json::value* code = object.if_contains("code");
        return report_of_account(
            {code_of(code != nullptr ? std::string_view(code->get_string()) : ""),
             std::string(message->get_string())}
        );
    }
    const json::value* accounts = object.if_contains("accounts");
    if (accounts == nullptr) return exit_ok;
    for (const json::value& row : accounts->get_array()) {
        if (form == OutputForm::json)
            fmt::print("{}\n", json::serialize(row));
        else
            fmt::print("{}\n", std::string(row.at("address").get_string()));
    }
    return exit_ok;
}

}  // namespace

int account_command(const CommandContext& context, const std::string& verb, const std::string& address) {
    const auto config = config_for(context);
    if (!config) return exit_config;
    json::object request{
        {"do", verb}
    };
    if (verb != "list") {
        const auto name = account_name(*config, address);
        if (!name) return report(name.error());
        request["address"] = *name;
    }
    if (verb == "add" || verb == "passwd") {
        const auto password = read_password();
        if (!password) return report(password.error());
        const auto verifiers = make_password_verifiers(*password);
        if (!verifiers) return report(verifiers.error());
        request["argon2id"] = verifiers->argon2id;
        request["scram"] = verifiers->scram_sha256;
    }
    const auto answer = perform(*config, json::serialize(request));
    if (!answer) return report(answer.error());
    return show(*answer, context.form);
}

}  // namespace wicket
