// The promise that 250 means on disk: the power goes at random moments under load; the callbacks' own list of
// what was acknowledged is compared with what the store has afterwards.
#include "store/committer.hpp"
#include "store/store.hpp"
#include "tests/support/store/fault_env.hpp"
#include "tests/support/store/store_fixture.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <future>
#include <map>
#include <mutex>
#include <random>
#include <thread>

namespace wicket {
namespace {

using namespace test;

struct Acknowledged {
    RecordId id;
    std::string account;
    Uid uid = 0;
    std::uint64_t seed = 0;
    std::size_t octets = 0;
};

struct Outcome {
    std::uint64_t acknowledged = 0;
    std::uint64_t missing = 0;
    std::uint64_t damaged = 0;
    std::uint64_t large = 0;
};

int cuts_wanted(int usual) {
    const char* wanted = std::getenv("WICKET_POWER_CUTS");
    return wanted != nullptr ? std::atoi(wanted) : usual;
}

/// Delivers from four callers until the power is off.
std::vector<Acknowledged> load_until_off(Store& store, const FaultEnv& env, std::uint64_t seed) {
    std::mutex mutex;
    std::vector<Acknowledged> acknowledged;
    std::vector<std::thread> callers;
    for (std::uint64_t caller = 0; caller < 4; ++caller) {
        callers.emplace_back([&, caller] {
            std::mt19937_64 random(seed * 4 + caller);
            while (!env.is_off()) {
                Acknowledged one;
                one.id = new_id();
                one.account = "user" + std::to_string(caller) + "@example.test";
                one.seed = random();
                one.octets = random() % 16 == 0 ? blob_file_limit_octets + 1 + random() % 50000
                                                : 200 + random() % 12000;
                auto delivery =
                    delivery_to(one.account, message_of(message_text(one.octets, one.seed)), one.id);
                delivery.rows.push_back({"all@example.test", "Junk", "", {}, MailboxOwner::nobody});
                const auto uids = deliver(store.mail(), std::move(delivery));
                if (!uids) continue;
                one.uid = uids->front();
                const std::lock_guard lock(mutex);
                acknowledged.push_back(std::move(one));
            }
        });
    }
    for (std::thread& caller : callers)
        caller.join();
    return acknowledged;
}

void check(Store& store, const std::vector<Acknowledged>& acknowledged, Outcome& outcome) {
    for (const Acknowledged& one : acknowledged) {
        const auto got = read_message(store.mail(), one.account, one.uid);
        const auto record = decision_of(store.decisions(), one.id);
        if (!got || !record)
            ++outcome.missing;
        else if (*got != "Return-Path: <>\r\n" + message_text(one.octets, one.seed))
            ++outcome.damaged;
        if (one.octets > blob_file_limit_octets) ++outcome.large;
    }
    outcome.acknowledged += acknowledged.size();
}

/// What a half-written delivery would look like.
void check_whole(Store& store, Outcome& outcome) {
    const auto verified = store.mail().verify([&](const std::string& fault) {
        ADD_FAILURE() << fault;
        ++outcome.damaged;
    });
    EXPECT_TRUE(verified);
}

Outcome cut_power(int cuts, bool is_synced, std::uint64_t first_seed) {
    Outcome outcome;
    std::unique_ptr<TemporaryFolder> folder;
    std::unique_ptr<FaultEnv> env;
    std::vector<Acknowledged> all;
    for (int cut = 0; cut < cuts; ++cut) {
        // A fresh store every 20 cuts: what is read again after each must not grow for ever.
        if (cut % 20 == 0) {
            folder = std::make_unique<TemporaryFolder>();
            env = std::make_unique<FaultEnv>(*folder / "graveyard");
            all.clear();
        }
        const std::uint64_t seed = first_seed + static_cast<std::uint64_t>(cut);
        std::mt19937_64 random(seed);
        const StoreOptions options{.folder = *folder / "state", .sync = is_synced, .env = env->env()};
        std::vector<Acknowledged> acknowledged;
        {
            const auto store = open_store(options);
            env->cut_after(random() % 200);
            acknowledged = load_until_off(*store, *env, seed);
        }
        env->restore(seed);
        all.insert(all.end(), acknowledged.begin(), acknowledged.end());
        const bool is_last = cut % 20 == 19 || cut + 1 == cuts;
        const auto store = open_store(options);
        Outcome now;
        check(*store, is_last ? all : acknowledged, now);
        if (is_synced && now.missing + now.damaged != 0) {
            ADD_FAILURE() << now.missing << " missing, " << now.damaged << " damaged after cut " << cut
                          << ", seed " << seed;
        }
        outcome.missing += now.missing;
        outcome.damaged += now.damaged;
        if (is_last) {
            outcome.acknowledged += all.size();
            outcome.large += now.large;
            if (is_synced) check_whole(*store, outcome);
        }
    }
    return outcome;
}

// In halves, so that two cores share them.
constexpr int halves = 2;
class PowerCuts : public testing::TestWithParam<int> {};

TEST_P(PowerCuts, LoseNothingThatWasAcknowledged) {
    const int cuts = cuts_wanted(100) / halves;
    const Outcome outcome = cut_power(cuts, true, 1000 + 10'000 * static_cast<std::uint64_t>(GetParam()));
    EXPECT_EQ(outcome.missing, 0U);
    EXPECT_EQ(outcome.damaged, 0U);
    EXPECT_GT(outcome.acknowledged, static_cast<std::uint64_t>(cuts));
    EXPECT_GT(outcome.large, 0U);
    std::printf(
        "power cuts %d: %llu acknowledged (%llu in files of their own), %llu missing, %llu damaged\n",
        cuts,
        static_cast<unsigned long long>(outcome.acknowledged),
        static_cast<unsigned long long>(outcome.large),
        static_cast<unsigned long long>(outcome.missing),
        static_cast<unsigned long long>(outcome.damaged)
    );
}

INSTANTIATE_TEST_SUITE_P(All, PowerCuts, testing::Range(0, halves));

TEST(PowerCut, ThisTestWouldNoticeIfNothingWereSynced) {
    const Outcome outcome = cut_power(6, false, 5000);
    EXPECT_GT(outcome.missing, 0U);
}

/// The power goes while the store comes back from an earlier cut.
TEST(PowerCut, SurvivesCutsDuringRecovery) {
    const TemporaryFolder folder;
    FaultEnv env(folder / "graveyard");
    const StoreOptions options{.folder = folder / "state", .env = env.env()};
    std::vector<Acknowledged> all;
    for (std::uint64_t cut = 0; cut < 15; ++cut) {
        {
            const auto store = open_store(options);
            env.cut_after(60);
            const auto acknowledged = load_until_off(*store, env, cut);
            all.insert(all.end(), acknowledged.begin(), acknowledged.end());
        }
        env.restore(cut);
        env.cut_after(3 + 4 * cut);
        {
            const auto half_open = Store::open(options);
        }
        env.restore(cut + 100);
    }
    const auto store = open_store(options);
    Outcome outcome;
    check(*store, all, outcome);
    EXPECT_EQ(outcome.missing, 0U);
    EXPECT_EQ(outcome.damaged, 0U);
    check_whole(*store, outcome);
}

}  // namespace
}  // namespace wicket
