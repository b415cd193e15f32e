#include "server/config.hpp"

#include "server/alias_faults.hpp"
#include "server/config_check.hpp"
#include "server/listener_limits.hpp"
#include "server/restart_keys.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <unistd.h>

namespace wicket {
namespace {

/// A folder with a configuration in it; gone with the test.
class ConfigFolder {
public:
    ConfigFolder() {
        std::string name = (std::filesystem::temp_directory_path() / "wicket-config-XXXXXX").string();
        folder_ = ::mkdtemp(name.data());
        std::filesystem::create_directory(folder_ / "rules");
    }
    ~ConfigFolder() { std::filesystem::remove_all(folder_); }
    ConfigFolder(const ConfigFolder&) = delete;
    ConfigFolder& operator=(const ConfigFolder&) = delete;

    void write(const std::string& name, const std::string& text) const {
        std::ofstream(folder_ / name) << text;
    }

    std::shared_ptr<const Config> load(const std::string& text) {
        diagnostics = Diagnostics();
        write("mailwicket.toml", text);
        return load_config((folder_ / "mailwicket.toml").string(), diagnostics);
    }

    std::string path(const std::string& name) const { return (folder_ / name).string(); }

    Diagnostics diagnostics;

private:
    std::filesystem::path folder_;
};

const std::string good = R"(hostname = "MX.Example.Test"
state = "state"
rules = "rules"
[[listen]]
service = "smtp"
address = "127.0.0.1:0"
[[domain]]
name = "Example.Test"
)";

TEST(Config, ReadsTheLeastThatWorks) {
    ConfigFolder folder;
    const auto config = folder.load(good);
    ASSERT_NE(config, nullptr) << render(folder.diagnostics.sorted().front());
    EXPECT_EQ(config->hostname, "mx.example.test");
    EXPECT_EQ(config->state, folder.path("state"));
    EXPECT_EQ(config->rules, std::vector<std::string>{folder.path("rules")});
    EXPECT_EQ(config->listeners.front().connections.per_ip, 20U);
    ASSERT_NE(config->find_domain("example.test"), nullptr);
    EXPECT_EQ(config->find_domain("example.org"), nullptr);
}

TEST(Config, ReadsLimitsOfAListener) {
    ConfigFolder folder;
    const auto config = folder.load(R"(hostname = "mx.example.test"
rules = ["rules"]
[[domain]]
name = "example.test"
[[listen]]
service = "smtp"
address = "[::1]:0"
xclient = ["192.0.2.0/24"]
bare_newline = "normalize"
late = "data"
mixed = "quarantine"
  [listen.limits]
  per_ip = 7
  size = "10M"
  recipients = 100
  rate = 2.5
)");
    ASSERT_NE(config, nullptr) << render(folder.diagnostics.sorted().front());
    const ListenerConfig& listener = config->listeners.front();
    EXPECT_EQ(listener.connections.per_ip, 7U);
    EXPECT_EQ(listener.limits.size_octets, 10U << 20U);
    EXPECT_EQ(listener.limits.recipients, 100U);
    EXPECT_EQ(listener.connections.rate_per_second, 2.5);
    EXPECT_EQ(listener.bare_newline, BareNewline::normalize);
    EXPECT_EQ(listener.late, LateAnswers::data);
    EXPECT_EQ(listener.mixed, MixedVerdicts::quarantine);
    EXPECT_TRUE(listener.xclient.front().contains(*IpAddress::parse("192.0.2.9")));
}

TEST(Config, ReadsWhatIsKeptByKind) {
    ConfigFolder folder;
    const auto plain = folder.load(good);
    ASSERT_NE(plain, nullptr);
    EXPECT_EQ(plain->quarantine, (RetentionConfig{std::chrono::days(30), 10ULL << 30U}));
    EXPECT_EQ(plain->labels, plain->records);
    EXPECT_EQ(plain->redaction, Redaction::none);
    const auto config = folder.load(
        good + "[records]\nredact = \"local-parts\"\n[retention]\nrecords = { days = 7, gigabytes = 0.5 }\n" +
        "quarantine = { days = 0.25 }\nlabels = { gigabytes = 1 }\n"
    );
    ASSERT_NE(config, nullptr) << render(folder.diagnostics.sorted().front());
    EXPECT_EQ(config->records, (RetentionConfig{std::chrono::days(7), 512ULL << 20U}));
    EXPECT_EQ(config->refusals, config->records);
    EXPECT_EQ(config->quarantine, (RetentionConfig{std::chrono::hours(6), 10ULL << 30U}));
    EXPECT_EQ(config->labels, (RetentionConfig{std::chrono::days(30), 1ULL << 30U}));
    EXPECT_EQ(config->redaction, Redaction::local_parts);
}

TEST(Config, TellsEachMistakeWithItsPlace) {
    struct Case {
        std::string name, text;
        std::uint32_t line, column;
        std::string message, suggestion;
    };
    const std::vector<Case> cases = {
        {"a misspelt key",                                 "hostnam = \"x\"\n" + good,                         1,  1,  "hostnam",       "hostname"   },
        {"a misspelt service",
         good + "[[listen]]\nservice = \"smtpp\"\naddress = \"127.0.0.1:0\"\n",
         10,                                                                                                       11,
         "smtpp",                                                                                                                       "smtp"       },
        {"a kind that is not kept",
         good + "[retention]\nquarantin = { days = 3 }\n",
         10,                                                                                                       1,
         "quarantin",                                                                                                                   "quarantine" },
        {"no days at all",                                 good + "[retention]\nquarantine = { days = 0 }\n",  10, 23, "",              ""           },
        {"a misspelt redaction",
         good + "[records]\nredact = \"local-part\"\n",
         10,                                                                                                       10,
         "local-part",                                                                                                                  "local-parts"},
        {"a service that is not built yet",
         good + "[[listen]]\nservice = \"imap\"\naddress = \"127.0.0.1:0\"\n",
         10,                                                                                                       11,
         "not built yet",                                                                                                               ""           },
        {"an address without a port",
         good + "[[listen]]\nservice = \"smtp\"\naddress = \"127.0.0.1\"\n",
         11,                                                                                                       11,
         "ADDRESS:PORT",                                                                                                                ""           },
        {"a port that is none",
         good + "[[listen]]\nservice = \"smtp\"\naddress = \"127.0.0.1:65536\"\n",
         11,                                                                                                       11,
         "ADDRESS:PORT",                                                                                                                ""           },
        {"a network with bits beyond its prefix",
         good + "[[listen]]\nservice = \"smtp\"\naddress = \"127.0.0.1:0\"\nproxy = [\"192.0.2.1/24\"]\n",
         12,                                                                                                       10,
         "no network",                                                                                                                  ""           },
        {"a wrong mode",                                   good + "[policy]\nmode = \"shaddow\"\n",            10, 8,  "shaddow",       "shadow"     },
        {"a domain twice",                                 good + "[[domain]]\nname = \"example.test\"\n",     10, 8,  "twice",         ""           },
        {"a missing alias file",
         good + "[[domain]]\nname = \"b.test\"\naliases = \"nowhere.txt\"\n",
         11,                                                                                                       11,
         "nowhere.txt",                                                                                                                 ""           },
        {"a missing rule folder",
         "rules = \"rulez\"\nhostname = \"mx.test\"\n[[listen]]\nservice = \"smtp\"\naddress = "
         "\"127.0.0.1:0\"\n[[domain]]\nname = \"b.test\"\n",                                                   1,
         9,                                                                                                            "rulez",
         "rules"                                                                                                                                     },
        {"too few recipients",
         good + "[[listen]]\nservice = \"smtp\"\naddress = \"127.0.0.1:0\"\n  [listen.limits]\n  recipients "
                "= 99\n",                                                                                      13,
         16,                                                                                                           "100",
         ""                                                                                                                                          },
        {"a certificate that is not there",
         good + "[tls]\ncertificate = \"cert.pem\"\nkey = \"key.pem\"\n",
         10,                                                                                                       15,
         "cert.pem",                                                                                                                    ""           },
        {"two listeners on one port",
         good + "[[listen]]\nservice = \"smtp\"\naddress = \"127.0.0.1:2525\"\n[[listen]]\nservice = "
                "\"pop3\"\naddress = "
                "\"127.0.0.1:2525\"\n",                                                                        14,
         11,                                                                                                           "taken already",
         ""                                                                                                                                          },
        {"a listener on all addresses beside one of them",
         good + "[[listen]]\nservice = \"smtp\"\naddress = \"0.0.0.0:2525\"\n[[listen]]\nservice = "
                "\"pop3\"\naddress = "
                "\"127.0.0.1:2525\"\n",                                                                        14,
         11,                                                                                                           "taken already",
         ""                                                                                                                                          },
        {"a key for receiving mail where mail is read",
         good + "[[listen]]\nservice = \"pop3\"\naddress = \"127.0.0.1:0\"\nbare_newline = \"refuse\"\n",
         12,                                                                                                       1,
         "bare_newline has no effect",                                                                                                  ""           },
        {"a limit for receiving mail where mail is read",
         good + "[[listen]]\nservice = \"pop3\"\naddress = \"127.0.0.1:0\"\n  [listen.limits]\n  hops = 50\n",
         13,                                                                                                       3,
         "hops has no effect on pop3",                                                                                                  ""           },
        {"a check that is none",                           good + "[filters]\noff = [\"dkm\"]\n",              10, 8,  "dkm",           "dkim"       },
        {"a size that is none",
         good + "[[listen]]\nservice = \"smtp\"\naddress = \"127.0.0.1:0\"\n  [listen.limits]\n  size = "
                "\"many\"\n",                                                                                  13,
         10,                                                                                                           "size",
         ""                                                                                                                                          },
    };
    for (const auto& [name, text, line, column, message, suggestion] : cases) {
        SCOPED_TRACE(name);
        ConfigFolder folder;
        EXPECT_EQ(folder.load(text), nullptr);
        ASSERT_FALSE(folder.diagnostics.empty());
        const Diagnostic first = folder.diagnostics.sorted().front();
        EXPECT_EQ(first.place.line, line) << render(first);
        EXPECT_EQ(first.place.column, column) << render(first);
        EXPECT_NE(first.message.find(message), std::string::npos) << render(first);
        if (!suggestion.empty())
            EXPECT_NE(first.suggestion.find(suggestion), std::string::npos) << render(first);
    }
}

TEST(Config, TheWaitBeforeTheBannerHasAnEnd) {
    ConfigFolder folder;
    std::string text = good;
    text.insert(text.find("[[domain]]"), "  [listen.limits]\n  greet_wait = \"61s\"\n");
    EXPECT_EQ(folder.load(text), nullptr);
    ASSERT_EQ(folder.diagnostics.error_count(), 1U);
    const Diagnostic said = folder.diagnostics.sorted().front();
    EXPECT_EQ(said.place, (SourcePlace{folder.path("mailwicket.toml"), 8, 16})) << render(said);
    EXPECT_TRUE(said.message.contains("from 0s to 1m")) << said.message;
    text.replace(text.find("61s"), 3, "1m");
    const auto longest = folder.load(text);
    ASSERT_NE(longest, nullptr) << render(folder.diagnostics.sorted().front());
    EXPECT_EQ(longest->listeners.front().limits.greet_wait, std::chrono::minutes(1));
}

TEST(Config, TellsNamesOfTlsThatNoClientSays) {
    ConfigFolder folder;
    folder.write("cert.pem", "");
    folder.write("key.pem", "");
    const std::string files = "certificate = \"cert.pem\"\nkey = \"key.pem\"\n";
    const std::string before = good + "[tls]\n" + files + "[[tls.name]]\n" + files + "host = ";
    for (const std::string host :
         {"not a host!", "", "*", "*.", "a.*.test", "mx.test.", "-a.test", "192.0.2.1", "[192.0.2.1]"}) {
        SCOPED_TRACE(host);
        EXPECT_EQ(folder.load(before + '"' + host + "\"\n"), nullptr);
        ASSERT_EQ(folder.diagnostics.error_count(), 1U);
        const Diagnostic said = folder.diagnostics.sorted().front();
        EXPECT_EQ(said.place, (SourcePlace{folder.path("mailwicket.toml"), 15, 8})) << render(said);
        EXPECT_TRUE(said.message.contains("is no host name")) << said.message;
    }
    const std::string second = "[[tls.name]]\n" + files + "host = ";
    EXPECT_EQ(folder.load(before + "\"mx.example.test\"\n" + second + "\"MX.Example.test\"\n"), nullptr);
    const Diagnostic twice = folder.diagnostics.sorted().front();
    EXPECT_EQ(twice.place, (SourcePlace{folder.path("mailwicket.toml"), 19, 8})) << render(twice);
    EXPECT_TRUE(twice.message.contains("twice")) << twice.message;

    const auto config = folder.load(before + "\"B\u00fccher.test\"\n" + second + "\"*.Example.test\"\n");
    ASSERT_NE(config, nullptr) << render(folder.diagnostics.sorted().front());
    EXPECT_EQ(config->tls[1].host, "xn--bcher-kva.test");
    EXPECT_EQ(config->tls[2].host, "*.example.test");
}

TEST(Config, PointsAtTheUserAndTheCertificateThatAreNotThere) {
    ConfigFolder folder;
    folder.write("cert.pem", "no certificate");
    folder.write("key.pem", "no key");
    const auto config = folder.load(
        good + "[tls]\ncertificate = \"cert.pem\"\nkey = \"key.pem\"\n" +
        "[process]\nuser = \"nobody-of-that-name\"\n"
    );
    ASSERT_NE(config, nullptr) << render(folder.diagnostics.sorted().front());
    Diagnostics diagnostics;
    check_certificates(*config, diagnostics);
    check_process_user(*config, diagnostics);
    const auto said = diagnostics.sorted();
    ASSERT_EQ(said.size(), 2U);
    EXPECT_EQ(said[0].place, (SourcePlace{folder.path("mailwicket.toml"), 10, 15})) << render(said[0]);
    EXPECT_EQ(said[0].source_line, "certificate = \"cert.pem\"");
    EXPECT_EQ(said[1].place, (SourcePlace{folder.path("mailwicket.toml"), 13, 8})) << render(said[1]);
    EXPECT_EQ(said[1].source_line, "user = \"nobody-of-that-name\"");
}

TEST(Config, TakesListenersThatDoNotMeet) {
    ConfigFolder folder;
    const std::string listen = "[[listen]]\nservice = \"smtp\"\naddress = ";
    const auto config = folder.load(
        good + listen + "\"127.0.0.1:0\"\n" + listen + "\"127.0.0.1:2525\"\n" + listen +
        "\"127.0.0.2:2525\"\n" + listen + "\"[::]:2525\"\n" + listen + "\"127.0.0.1:2526\"\n"
    );
    EXPECT_NE(config, nullptr) << render(folder.diagnostics.sorted().front());
}

TEST(Config, EveryLimitIsShownWithAReasonAndCanBeSet) {
    ConfigFolder folder;
    const std::string listen = "[[listen]]\nservice = \"pop3\"\naddress = \"127.0.0.1:0\"\n";
    const auto config = folder.load(good + listen);
    ASSERT_NE(config, nullptr);
    std::string settings = "[listen.limits]\n";
    std::size_t shown = 0;
    for (const LimitRow& row : limit_rows(config->listeners.front())) {
        SCOPED_TRACE(row.name);
        EXPECT_FALSE(row.reason.empty());
        const bool is_duration = row.value.ends_with("ms");
        settings += row.name + " = " +
                    (is_duration        ? "\"7s\""
                     : row.value == "0" ? "7"
                                        : row.value + "1") +
                    "\n";
        ++shown;
    }
    EXPECT_EQ(shown, 17U);
    for (const LimitRow& row : limit_rows(config->listeners.back()))
        EXPECT_TRUE(
            std::set<std::string>({"per_ip", "per_network", "total", "rate", "errors"}).contains(row.name)
        ) << row.name;
    // One digit more in each: out of bounds here and there, but no key is unknown.
    std::string text = good;
    text.insert(text.find("[[domain]]"), settings);
    folder.load(text);
    for (const Diagnostic& one : folder.diagnostics.sorted())
        EXPECT_EQ(one.message.find("unknown"), std::string::npos) << render(one);
    const std::string own = "  [listen.limits]\n  memory = \"2M\"\n  spool = \"3M\"\n  header_lines = 500\n";
    text = good;
    text.insert(text.find("[[domain]]"), own);
    const auto set = folder.load(text);
    ASSERT_NE(set, nullptr) << render(folder.diagnostics.sorted().front());
    EXPECT_EQ(set->listeners.front().limits.memory_octets, 2U << 20U);
    EXPECT_EQ(set->listeners.front().limits.spool_octets, 3U << 20U);
    EXPECT_EQ(set->listeners.front().limits.header_lines, 500U);
}

TEST(Config, NamesWhatOnlyARestartApplies) {
    ConfigFolder folder;
    const auto before = folder.load(good);
    EXPECT_EQ(keys_for_restart(*before, *folder.load(good)), "");
    EXPECT_EQ(keys_for_restart(*before, *folder.load(good + "[policy]\nmode = \"shadow\"\n")), "");
    std::string text = good;
    text.insert(
        text.find("[[domain]]"),
        "xclient = [\"192.0.2.0/24\"]\nlate = \"data\"\n  [listen.limits]\n  size = \"10M\"\n  per_ip = 3\n"
    );
    const auto now = folder.load(text + "[dns]\nforward = [\"192.0.2.53:53\"]\n");
    ASSERT_NE(now, nullptr) << render(folder.diagnostics.sorted().front());
    EXPECT_EQ(
        keys_for_restart(*before, *now),
        "listen 127.0.0.1:0 xclient, listen 127.0.0.1:0 limits.per_ip, listen 127.0.0.1:0 limits.size, "
        "dns.forward"
    );
}

TEST(Config, AnAliasThatLeadsToAnAliasIsAMistake) {
    struct Case {
        std::string_view name, aliases, message;
        std::uint32_t line, column;
    };
    const std::vector<Case> cases = {
        {"to itself",          "a alice, a\n",            "leads to itself", 1, 10},
        {"in a circle",        "a b\nb a\n",              "is an alias",     1, 3 },
        {"in a chain",         "b alice\nstaff bob, B\n", "is an alias",     2, 12},
        {"by its own address", "a@example.test a\n",      "leads to itself", 1, 16},
    };
    for (const auto& [name, aliases, message, line, column] : cases) {
        SCOPED_TRACE(name);
        ConfigFolder folder;
        folder.write("aliases.txt", std::string(aliases));
        EXPECT_EQ(folder.load(good + "aliases = \"aliases.txt\"\n"), nullptr);
        ASSERT_FALSE(folder.diagnostics.empty());
        const Diagnostic first = folder.diagnostics.sorted().front();
        EXPECT_EQ(first.place, (SourcePlace{folder.path("aliases.txt"), line, column})) << render(first);
        EXPECT_NE(first.message.find(message), std::string::npos) << render(first);
        EXPECT_EQ(first.source_line.substr(0, 1), aliases.substr(line == 1 ? 0 : aliases.find('\n') + 1, 1));
    }
}

TEST(AliasFaults, TellsTargetsThatAreNoAccounts) {
    ConfigFolder folder;
    folder.write("aliases.txt", "postmaster alcie\nstaff bob, x@example.test\nbob alice\n* alice\n");
    const auto config = folder.load(good + "aliases = \"aliases.txt\"\n");
    EXPECT_EQ(config, nullptr);  // bob is both an alias and a target
    folder.write("aliases.txt", "postmaster alcie\nstaff bob, nosuch@example.test\ncarol alice\n* alice\n");
    const auto good_config = folder.load(good + "aliases = \"aliases.txt\"\n");
    ASSERT_NE(good_config, nullptr) << render(folder.diagnostics.sorted().front());
    Diagnostics diagnostics;
    check_alias_targets(
        *good_config,
        {"alice@example.test", "bob@example.test", "carol@example.test"},
        AliasCheck::strict,
        diagnostics
    );
    const auto said = diagnostics.sorted();
    ASSERT_EQ(said.size(), 3U);
    EXPECT_EQ(diagnostics.error_count(), 2U);
    const std::string file = folder.path("aliases.txt");
    EXPECT_EQ(said[0].place, (SourcePlace{file, 1, 12}));
    EXPECT_EQ(said[0].suggestion, "alice@example.test");
    EXPECT_EQ(said[0].source_line, "postmaster alcie");
    EXPECT_EQ(said[1].place, (SourcePlace{file, 2, 12}));
    EXPECT_EQ(said[2].place, (SourcePlace{file, 3, 1}));
    EXPECT_EQ(said[2].severity, Severity::warning);
}

TEST(Config, SuggestsAKeyThatIsRequired) {
    ConfigFolder folder;
    EXPECT_EQ(folder.load(good + "[[listen]]\nservic = \"smtp\"\naddress = \"127.0.0.1:0\"\n"), nullptr);
    const auto said = folder.diagnostics.sorted();
    const auto misspelt = std::ranges::find(said, "service", &Diagnostic::suggestion);
    ASSERT_NE(misspelt, said.end());
    EXPECT_EQ(misspelt->place.line, 10U);
}

TEST(Config, SuggestsTheFolderThatIsMisspelt) {
    ConfigFolder folder;
    std::filesystem::create_directory(folder.path("lists"));
    EXPECT_EQ(folder.load(good + "aliases = \"list/aliases.txt\"\n"), nullptr);
    EXPECT_EQ(folder.diagnostics.sorted().front().suggestion, "lists/aliases.txt");
}

TEST(Config, ReadsNoFolderOfRulesTwice) {
    ConfigFolder folder;
    std::string text = good;
    text.replace(
        text.find("rules = \"rules\""),
        std::string_view("rules = \"rules\"").size(),
        "rules = [\"rules\", \"./rules/\"]"
    );
    EXPECT_EQ(folder.load(text), nullptr);
    const auto said = folder.diagnostics.sorted();
    ASSERT_EQ(said.size(), 1U) << render(said.front());
    EXPECT_EQ(said.front().place.line, 3U);
    EXPECT_EQ(said.front().place.column, 19U);
}

TEST(AliasFaults, AtAReloadOnlyWhatIsNewlyWrittenIsAMistake) {
    ConfigFolder folder;
    folder.write("aliases.txt", "staff gone@example.test\n");
    const auto before = folder.load(good + "aliases = \"aliases.txt\"\n");
    folder.write("aliases.txt", "staff gone@example.test\nsales alise\n");
    const auto now = folder.load(good + "aliases = \"aliases.txt\"\n");
    ASSERT_NE(before, nullptr);
    ASSERT_NE(now, nullptr);
    Diagnostics diagnostics;
    check_alias_targets(*now, {"alice@example.test"}, *before, diagnostics);
    const auto said = diagnostics.sorted();
    ASSERT_EQ(said.size(), 2U);
    EXPECT_EQ(said[0].severity, Severity::warning);
    EXPECT_EQ(said[1].severity, Severity::error);
    EXPECT_EQ(said[1].place.line, 2U);
    EXPECT_EQ(said[1].suggestion, "alice@example.test");
}

TEST(AliasFile, ReadsAliasesTargetsAndTheCatchAll) {
    Diagnostics diagnostics;
    const AliasTable table = parse_aliases(
        "# comment\n\npostmaster  Alice, bob@example.test # both\nSales@example.test "
        "bob\n*\tcarol@other.test\n",
        "aliases.txt",
        "example.test",
        {"example.test", "other.test"},
        diagnostics
    );
    EXPECT_TRUE(diagnostics.empty());
    EXPECT_EQ(
        table.by_local_part.at("postmaster"),
        (std::vector<std::string>{"alice@example.test", "bob@example.test"})
    );
    EXPECT_EQ(table.by_local_part.at("sales"), std::vector<std::string>{"bob@example.test"});
    EXPECT_EQ(table.catch_all, std::vector<std::string>{"carol@other.test"});
    const AliasTable as_address =
        parse_aliases("*@Example.test alice\n", "aliases.txt", "example.test", {"example.test"}, diagnostics);
    EXPECT_TRUE(diagnostics.empty());
    EXPECT_EQ(as_address.catch_all, std::vector<std::string>{"alice@example.test"});
    EXPECT_TRUE(as_address.by_local_part.empty());
}

TEST(AliasFile, TellsEachMistakeWithItsPlace) {
    struct Case {
        std::string_view name, text;
        std::uint32_t line, column;
    };
    const std::vector<Case> cases = {
        {"no target",                      "a b\nlonely\n",           2, 1},
        {"a target elsewhere",             "a b@example.org\n",       1, 3},
        {"a target that is no address",    "a b@@c\n",                1, 3},
        {"an alias of another domain",     "a@other.test b\n",        1, 1},
        {"an alias twice",                 "a b\nA c\n",              2, 1},
        {"a second catch-all",             "* a\n* b\n",              2, 1},
        {"an empty target",                "a b,\n",                  1, 5},
        {"a pattern",                      "a* b\n",                  1, 1},
        {"a second catch-all, as address", "* a\n*@example.test b\n", 2, 1},
    };
    for (const auto& [name, text, line, column] : cases) {
        SCOPED_TRACE(name);
        Diagnostics diagnostics;
        parse_aliases(text, "aliases.txt", "example.test", {"example.test", "other.test"}, diagnostics);
        ASSERT_TRUE(diagnostics.has_errors());
        EXPECT_EQ(diagnostics.sorted().front().place.line, line);
        EXPECT_EQ(diagnostics.sorted().front().place.column, column);
    }
}

}  // namespace
}  // namespace wicket
