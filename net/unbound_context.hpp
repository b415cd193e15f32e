// A libunbound context with our options: forwarders, trust anchor, and none of the zones that it would make
// up. Private to the resolver; used on the hub.
#pragma once

#include "base/result.hpp"
#include "net/unbound_resolver.hpp"

#include <cstdint>
#include <memory>

struct ub_ctx;
struct ub_event_base;

namespace wicket {

struct UnboundContextDelete {
    void operator()(ub_ctx* context) const;
};
using UnboundContext = std::unique_ptr<ub_ctx, UnboundContextDelete>;

/// Whether libunbound remembers answers (the very last one it always does). What it knows of the way to them
/// (name servers, keys) it always does.
enum class UnboundMemory : std::uint8_t { answers, none };

/// invalid: a forwarder or the trust anchor makes no sense. `events` must outlive the context.
Result<UnboundContext> open_unbound(
    ub_event_base* events, const ResolverOptions& options, UnboundMemory memory
);

}  // namespace wicket
