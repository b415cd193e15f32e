// A good set of configuration, rules and lists, and mistakes put into it one by one: `check` finds each at
// its line and column. Among them what other mail servers are known to let through.
#include "server/policy_state.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <tuple>
#include <vector>

namespace wicket {
namespace {

using Tree = std::map<std::string, std::string>;  // path below the folder, and content

const Tree& good_tree() {
    static const Tree tree = {
        {"mailwicket.toml",          R"(hostname = "mx.example.test"
state    = "state"
rules    = ["rules", "site"]

[policy]
mode = "enforce"

[[listen]]
service = "smtp"
address = "127.0.0.1:2525"
proxy   = ["127.0.0.0/8"]
xclient = ["127.0.0.0/8"]
  [listen.limits]
  per_ip = 20

[dns]
forward = ["127.0.0.1:5353"]

[[domain]]
name    = "example.test"
deliver = "store"
aliases = "aliases.txt"
)"                             },
        {"aliases.txt",              "postmaster alice\n"                                        },
        {"rules/10-rules.toml",      R"([thresholds]
junk   = 5
reject = 12

[dnsbl.zen]
zone     = "zen.example"
of       = "client.ip"
listed   = { sbl = "127.0.0.2", xbl = "127.0.0.4-7", drop = "127.0.0.9" }
timeout  = "3s"

[[list]]
name = "partners"
kind = "ip"
file = "lists/partners.txt"

[[list]]
name = "spammers"
kind = "regex"
file = "lists/spammers.txt"

[[list]]
name = "friends"
kind = "domain"
file = "lists/friends.txt"

[[list]]
name = "people"
kind = "address"
file = "lists/people.txt"

[[rule]]
id    = "drop"
when  = 'dnsbl.zen has drop'
then  = "reject"
alone = true
why   = "{client.ip} is on a list"

[[rule]]
id     = "zen"
points = { 'dnsbl.zen has xbl' = 5, 'dnsbl.zen has sbl' = 4 }

[[rule]]
id   = "partner"
when = 'client.ip in list(partners) and mail.domain in list(friends)'
then = "tag"

[[rule]]
id      = "signed"
when    = 'any(dkim.results, domain == from.domain and result == "pass") and count(dkim.pass) > 0'
points  = -1
expires = 2099-01-31

[[rule]]
id     = "large"
when   = 'message.size > 2 * 10M and time.now > 2026-01-01'
points = 0.5
scope  = { domains = ["example.test"] }

[[rule]]
id   = "spammer"
when = 'mail.from in list(spammers) or mail.from in list(people)'
then = "quarantine"
late = "data"

[[pattern]]
id    = "pills"
in    = "body"
match = 'cheap pills'

[[rule]]
id     = "pills"
when   = 'pattern.pills'
points = 2

[[override]]
recipients = ["postmaster@*"]
worst      = "junk"
modes      = { large = "shadow" }

[[test]]
name   = "on the list"
given  = { "client.ip" = "203.0.113.9", "dnsbl.zen" = ["drop"] }
expect = { verdict = "reject", rule = "drop" }
)"                                             },
        {"rules/lists/partners.txt", "# ours\n192.0.2.0/24\n2001:db8::/32   expires=2099-01-01\n"},
        {"rules/lists/spammers.txt", "^bulk-[0-9]+@\n(?i)casino\n"                               },
        {"rules/lists/friends.txt",  "example.org\n"                                             },
        {"rules/lists/people.txt",   "a@example.org\n"                                           },
        {"site/20-own.toml",         R"([[rule]]
id      = "zen"
replace = true
when    = 'dnsbl.zen has [xbl, sbl]'
points  = 3
)"                                                 },
    };
    return tree;
}

constexpr std::string_view config = "mailwicket.toml";
constexpr std::string_view rules = "rules/10-rules.toml";
constexpr std::string_view site = "site/20-own.toml";
constexpr std::string_view partners = "rules/lists/partners.txt";
constexpr std::string_view spammers = "rules/lists/spammers.txt";

struct Mistake {
    std::string_view file, from, to;
    std::string_view where;    // the mistake is told where this begins in the changed file
    std::string_view message;  // what is said there, or suggested
    Severity severity = Severity::error;
};

const std::vector<Mistake>& mistakes() {
    static const std::vector<Mistake> table = {
        // What others accept: a score or rule that names what does not exist, ...
        {rules, "any(dkim.results", "any(dkim.result", "dkim.result, ", "dkim.results"},
        {rules, "modes      = { large", "modes      = { lagre", "lagre", "large"},
        {rules, "rule = \"drop\" }", "rule = \"dorp\" }", "\"dorp\"", "drop"},
        // ... a bad regular expression in a list, a bad line of one, ...
        {spammers, "(?i)casino", "(?i)cas(ino", "(?i)cas(ino", "missing )"},
        {spammers, "^bulk-[0-9]+@", "^bulk-[9-0]+@", "9-0", "bad regular expression"},
        // ... a list or file that does not exist, a misspelt key.
        {rules, "list(partners)", "list(partner)", "partner)", "partners"},
        {rules, "lists/partners.txt", "lists/partner.txt", "\"lists/partner.txt", "lists/partners.txt"},
        {rules, "late = \"data\"", "laet = \"data\"", "laet", "late"},
        {rules, "[[override]]", "[[overide]]", "overide", "override"},
        // Configuration.
        {config, "hostname", "hostnam", "hostnam", "hostname"},
        {config, "mode = \"enforce\"", "mode = \"enforced\"", "\"enforced", "enforce"},
        {config, "service = \"smtp\"", "service = \"stmp\"", "\"stmp", "smtp"},
        {config, "127.0.0.1:2525", "127.0.0.1:99999", "\"127.0.0.1:99999", ""},
        {config, "proxy   = [\"127.0.0.0/8\"]", "proxy   = [\"127.0.0.1/8\"]", "\"127.0.0.1/8", ""},
        {config, "xclient = [\"127.0.0.0/8\"]", "xclient = [\"localhost\"]", "\"localhost", ""},
        {config, "per_ip = 20", "per_ipp = 20", "per_ipp", "per_ip"},
        {config, "per_ip = 20", "per_ip = \"many\"", "\"many", ""},
        {config, "[policy]", "[polcy]", "polcy", "policy"},
        {config, "deliver = \"store\"", "deliver = \"shop\"", "\"shop", ""},
        {config, "aliases = \"aliases.txt\"", "alias = \"aliases.txt\"", "alias =", "unknown key"},
        {config, "forward = [\"127.0.0.1:5353\"]", "forward = [\"resolver\"]", "\"resolver", ""},
        {config, "forward = [\"127.0.0.1:5353\"]", "forward = [\"127.0.0.1:0\"]", "\"127.0.0.1:0", "port 0"},
        {config, "[dns]", "[dns", "\nforward", ""},
        // Rules: names and values.
        {rules, "when  = 'dnsbl.zen has drop'", "when  = 'dnsbl.zen has dorp'", "dorp", "drop"},
        {rules, "then  = \"reject\"", "then  = \"rejct\"", "\"rejct", "reject"},
        {rules, "then  = \"reject\"", "then  = \"redirect\"", "\"redirect", "mail cannot go out"},
        {rules, "then  = \"reject\"", "then  = \"skip\"", "\"skip", "needs the checks"},
        {rules, "then  = \"reject\"", "then  = \"skip\"\nskip = [\"zen\"]", "\"zen\"]", "unknown check"},
        {rules, "alone = true", "alone = \"yes\"", "\"yes", ""},
        {rules, "{client.ip}", "{client.pi}", "client.pi", "client.ip"},
        {rules, "{client.ip}", "{client.ip", "{client.ip", "no closing"},
        {rules, "{client.ip}", "{from.domain}", "from.domain} is", "known from end on"},
        {rules, "id    = \"drop\"", "id    = \"Drop it\"", "\"Drop it", "name of a rule"},
        {rules, "id   = \"partner\"", "id   = \"zen\"", "\"zen\"\nwhen", "stands already"},
        {rules, "points = 0.5", "points = 0.0005", "0.0005", "three decimals"},
        {rules, "points = 0.5", "points = 5000", "5000", "between"},
        {rules, "points = 0.5", "points = 0.5\nthen = \"junk\"", "\"junk\"\nscope", "either"},
        {rules, "expires = 2099-01-31", "expires = 2001-01-31", "2001-01-31", "has expired"},
        {rules, "expires = 2099-01-31", "expires = \"soon\"", "\"soon", "expected a date"},
        {rules, "expires = 2099-01-31", "expires = \"2099-01-31\"", "\"2099-01-31", "without quotes"},
        {rules, "alone = true", "when = 'mail.is_null'", "when = 'mail.is_null'", "this key stands"},
        {rules,
         "[[override]]", "[thresholds]\n[[override]]",
         "[thresholds]\n[[override]]", "this table stands"},
        {rules, "domains = [\"example.test\"]", "domain = [\"example.test\"]", "domain = [", "domains"},
        {rules,
         "domains = [\"example.test\"]", "clients = [\"192.0.2.1/24\"]",
         "\"192.0.2.1/24", "expected an address"},
        {rules, "late = \"data\"", "late = \"date\"", "\"date\"", "data"},
        {rules, "late = \"data\"", "at = \"connect\"", "\"connect\"", "known from mail on"},
        {rules, "junk   = 5", "junk   = 15", "12\n", "above the junk threshold"},
        {rules, "junk   = 5", "jnk    = 5", "jnk", "junk"},
        {rules, "worst      = \"junk\"", "worst      = \"jnuk\"", "\"jnuk", "junk"},
        {rules, "\"shadow\" }", "\"shade\" }", "\"shade", "shadow"},
        {rules, "postmaster@*\"", "postmaster\"", "[\"postmaster", "postmaster@*"},
        {rules, "postmaster@*\"", "postmaster@@*\"", "[\"postmaster", "matches no address"},
        {rules, "postmaster@*\"", "a@*\", \"al@exmple.test\"", "\"al@", "al@example.test"},
        {rules, "recipients = [\"postmaster@*\"]", "domains = [\"exmple.test\"]", "\"exmple", "example.test"},
        {rules, "domains = [\"example.test\"]", "domains = [\"exmple.test\"]", "\"exmple", "example.test"},
        {rules, "domains = [\"example.test\"]", "domains = [\"*.other\"]", "\"*.other", "matches nobody"},
        // Rules: conditions.
        {rules, "spammers) or", "spammers) ro", "ro mail.from", "or"},
        {rules, "count(dkim.pass) > 0", "count(dkim.pas) > 0", "dkim.pas)", "dkim.pass"},
        {rules, "count(dkim.pass) > 0", "cuont(dkim.pass) > 0", "cuont", "count"},
        {rules, "result == \"pass\"", "resutl == \"pass\"", "resutl", "unknown fact"},
        {rules, "result == \"pass\"", "result == \"pas\"", "\"pas\") and", "pass"},
        {rules, "result == \"pass\"", "resutl == fail", "resutl", "result"},
        {rules, "mail.domain in list(friends)", "mail.domain in list(people)", "people)", "never has one"},
        {rules, "message.size > 2 * 10M", "message.size > 1.5M", "1.5M", "1572864"},
        {rules, "2 * 10M", "2 * 10X", "10X", "expected a number"},
        {rules, "2 * 10M", "2 * mail.from", "mail.from and", "cannot be reckoned"},
        {rules, "time.now > 2026-01-01", "time.now > 2026-13-01", "2026-13-01", "expected a date"},
        {rules, "message.size > 2", "message.size = 2", "= 2 * 10M", "=="},
        {rules, "client.ip in list(partners)", "client.name in list(partners)", "partners) and", "of kind ip"
        },
        {rules,
         "'message.size > 2 * 10M and", "'message.size > 20M and message.size < 5M and",
         "'message.size > 20M", "can never hold"},
        {rules,
         "'mail.from in list(spammers) or mail.from in list(people)'", "'dnsbl.zen has drop and mail.is_null'",
         "'dnsbl.zen has drop and", "can never decide"},
        // Rules: block lists, tests.
        {rules,
         "zone     = \"zen.example\"", "zone     = \"zen example\"",
         "\"zen example", "no name of a DNS zone"},
        {rules, "of       = \"client.ip\"", "of       = \"client.pi\"", "\"client.pi", "client.ip"},
        {rules, "127.0.0.4-7", "127.0.0.7-4", "\"127.0.0.7-4", "expected a code"},
        {rules, "drop = \"127.0.0.9\"", "drop = \"127.0.0.2\"", "{ sbl", "overlap"},
        {rules, "timeout  = \"3s\"", "timeout  = \"3\"", "\"3\"", "duration"},
        {rules, "kind = \"ip\"", "kind = \"ips\"", "\"ips", "ip"},
        {rules,
         "\"client.ip\" = \"203.0.113.9\"", "\"client.pi\" = \"203.0.113.9\"",
         "client.pi\" =", "client.ip"},
        {rules, "\"203.0.113.9\"", "\"203.0.113\"", "\"203.0.113\"", "address"},
        {rules, "verdict = \"reject\"", "verdict = \"rejected\"", "\"rejected", "reject"},
        {rules, "verdict = \"reject\"", "verdict = \"junk\"", "[[test]]", "fail their test"},
        {rules, "given  = {", "record = \"gone.json\"\ngiven  = {", "\"gone.json", "cannot read the record"},
        // Advice.
        {rules,
         "when   = 'pattern.pills'", "when   = 'from.count > 9'",
         "[[pattern]]", "used by no rule",
         Severity::warning},
        // The second folder.
        {site, "replace = true", "replace = false", "\"zen\"", "replace = true puts"},
        {site, "id      = \"zen\"", "id      = \"zne\"", "true", "there is no rule"},
        {site, "[xbl, sbl]", "[xbl, slb]", "slb", "sbl"},
        // Lists.
        {partners, "192.0.2.0/24", "192.0.2.1/24", "192.0.2.1/24", "host bits zero"},
        {partners, "192.0.2.0/24", "  192.0.2", "192.0.2", "bad entry"},
        {partners, "expires=2099-01-01", "expires=tomorrow", "tomorrow", "expected a date"},
        {"rules/lists/friends.txt", "example.org", "example..org", "example..org", "bad entry"},
        {"rules/lists/people.txt", "a@example.org", "example.org", "example.org", "bad entry"},
        {"rules/lists/people.txt", "a@example.org", "*@example.org", "*@example.org", "kind glob"},
        {"rules/lists/friends.txt", "example.org", "192.0.2.1", "192.0.2.1", "bad entry"},
    };
    return table;
}

std::filesystem::path write_tree(const Tree& tree) {
    const auto root = std::filesystem::path(testing::TempDir()) / "wicket-seeded";
    std::filesystem::remove_all(root);
    for (const auto& [path, content] : tree) {
        std::filesystem::create_directories((root / path).parent_path());
        std::ofstream(root / path) << content;
    }
    return root;
}

std::vector<Diagnostic> said_of(const std::filesystem::path& root) {
    Diagnostics diagnostics;
    static_cast<void>(
        load_policy_state(root / "mailwicket.toml", {}, nullptr, diagnostics, PolicyLoading::check)
    );
    return diagnostics.sorted();
}

std::string shown(const std::vector<Diagnostic>& said) {
    std::string text;
    for (const Diagnostic& one : said)
        text += render(one) + '\n';
    return text;
}

SourcePlace place_of(const std::filesystem::path& file, std::string_view content, std::string_view where) {
    const auto at = content.find(where);
    if (at == std::string_view::npos) return {};
    const std::string_view before = content.substr(0, at);
    const auto line = static_cast<std::uint32_t>(std::ranges::count(before, '\n'));
    const auto line_begin = before.rfind('\n') == std::string_view::npos ? 0 : before.rfind('\n') + 1;
    return {file.string(), line + 1, static_cast<std::uint32_t>(at - line_begin + 1)};
}

TEST(SeededMistakes, AreAllFoundWhereTheyStand) {
    const auto good = said_of(write_tree(good_tree()));
    ASSERT_TRUE(std::ranges::none_of(good, [](const Diagnostic& one) {
        return one.severity == Severity::error;
    })) << shown(good);
    EXPECT_GE(mistakes().size(), 60U);
    for (const Mistake& mistake : mistakes()) {
        SCOPED_TRACE(std::string(mistake.file) + ": " + std::string(mistake.to));
        Tree tree = good_tree();
        std::string& content = tree[std::string(mistake.file)];
        const auto at = content.find(mistake.from);
        ASSERT_NE(at, std::string::npos);
        content.replace(at, mistake.from.size(), mistake.to);
        const auto root = write_tree(tree);
        const SourcePlace want = place_of(root / mistake.file, content, mistake.where);
        const auto said = said_of(root);
        const auto is_it = [&](const Diagnostic& one) {
            return one.severity == mistake.severity && one.place == want &&
                   (one.message.contains(mistake.message) || one.suggestion.contains(mistake.message));
        };
        EXPECT_TRUE(std::ranges::any_of(said, is_it)) << "not at " << want.to_string() << ":\n"
                                                      << shown(said);
        EXPECT_TRUE(std::ranges::is_sorted(said, {}, [](const Diagnostic& one) {
            return std::tuple(one.place.file, one.place.line, one.place.column);
        }));
    }
}

TEST(SeededMistakes, AFileWithAWrongNameIsOne) {
    Tree tree = good_tree();
    tree["site/30-more.tml"] = "";
    const auto root = write_tree(tree);
    const auto said = said_of(root);
    EXPECT_TRUE(std::ranges::any_of(said, [&](const Diagnostic& one) {
        return one.severity == Severity::error && one.place.file == (root / "site/30-more.tml").string();
    })) << shown(said);
    std::filesystem::remove_all(root);
}

/// The place of each error below the folder, in order.
std::vector<std::string> error_places(const std::filesystem::path& root) {
    std::vector<std::string> places;
    for (Diagnostic& one : said_of(root)) {
        if (one.severity != Severity::error) continue;
        one.place.file = std::filesystem::path(one.place.file).lexically_relative(root).string();
        places.push_back(one.place.to_string());
    }
    return places;
}

void replace_in(Tree& tree, std::string_view file, std::string_view from, std::string_view to) {
    std::string& content = tree[std::string(file)];
    content.replace(content.find(from), from.size(), to);
}

TEST(SeededMistakes, OfScopesAreFoundBesideThoseOfTheConfiguration) {
    Tree tree = good_tree();
    replace_in(tree, rules, "domains = [\"example.test\"]", "domains = [\"exmaple.test\"]");
    replace_in(tree, config, "service = \"smtp\"", "service = \"stmp\"");
    EXPECT_EQ(
        error_places(write_tree(tree)),
        (std::vector<std::string>{"mailwicket.toml:9:11", "rules/10-rules.toml:57:23"})
    );
    // Where a domain itself is wrong, who names it rightly is not told of.
    tree = good_tree();
    replace_in(tree, config, "name    = \"example.test\"", "name    = \"exa mple.test\"");
    replace_in(tree, config, "aliases = \"aliases.txt\"\n", "");
    EXPECT_EQ(error_places(write_tree(tree)), (std::vector<std::string>{"mailwicket.toml:20:11"}));
}

TEST(SeededMistakes, OfAFolderThatIsNotThereIsToldOnce) {
    Tree tree = good_tree();
    replace_in(tree, config, "\"site\"]", "\"stie\"]");
    EXPECT_EQ(error_places(write_tree(tree)), (std::vector<std::string>{"mailwicket.toml:3:22"}));
    tree = good_tree();
    replace_in(tree, config, "[\"rules\", \"site\"]", "[\"ruels\", \"site\"]");
    EXPECT_EQ(error_places(write_tree(tree)), (std::vector<std::string>{"mailwicket.toml:3:13"}));
    tree = good_tree();
    replace_in(tree, config, "hostname", "hostnme");
    EXPECT_EQ(error_places(write_tree(tree)), (std::vector<std::string>{"mailwicket.toml:1:1"}));
}

}  // namespace
}  // namespace wicket
