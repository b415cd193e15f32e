#include "net/offload_pool.hpp"

#include "tests/unit/net/net_fixture.hpp"

#include <atomic>
#include <latch>
#include <thread>

namespace wicket {
namespace {

using boost::asio::awaitable;

awaitable<Result<>> run_job(OffloadPool* pool, std::function<void()> job) {
    co_return co_await pool->run(std::move(job));
}

awaitable<bool> runs_elsewhere_and_comes_back(OffloadPool* pool) {
    const auto before = std::this_thread::get_id();
    auto during = before;
    const auto result = co_await pool->run([&during] { during = std::this_thread::get_id(); });
    co_return result.has_value() && during != before&& std::this_thread::get_id() == before;
}

struct OffloadPoolTest : testing::Test {
    EventLoops loops{2};
    OffloadPoolTest() { loops.start(); }
};

TEST_F(OffloadPoolTest, RunsOnItsThreadsAndComesBackToTheCallersLoop) {
    OffloadPool pool("test", 1, 10);
    EXPECT_TRUE(run_in(loops.at(1), runs_elsewhere_and_comes_back(&pool)));
}

TEST_F(OffloadPoolTest, RethrowsTheExceptionOfAJob) {
    OffloadPool pool("test", 1, 10);
    EXPECT_THROW(
        run_in(loops.at(1), run_job(&pool, [] { throw std::runtime_error("no"); })), std::runtime_error
    );
    EXPECT_TRUE(run_in(loops.at(1), run_job(&pool, [] {})));
}

TEST_F(OffloadPoolTest, IsBusyWhenItsQueueIsFullAndUnavailableAfterItsEnd) {
    OffloadPool pool("test", 1, 1);
    std::latch started(1);
    std::latch released(1);
    auto first = boost::asio::co_spawn(
        loops.at(1),
        run_job(
            &pool,
            [&] {
                started.count_down();
                released.wait();
            }
        ),
        boost::asio::use_future
    );
    started.wait();
    auto second = boost::asio::co_spawn(loops.at(1), run_job(&pool, [] {}), boost::asio::use_future);
    const auto third = run_in(loops.at(1), run_job(&pool, [] {}));
    ASSERT_FALSE(third);
    EXPECT_EQ(third.error().code, ErrorCode::busy);
    released.count_down();
    EXPECT_TRUE(first.get());
    EXPECT_TRUE(second.get());
    pool.stop();
    const auto late = run_in(loops.at(1), run_job(&pool, [] {}));
    ASSERT_FALSE(late);
    EXPECT_EQ(late.error().code, ErrorCode::unavailable);
}

awaitable<std::thread::id> thread_of() {
    co_return std::this_thread::get_id();
}

TEST(EventLoops, StartsAgainAfterAStopAndTakesACountOfItsOwn) {
    EventLoops loops(0);
    EXPECT_GE(loops.size(), 1);
    loops.start();
    loops.stop();
    loops.start();
    EXPECT_NE(run_in(loops.hub(), thread_of()), std::this_thread::get_id());
}

}  // namespace
}  // namespace wicket
