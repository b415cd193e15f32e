#include "server/directory.hpp"

#include <gtest/gtest.h>

#include <set>

namespace wicket {
namespace {

class FakeAccounts : public AccountStore {
public:
    explicit FakeAccounts(std::set<std::string, std::less<>> names) : names_(std::move(names)) {}

    Result<Account> find(std::string_view address) override {
        if (is_broken || address == broken_address)
            return failure(ErrorCode::unavailable, "broken on purpose");
        if (!names_.contains(address)) return failure(ErrorCode::not_found, "no such account");
        return Account{std::string(address), "", "", 0};
    }
    Result<> add(const Account& /*account*/) override { return {}; }
    Result<> update(const Account& /*account*/) override { return {}; }
    Result<> remove(std::string_view /*address*/) override { return {}; }
    Result<std::vector<Account>> list() override { return std::vector<Account>{}; }

    bool is_broken = false;
    std::string broken_address = {};

private:
    std::set<std::string, std::less<>> names_;
};

Config test_config() {
    Config config;
    config.hostname = "mx.example.test";
    DomainConfig first;
    first.name = "example.test";
    first.aliases.by_local_part = {
        {"sales",     {"alice@example.test", "bob@example.test"}},
        {"gone",      {"nobody@example.test"}                   },
        {"exact+tag", {"bob@example.test"}                      },
    };
    DomainConfig second;
    second.name = "catch.test";
    second.aliases.catch_all = {"alice@example.test"};
    second.aliases.by_local_part = {
        {"gone", {"nobody@example.test"}                    },
        {"half", {"nobody@example.test", "bob@example.test"}},
    };
    DomainConfig third;
    third.name = "post.test";
    third.aliases.by_local_part = {
        {"postmaster", {"nobody@example.test"}}
    };
    DomainConfig fourth;
    fourth.name = "xn--bcher-kva.test";
    config.domains = {first, second, third, fourth};
    return config;
}

RecipientLookup look_up(std::string_view path, FakeAccounts& accounts) {
    static const Config config = test_config();
    const auto recipient = parse_forward_path(path, AddressCharset::utf8);
    EXPECT_TRUE(recipient) << path;
    return look_up_recipient(config, accounts, recipient->mailbox);
}

TEST(Directory, KnowsWhoIsOurs) {
    struct Case {
        std::string_view path;
        RecipientStanding standing;
        std::vector<std::string> accounts;
    };
    using enum RecipientStanding;
    const std::vector<Case> cases = {
        {"<alice@example.test>",                 ours,     {"alice@example.test"}                    },
        {"<ALICE@Example.TEST>",                 ours,     {"alice@example.test"}                    },
        {"<alice+list@example.test>",            ours,     {"alice@example.test"}                    },
        {"<alice+a+b@example.test>",             ours,     {"alice@example.test"}                    },
        {"<+alice@example.test>",                unknown,  {}                                        },
        {"<sales@example.test>",                 ours,     {"alice@example.test", "bob@example.test"}},
        {"<sales+2@example.test>",               ours,     {"alice@example.test", "bob@example.test"}},
        {"<exact+tag@example.test>",             ours,     {"bob@example.test"}                      },
        {"<carol+x@example.test>",               ours,     {"carol+x@example.test"}                  },
        {"<gone@example.test>",                  unknown,  {}                                        },
        {"<nobody@example.test>",                unknown,  {}                                        },
        {"<anyone@catch.test>",                  ours,     {"alice@example.test"}                    },
        {"<alice@example.org>",                  not_ours, {}                                        },
        {"<alice@sub.example.test>",             not_ours, {}                                        },
        {"<alice@[127.0.0.1]>",                  not_ours, {}                                        },
        {"<Postmaster>",                         ours,     {"postmaster@example.test"}               },
        {"<PostMaster@example.test>",            ours,     {"postmaster@example.test"}               },
        {"<postmaster@mx.example.test>",         ours,     {"postmaster@example.test"}               },
        {"<postmaster@catch.test>",              ours,     {"alice@example.test"}                    },
        {"<postmaster@post.test>",               ours,     {"postmaster@post.test"}                  },
        {"<gone@catch.test>",                    unknown,  {}                                        },
        {"<gone+tag@catch.test>",                unknown,  {}                                        },
        {"<half@catch.test>",                    ours,     {"bob@example.test"}                      },
        {"<alice%example.org@example.test>",     unknown,  {}                                        },
        {"<\"alice@example.org\"@example.test>", unknown,  {}                                        },
        {"<example.org!alice@example.test>",     unknown,  {}                                        },
        {"<eve@b\xC3\xBC"
         "cher.test>",                  ours,
         {"eve@xn--bcher-kva.test"}                                                                  },
        {"<Eve@BU\xCC\x88"
         "CHER.TEST>",                  ours,
         {"eve@xn--bcher-kva.test"}                                                                  },
        {"<eve@XN--bcher-kva.test>",             ours,     {"eve@xn--bcher-kva.test"}                },
        {"<Rene\xCC\x81@example.test>",          ours,     {"ren\xC3\xA9@example.test"}              },
        {"<ren\xC3\x89+x@example.test>",         ours,     {"ren\xC3\xA9@example.test"}              },
        {"<\"../alice\"@example.test>",          unknown,  {}                                        },
    };
    FakeAccounts accounts(
        {"alice@example.test",
         "bob@example.test",
         "carol+x@example.test",
         "eve@xn--bcher-kva.test",
         "ren\xC3\xA9@example.test"}
    );
    for (const auto& [path, standing, wanted] : cases) {
        SCOPED_TRACE(path);
        const RecipientLookup found = look_up(path, accounts);
        EXPECT_EQ(found.standing, standing);
        EXPECT_EQ(found.accounts, wanted);
    }
}

TEST(Directory, PostmasterIsThereWhenTheAccountsOfTheCatchAllAreGone) {
    FakeAccounts accounts({});
    for (const std::string_view path : {"<postmaster@catch.test>", "<PostMaster+x@catch.test>"}) {
        SCOPED_TRACE(path);
        const RecipientLookup found = look_up(path, accounts);
        EXPECT_EQ(found.standing, RecipientStanding::ours);
        EXPECT_EQ(found.accounts, std::vector<std::string>{"postmaster@catch.test"});
    }
    EXPECT_EQ(look_up("<anyone@catch.test>", accounts).standing, RecipientStanding::unknown);
    accounts.broken_address = "alice@example.test";
    EXPECT_EQ(look_up("<postmaster@catch.test>", accounts).standing, RecipientStanding::temporary);
}

TEST(Directory, AStoreThatFailsIsNoUnknownUser) {
    FakeAccounts accounts({});
    accounts.is_broken = true;
    EXPECT_EQ(look_up("<alice@example.test>", accounts).standing, RecipientStanding::temporary);
    EXPECT_EQ(look_up("<postmaster@example.test>", accounts).standing, RecipientStanding::temporary);
    EXPECT_EQ(look_up("<alice@example.org>", accounts).standing, RecipientStanding::not_ours);
}

TEST(Directory, AStumbleOfTheStoreLetsNoMailTakeAnotherWay) {
    struct Case {
        std::string_view name, path, broken;
    };
    const std::vector<Case> cases = {
        {"the account itself, not the one before the plus",
         "<alice+list@example.test>",                                               "alice+list@example.test"},
        {"the account itself, not the catch-all",           "<carol@catch.test>",   "carol@catch.test"       },
        {"one target of an alias, not only the others",     "<sales@example.test>", "bob@example.test"       },
        {"the target of the catch-all",                     "<carol@catch.test>",   "alice@example.test"     },
    };
    for (const auto& [name, path, broken] : cases) {
        SCOPED_TRACE(name);
        FakeAccounts accounts({"alice@example.test", "bob@example.test"});
        EXPECT_EQ(look_up(path, accounts).standing, RecipientStanding::ours);
        accounts.broken_address = broken;
        EXPECT_EQ(look_up(path, accounts).standing, RecipientStanding::temporary);
    }
}

TEST(Directory, CountsTargetsThatDoNotExist) {
    FakeAccounts accounts({"bob@example.test"});
    const Config config = test_config();
    for (int i = 0; i < 3; ++i)
        look_up_recipient(
            config, accounts, parse_forward_path("<half@catch.test>", AddressCharset::utf8)->mailbox
        );
    EXPECT_EQ(config.missing_targets->count(), 3U);
}

}  // namespace
}  // namespace wicket
