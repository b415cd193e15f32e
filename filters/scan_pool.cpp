#include "filters/scan_pool.hpp"

#include "base/log.hpp"
#include "filters/scan_pool_job.hpp"

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <exception>
#include <utility>

namespace wicket {
namespace {

boost::asio::awaitable<ScanOutcome> run_job(std::shared_ptr<ScanPoolParts> parts, ScanJob job) {
    const auto run = std::make_shared<ScanJobRun>(std::move(parts), std::move(job));
    co_return co_await run->run();
}

/// What a job comes to that ended in a bug of ours.
ScanOutcome failed_outcome(const FactDictionary& dictionary, const std::vector<std::string>& checks) {
    ScanOutcome outcome;
    for (const std::string& check : checks)
        ScanJobRun::make_unknown(dictionary, check, "internal error", outcome);
    return outcome;
}

class ProcessPool : public ScanPool {
public:
    explicit ProcessPool(std::shared_ptr<ScanPoolParts> parts) : parts_(std::move(parts)) {}
    ~ProcessPool() override { stop(); }

    boost::asio::awaitable<ScanOutcome> run(ScanJob job) override {
        return boost::asio::async_initiate<const boost::asio::use_awaitable_t<>&, void(ScanOutcome)>(
            [](auto handler, std::shared_ptr<ScanPoolParts> parts, ScanJob one) {
                const auto shared = std::make_shared<decltype(handler)>(std::move(handler));
                const std::vector<std::string> checks = one.checks;
                const std::shared_ptr<const FactDictionary> dictionary = one.dictionary;
                boost::asio::co_spawn(
                    parts->loop,
                    run_job(parts, std::move(one)),
                    [shared, parts, checks, dictionary](std::exception_ptr error, ScanOutcome outcome) {
                        if (error) {
                            log_error("a scan job ended in an exception");
                            outcome = failed_outcome(dictionary ? *dictionary : parts->dictionary, checks);
                        }
                        const auto executor = boost::asio::get_associated_executor(*shared);
                        boost::asio::post(executor, [shared, outcome = std::move(outcome)]() mutable {
                            std::move (*shared)(std::move(outcome));
                        });
                    }
                );
            },
            boost::asio::use_awaitable,
            parts_,
            std::move(job)
        );
    }

    ScanPoolStatus status() const override {
        return {
            .worker_pids = parts_->workers->pids(),
            .jobs = parts_->jobs,
            .passes = parts_->passes,
            .crashes = parts_->crash_count,
            .questions = parts_->questions,
        };
    }

    void stop() override { parts_->workers->stop(); }

private:
    std::shared_ptr<ScanPoolParts> parts_;
};

}  // namespace

Result<std::unique_ptr<ScanPool>> ScanPool::start(
    boost::asio::io_context& hub, DnsResolver& dns, ScanPoolOptions options
) {
    auto parts = std::make_shared<ScanPoolParts>(hub, dns, std::move(options));
    if (auto started = parts->workers->start_blocking(); !started) return std::unexpected(started.error());
    return std::make_unique<ProcessPool>(std::move(parts));
}

}  // namespace wicket
