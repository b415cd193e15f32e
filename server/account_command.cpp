#include "access/pop3_options.hpp"
#include "auth/password.hpp"
#include "mail/address.hpp"
#include "policy/json_line.hpp"
#include "server/account_service.hpp"
#include "server/command_output.hpp"
#include "server/commands.hpp"
#include "server/control.hpp"
#include "server/exit_codes.hpp"
#include "server/request_json.hpp"
#include "server/store_request.hpp"
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
        if (is_quiet_) std::fputs("Password: ", stderr);
    }
    ~QuietTerminal() {
        if (!is_quiet_) return;
        ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_);
        std::fputs("\n", stderr);
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
    if (line.size() > pop3_password_octets)
        return failure(
            ErrorCode::invalid,
            fmt::format(
                "the password has {} octets, and the PASS command of POP3 carries {} at most: nobody could "
                "log "
                "in with it",
                line.size(),
                pop3_password_octets
            )
        );
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

/// What follows a plus sign is a tag: NAME+TAG is another address of NAME, and NAME+Junk a login of its own.
Result<> check_new_name(const std::string& name) {
    const std::size_t at = name.rfind('@');
    const std::size_t plus = name.find('+');
    if (plus >= at) return {};
    std::string message = fmt::format("no account can be named {}: a plus sign begins a tag", name);
    if (plus != 0)
        message += fmt::format(", and its mail goes to {}{}", name.substr(0, plus), name.substr(at));
    return failure(ErrorCode::invalid, std::move(message));
}

Result<std::string> answer_from(Store& store, const std::string& request) {
    const auto now =
        std::chrono::duration_cast<std::chrono::seconds>(system_clock().wall().time_since_epoch());
    return answer_account_request(store.accounts(), request, now.count());
}

/// Asking makes no store.
Result<std::string> list_without_server(const Config& config, const std::string& request) {
    auto store = open_reader(config);
    if (store) return answer_from(**store, request);
    if (store.error().code == ErrorCode::not_found) return std::string(R"({"ok":true,"accounts":[]})");
    return std::unexpected(store.error());
}

Result<std::string> change_without_server(const Config& config, const std::string& request) {
    auto store = open_to_change(config, MissingStore::is_made);
    if (!store) return std::unexpected(store.error());
    auto answer = answer_from(**store, request);
    (*store)->close();
    return answer;
}

/// Through the running server, else on the store itself.
Result<std::string> perform(const Config& config, const json::object& request) {
    const std::string line = json_line(request);
    auto answer = ask_server(config.state, line);
    if (answer || answer.error().code != ErrorCode::unavailable) return answer;
    return request.at("do") == "list" ? list_without_server(config, line)
                                      : change_without_server(config, line);
}

int report_of_account(const Error& error, OutputForm form) {
    const int code = report(error, form);
    if (error.code == ErrorCode::not_found) return exit_no_user;
    return error.code == ErrorCode::exists ? exit_cannot_create : code;
}

/// As a word of the result: what was done with the account.
std::string_view done(std::string_view verb) {
    if (verb == "add") return "added";
    return verb == "passwd" ? "changed" : "deleted";
}

void print_accounts(const json::array& rows, OutputForm form) {
    for (const json::value& row : rows)
        fmt::print(
            "{}\n", form == OutputForm::json ? json_line(row) : std::string(row.at("address").get_string())
        );
}

int show(const std::string& answer, const json::object& request, OutputForm form) {
    const auto read = read_answer(answer);
    if (!read) return report_of_account(read.error(), form);
    const json::object& object = *read;
    if (const json::value* accounts = object.if_contains("accounts"))
        print_accounts(accounts->get_array(), form);
    else if (form == OutputForm::json)
        fmt::print(
            "{}\n",
            json_line(json::object{
                {"address", request.at("address")                                },
                {"result",  done(std::string_view(request.at("do").get_string()))}
        })
        );
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
        if (!name) return report(name.error(), context.form);
        if (verb == "add")
            if (const auto checked = check_new_name(*name); !checked)
                return report(checked.error(), context.form);
        request["address"] = *name;
    }
    if (verb == "add" || verb == "passwd") {
        const auto password = read_password();
        if (!password) return report(password.error(), context.form);
        const auto verifiers = make_password_verifiers(*password);
        if (!verifiers) return report(verifiers.error(), context.form);
        request["argon2id"] = verifiers->argon2id;
        request["scram"] = verifiers->scram_sha256;
    }
    const auto answer = perform(*config, request);
    if (!answer) return report_of_store(answer.error(), context.form);
    return show(*answer, request, context.form);
}

}  // namespace wicket
