#include "server/account_service.hpp"

#include "base/clock.hpp"
#include "server/request_json.hpp"

#include <boost/json.hpp>

namespace wicket {
namespace {

namespace json = boost::json;

std::string answer_of(const Result<>& result) {
    return result ? std::string(R"({"ok":true})") : error_answer(result.error());
}

std::string list_answer(AccountStore& accounts) {
    const auto all = accounts.list();
    if (!all) return error_answer(all.error());
    json::array rows;
    for (const Account& account : *all)
        rows.push_back(json::object{
            {"address", account.address                                                    },
            {"created", to_rfc3339(WallTime(std::chrono::seconds(account.created_seconds)))}
        });
    return json::serialize(json::object{
        {"ok",       true           },
        {"accounts", std::move(rows)}
    });
}

}  // namespace

std::string answer_account_request(
    AccountStore& accounts, std::string_view request, std::int64_t now_seconds
) {
    boost::system::error_code error;
    const json::value parsed = json::parse(json::string_view(request.data(), request.size()), error);
    if (error || !parsed.is_object())
        return error_answer({ErrorCode::invalid, "the request is not a JSON object"});
    const json::object& object = parsed.get_object();
    const std::string verb = request_text(object, "do");
    const std::string address = request_text(object, "address");
    if (verb == "list") return list_answer(accounts);
    if (verb == "delete") return answer_of(accounts.remove(address));
    if (verb == "add")
        return answer_of(accounts.add(
            {address, request_text(object, "argon2id"), request_text(object, "scram"), now_seconds}
        ));
    if (verb == "passwd") {
        auto account = accounts.find(address);
        if (!account) return error_answer(account.error());
        account->password_hash = request_text(object, "argon2id");
        account->scram_sha256 = request_text(object, "scram");
        return answer_of(accounts.update(*account));
    }
    return error_answer({ErrorCode::invalid, "unknown request"});
}

Result<std::optional<PasswordRecord>> StoreDirectory::find(
    std::string_view local_part, std::string_view domain
) {
    const auto account = accounts_.find(canonical_account_name(local_part, domain));
    if (account) return PasswordRecord{account->address, account->password_hash};
    if (account.error().code == ErrorCode::not_found) return std::nullopt;
    return std::unexpected(account.error());
}

}  // namespace wicket
