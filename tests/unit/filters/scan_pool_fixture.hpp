// A scan pool with real workers on a loop of its own, and callers on another one, as in the server.
#pragma once

#include "filters/scan_pool.hpp"
#include "tests/unit/filters/scan_test_worker.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <thread>
#include <utility>

namespace wicket::testing {

/// `Resolver` is what the pool asks.
template <class Resolver>
class RunningScanPool : public ::testing::Test {
protected:
    void start(const std::function<void(ScanPoolOptions&)>& change = {}) {
        ScanPoolOptions options;
        if (change) change(options);
        options.executable = test_worker_executable();
        options.hostname = "mx.receiver.example";
        auto started = ScanPool::start(hub_, dns_, std::move(options));
        ASSERT_TRUE(started.has_value()) << started.error().message;
        pool_ = std::move(*started);
        thread_ = std::thread([this] { hub_.run(); });
    }

    void TearDown() override {
        if (!thread_.joinable()) return;
        boost::asio::post(hub_, [this] { pool_->stop(); });
        guard_.reset();
        hub_.stop();
        thread_.join();
        pool_.reset();
    }

    std::future<ScanOutcome> submit(ScanJob job) {
        return boost::asio::co_spawn(caller_, pool_->run(std::move(job)), boost::asio::use_future);
    }
    /// Runs the caller's loop, which is another one than the pool's, until the job is done.
    ScanOutcome finish(std::future<ScanOutcome> future) {
        while (future.wait_for(std::chrono::seconds(0)) != std::future_status::ready) {
            caller_.restart();
            caller_.run_one_for(std::chrono::milliseconds(50));
        }
        return future.get();
    }
    ScanOutcome run(ScanJob job) { return finish(submit(std::move(job))); }

    boost::asio::io_context hub_;
    boost::asio::io_context caller_;
    boost::asio::executor_work_guard<boost::asio::io_context::executor_type> guard_{hub_.get_executor()};
    Resolver dns_;
    std::unique_ptr<ScanPool> pool_;
    std::thread thread_;
};

}  // namespace wicket::testing
