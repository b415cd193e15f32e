// Threat D7: the time of a refusal must not tell whether the name exists. Measured where the time is spent,
// on the verifier with hashes of full cost, without the growing delays (which count names as typed and are
// compared elsewhere) and in CPU time of the thread, so that a busy machine does not hide a difference. What
// the network adds can only hide it.
#include "auth/authenticator.hpp"
#include "auth/password.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <ctime>
#include <random>
#include <vector>

namespace wicket {
namespace {

// 30 ms each. In the long run a difference of half a percent would show.
std::size_t tries_each() {
    return std::getenv("WICKET_LONG") != nullptr ? 1000 : 150;
}
// A true verifier fails one round in a hundred by chance, so all of them one time in a million.
constexpr int rounds_limit = 3;
// Of the normal distribution, two-sided: p = 0.01.
constexpr double significant = 2.576;

class OneAccount : public AccountDirectory {
public:
    explicit OneAccount(std::string hash) : hash_(std::move(hash)) {}
    Result<std::optional<PasswordRecord>> find(std::string_view local_part, std::string_view) override {
        if (local_part != "known") return std::nullopt;
        return PasswordRecord{"known@example.test", hash_};
    }

private:
    std::string hash_;
};

struct Times {
    std::vector<double> known, unknown;
};

double cpu_seconds() {
    timespec now{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

/// Known and unknown in random order, so that neither is measured on a warmer machine.
Times measure(Authenticator& authenticator, std::size_t each, std::uint32_t seed) {
    Times times;
    std::mt19937 random(seed);
    const IpAddress client = IpAddress::parse("192.0.2.1").value();
    while (times.known.size() < each || times.unknown.size() < each) {
        const bool is_known =
            times.unknown.size() == each || (times.known.size() < each && random() % 2 == 0);
        const double begin = cpu_seconds();
        const AuthOutcome outcome =
            authenticator.verify(is_known ? "known@example.test" : "other@example.test", "wrong", client);
        (is_known ? times.known : times.unknown).push_back(cpu_seconds() - begin);
        EXPECT_EQ(outcome.verdict, AuthVerdict::refused);
    }
    return times;
}

struct Sample {
    double mean = 0;
    double variance_of_mean = 0;
};

Sample summarise(const std::vector<double>& values) {
    const auto count = static_cast<double>(values.size());
    double sum = 0;
    for (const double value : values)
        sum += value;
    const double mean = sum / count;
    double squares = 0;
    for (const double value : values)
        squares += (value - mean) * (value - mean);
    return {mean, squares / (count - 1) / count};
}

/// Welch's t: with this many tries as good as normally distributed.
double welch(const Times& times) {
    const Sample known = summarise(times.known);
    const Sample unknown = summarise(times.unknown);
    return (known.mean - unknown.mean) / std::sqrt(known.variance_of_mean + unknown.variance_of_mean);
}

TEST(LoginTiming, DoesNotTellWhetherTheNameExists) {
    OneAccount directory(make_password_verifiers("secret").value().argon2id);
    ManualClock clock{WallTime{}};
    Authenticator authenticator(directory, clock);
    double t = significant;
    for (int round = 0; round < rounds_limit && std::abs(t) >= significant; ++round) {
        t = welch(measure(authenticator, tries_each(), static_cast<std::uint32_t>(round)));
        RecordProperty("welch_t", std::to_string(t));
    }
    EXPECT_LT(std::abs(t), significant);
}

/// The measure itself must see a difference: an account whose hash costs less, as one of other parameters
/// would.
TEST(LoginTiming, WouldShowACheaperHash) {
    // m=9728 in place of 19456: half the work.
    OneAccount directory(
        "$argon2id$v=19$m=9728,t=2,p=1$c29tZXNhbHRzb21lc2E$"
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    );
    ManualClock clock{WallTime{}};
    Authenticator authenticator(directory, clock);
    EXPECT_LT(welch(measure(authenticator, 20, 1)), -significant);
}

}  // namespace
}  // namespace wicket
