// Commands that read the store, called as the command line calls them.
#include "base/clock.hpp"
#include "server/commands.hpp"
#include "server/exit_codes.hpp"
#include "store/database.hpp"
#include "store/row_codec.hpp"
#include "store/store.hpp"
#include "store/tables.hpp"
#include "tests/support/temporary_folder.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace wicket {
namespace {

class StoreCommandsTest : public testing::Test {
protected:
    StoreCommandsTest() {
        std::filesystem::create_directory(folder_ / "rules");
        std::ofstream(context_.config_file) << R"(hostname = "mx.example.test"
state = "state"
rules = "rules"
[[listen]]
service = "smtp"
address = "127.0.0.1:0"
[[domain]]
name = "example.test"
)";
    }

    test::TemporaryFolder folder_;
    CommandContext context_{folder_ / "mailwicket.toml", OutputForm::text};
};

TEST_F(StoreCommandsTest, AStoreOfANewerVersionIsAFaultOfTheInstallationForEveryCommand) {
    {
        ASSERT_TRUE(Store::open({.folder = folder_ / "state"}));
    }
    {
        Database::Setup setup;
        setup.folder = folder_ / "state/mail";
        setup.tables = mail_tables();
        setup.clock = &system_clock();
        auto database = Database::open(setup);
        ASSERT_TRUE(database);
        const auto use = (*database)->use();
        rocksdb::WriteBatch batch;
        ASSERT_TRUE(batch
                        .Put(
                            use.table(0),
                            rocksdb::Slice(rows::format_key),
                            rows::encode_format(rows::format_number + 1)
                        )
                        .ok());
        ASSERT_TRUE((*database)->write(use, batch, Database::Sync::yes));
    }
    EXPECT_EQ(log_command(context_, {}), exit_config);
    EXPECT_EQ(quarantine_command(context_, {}), exit_config);
    EXPECT_EQ(explain_command(context_, "00000000000000000000"), exit_config);
    EXPECT_EQ(verify_command(context_), exit_config);
    EXPECT_EQ(account_command(context_, "list", ""), exit_config);
    EXPECT_EQ(account_command(context_, "delete", "alice@example.test"), exit_config);
}

TEST_F(StoreCommandsTest, NoStoreIsUnavailableAndNoAccounts) {
    EXPECT_EQ(log_command(context_, {}), exit_unavailable);
    EXPECT_EQ(quarantine_command(context_, {}), exit_unavailable);
    EXPECT_EQ(explain_command(context_, "00000000000000000000"), exit_unavailable);
    EXPECT_EQ(verify_command(context_), exit_unavailable);
    EXPECT_EQ(account_command(context_, "list", ""), exit_ok);
    EXPECT_FALSE(std::filesystem::exists(folder_ / "state"));
}

}  // namespace
}  // namespace wicket
