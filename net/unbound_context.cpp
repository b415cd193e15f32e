#include "net/unbound_context.hpp"

#include "base/log.hpp"
#include "net/listening_socket.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <unbound-event.h>
#include <unbound.h>
#include <unistd.h>

namespace wicket {

namespace {

constexpr const char* debian_root_anchor = "/usr/share/dns/root.key";

struct Option {
    const char* name;
    const char* value;
};

constexpr std::array common_options = {
    Option{"do-not-query-localhost:", "no"  }, // forwarders and tests live there
    Option{"edns-buffer-size:",       "1232"}, // DNS flag day 2020: no fragments
    Option{"outgoing-range:",         "512" }, // sockets at once; the library's default of 16 makes others wait
    Option{"num-queries-per-thread:", "4096"},
    Option{"outgoing-num-tcp:",       "16"  },
    Option{"infra-host-ttl:",         "60"  }, // so that a server that was down is soon asked again
    Option{"infra-keep-probing:",     "yes" },
    Option{"unblock-lan-zones:",      "yes" }, // the forwarder knows about private addresses, we do not
    Option{"insecure-lan-zones:",     "yes" },
    Option{"rrset-roundrobin:",       "no"  }, // equal questions give equal evidence
    Option{"use-syslog:",             "no"  },
};

constexpr std::array no_memory_options = {
    Option{"msg-cache-size:",  "0" },
    Option{"msg-cache-slabs:", "1" }, // each slab keeps its last message, whatever its size
    Option{"aggressive-nsec:", "no"}, // RFC 8198 makes answers of what others proved
};

// Zones that libunbound answers from its own tables.
constexpr std::array own_zones = {
    "test.",
    "invalid.",
    "home.arpa.",
    "127.in-addr.arpa.",
    "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa.",
};

std::unexpected<Error> refused(const std::string& what, int code) {
    return failure(ErrorCode::invalid, "DNS: " + what + ": " + ub_strerror(code));
}

Result<> set_trust(ub_ctx* context, const ResolverOptions& options) {
    std::string anchor = options.trust_anchor_file;
    if (anchor.empty() && options.forward.empty()) {
        if (::access(debian_root_anchor, R_OK) == 0) {
            anchor = debian_root_anchor;
        } else {
            log_warning(
                "DNS answers are not validated: there is no trust anchor",
                {
                    {"file", debian_root_anchor}
            }
            );
        }
    }
    if (anchor.empty()) {
        // Without an anchor the validator would only cost time.
        const int code = ub_ctx_set_option(context, "module-config:", "iterator");
        if (code != 0) return refused("module-config", code);
        return {};
    }
    if (::access(anchor.c_str(), R_OK) != 0) {
        return failure(ErrorCode::invalid, "cannot read the trust anchor " + anchor);
    }
    const int code = ub_ctx_add_ta_file(context, anchor.c_str());
    if (code != 0) return refused("trust anchor " + anchor, code);
    return {};
}

/// Nobody but the host itself can answer for a forwarder on its loopback.
bool may_be_spoofed(const ResolverOptions& options) {
    return options.forward.empty() || std::ranges::any_of(options.forward, [](const std::string& forwarder) {
               const auto address = parse_socket_address(forwarder);
               return !address || !address->ip.is_loopback();
           });
}

Result<> configure(ub_ctx* context, const ResolverOptions& options, UnboundMemory memory) {
    ub_ctx_debugout(context, nullptr);
    for (const auto& option : common_options) {
        const int code = ub_ctx_set_option(context, option.name, option.value);
        if (code != 0) return refused(option.name, code);
    }
    const int caps = ub_ctx_set_option(
        context, "use-caps-for-id:", options.randomises_case.value_or(may_be_spoofed(options)) ? "yes" : "no"
    );
    if (caps != 0) return refused("use-caps-for-id", caps);
    if (auto trusted = set_trust(context, options); !trusted) return trusted;
    for (const auto& forwarder : options.forward) {
        const auto address = parse_socket_address(forwarder);
        if (!address)
            return failure(ErrorCode::invalid, "not a forwarder's address with a port: " + forwarder);
        const auto text = address->ip.to_string() + '@' + std::to_string(address->port);
        const int code = ub_ctx_set_fwd(context, text.c_str());
        if (code != 0) return refused("forwarder " + forwarder, code);
    }
    if (memory == UnboundMemory::none) {
        for (const auto& option : no_memory_options) {
            const int code = ub_ctx_set_option(context, option.name, option.value);
            if (code != 0) return refused(option.name, code);
        }
    }
    // Last: it ends the time in which options may be set.
    for (const char* zone : own_zones) {
        const int code = ub_ctx_zone_remove(context, zone);
        if (code != 0) return refused(zone, code);
    }
    return {};
}

}  // namespace

void UnboundContextDelete::operator()(ub_ctx* context) const {
    ub_ctx_delete(context);
}

Result<UnboundContext> open_unbound(
    ub_event_base* events, const ResolverOptions& options, UnboundMemory memory
) {
    UnboundContext context(ub_ctx_create_ub_event(events));
    if (!context) return failure(ErrorCode::unavailable, "DNS: libunbound has no memory");
    if (auto configured = configure(context.get(), options, memory); !configured) {
        return std::unexpected(std::move(configured.error()));
    }
    return context;
}

}  // namespace wicket
