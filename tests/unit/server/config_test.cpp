#include "server/config.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
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

TEST(Config, TellsEachMistakeWithItsPlace) {
    struct Case {
        std::string name, text;
        std::uint32_t line, column;
        std::string message, suggestion;
    };
    const std::vector<Case> cases = {
        {"a misspelt key",                        "hostnam = \"x\"\n" + good,                              1,  1,  "hostnam",                "hostname"},
        {"a misspelt service",
         good + "[[listen]]\nservice = \"smtpp\"\naddress = \"127.0.0.1:0\"\n",
         10,                                                                                                   11,
         "smtpp",                                                                                                                            "smtp"    },
        {"a service that is not built yet",
         good + "[[listen]]\nservice = \"imap\"\naddress = \"127.0.0.1:0\"\n",
         10,                                                                                                   11,
         "not built yet",                                                                                                                    ""        },
        {"an address without a port",
         good + "[[listen]]\nservice = \"smtp\"\naddress = \"127.0.0.1\"\n",
         11,                                                                                                   11,
         "ADDRESS:PORT",                                                                                                                     ""        },
        {"a port that is none",
         good + "[[listen]]\nservice = \"smtp\"\naddress = \"127.0.0.1:65536\"\n",
         11,                                                                                                   11,
         "ADDRESS:PORT",                                                                                                                     ""        },
        {"a network with bits beyond its prefix",
         good + "[[listen]]\nservice = \"smtp\"\naddress = \"127.0.0.1:0\"\nproxy = [\"192.0.2.1/24\"]\n",
         12,                                                                                                   10,
         "no network",                                                                                                                       ""        },
        {"an address twice",
         good + "[[listen]]\nservice = \"smtp\"\naddress = \"127.0.0.1:2525\"\n"
                "[[listen]]\nservice = \"pop3\"\naddress = \"127.0.0.1:2525\"\n",                          14,
         11,                                                                                                       "has a listener already",
         ""                                                                                                                                            },
        {"a wrong mode",                          good + "[policy]\nmode = \"shaddow\"\n",                 10, 8,  "shaddow",                "shadow"  },
        {"a domain twice",                        good + "[[domain]]\nname = \"example.test\"\n",          10, 8,  "twice",                  ""        },
        {"a missing alias file",
         good + "[[domain]]\nname = \"b.test\"\naliases = \"nowhere.txt\"\n",
         11,                                                                                                   11,
         "nowhere.txt",                                                                                                                      ""        },
        {"a missing rule folder",
         "rules = \"rulez\"\nhostname = \"mx.test\"\n[[listen]]\nservice = \"smtp\"\naddress = "
         "\"127.0.0.1:0\"\n[[domain]]\nname = \"b.test\"\n",                                               1,
         9,                                                                                                        "rulez",
         "rules"                                                                                                                                       },
        {"too few recipients",
         good + "[[listen]]\nservice = \"smtp\"\naddress = \"127.0.0.1:0\"\n  [listen.limits]\n  recipients "
                "= 99\n",                                                                                  13,
         16,                                                                                                       "100",
         ""                                                                                                                                            },
        {"a certificate that is not there",
         good + "[tls]\ncertificate = \"cert.pem\"\nkey = \"key.pem\"\n",
         10,                                                                                                   15,
         "cert.pem",                                                                                                                         ""        },
        {"a check that is none",                  good + "[filters]\noff = [\"dkm\"]\n",                   10, 8,  "dkm",                    "dkim"    },
        {"a size that is none",
         good + "[[listen]]\nservice = \"smtp\"\naddress = \"127.0.0.1:0\"\n  [listen.limits]\n  size = "
                "\"many\"\n",                                                                              13,
         10,                                                                                                       "size",
         ""                                                                                                                                            },
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

TEST(Config, ShowsEveryLimitWithAReason) {
    ConfigFolder folder;
    const auto config = folder.load(good);
    ASSERT_NE(config, nullptr);
    for (const LimitRow& row : limit_rows(config->listeners.front())) {
        EXPECT_FALSE(row.value.empty()) << row.name;
        EXPECT_FALSE(row.reason.empty()) << row.name;
    }
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
}

TEST(AliasFile, TellsEachMistakeWithItsPlace) {
    struct Case {
        std::string_view name, text;
        std::uint32_t line, column;
    };
    const std::vector<Case> cases = {
        {"no target",                   "a b\nlonely\n",     2, 1},
        {"a target elsewhere",          "a b@example.org\n", 1, 3},
        {"a target that is no address", "a b@@c\n",          1, 3},
        {"an alias of another domain",  "a@other.test b\n",  1, 1},
        {"an alias twice",              "a b\nA c\n",        2, 1},
        {"a second catch-all",          "* a\n* b\n",        2, 1},
        {"an empty target",             "a b,\n",            1, 1},
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
