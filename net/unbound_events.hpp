// Drives libunbound inside an event loop: an epoll set of its own, which the loop watches as one descriptor,
// and a list of timers behind one timer of the loop. Private to the resolver. One thread: that of the loop.
#pragma once

#include "base/clock.hpp"

#include <boost/asio/io_context.hpp>

#include <memory>

struct ub_event_base;

namespace wicket {

class UnboundEventBase;

class UnboundEvents {
public:
    /// Throws std::system_error without descriptors.
    UnboundEvents(boost::asio::io_context& loop, const Clock& clock);
    /// libunbound must have freed its events: delete its context first.
    ~UnboundEvents();

    /// For ub_ctx_create_ub_event(); lives as long as this.
    ub_event_base* base();

private:
    std::shared_ptr<UnboundEventBase> base_;
};

}  // namespace wicket
