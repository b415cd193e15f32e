// One call at one moment, unless it is called off: for the few places that wait for several things at once
// and so cannot give a deadline to each. One loop; destroying it calls it off.
#pragma once

#include "base/clock.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <functional>
#include <memory>

namespace wicket {

class Timeout {
public:
    explicit Timeout(boost::asio::any_io_executor executor);
    ~Timeout();

    /// Replaces what was armed before. `call` runs on the loop.
    void arm(SteadyTime when, std::function<void()> call);
    void cancel();

private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace wicket
