// A libunbound context with our options: forwarders, trust anchor, and none of the zones that it would make
// up. Private to the resolver; used on the hub.
#pragma once

#include "base/result.hpp"
#include "net/unbound_resolver.hpp"

#include <memory>

struct ub_ctx;
struct ub_event_base;

namespace wicket {

struct UnboundContextDelete {
    void operator()(ub_ctx* context) const;
};
using UnboundContext = std::unique_ptr<ub_ctx, UnboundContextDelete>;

/// invalid: a forwarder or the trust anchor makes no sense. `events` must outlive the context.
Result<UnboundContext> open_unbound(ub_event_base* events, const ResolverOptions& options);

}  // namespace wicket
