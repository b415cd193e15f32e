#include "policy/record_names.hpp"

#include <algorithm>
#include <array>
#include <vector>

namespace wicket {
namespace {

using enum FactType;

// The number of a row is its position, from 1. New rows go to the end.
constexpr std::array recorded_names = {
    RecordName{"time.now",               time   },
    RecordName{"client.ip",              address},
    RecordName{"client.port",            integer},
    RecordName{"client.name",            text   },
    RecordName{"client.tls",             text   },
    RecordName{"client.cipher",          text   },
    RecordName{"listener.service",       word   },
    RecordName{"listener.address",       address},
    RecordName{"iprev.result",           word   },
    RecordName{"iprev.names",            texts  },
    RecordName{"helo.name",              text   },
    RecordName{"helo.form",              word   },
    RecordName{"helo.is_ours",           boolean},
    RecordName{"helo.resolves",          boolean},
    RecordName{"helo.literal_matches",   boolean},
    RecordName{"mail.from",              text   },
    RecordName{"mail.domain",            text   },
    RecordName{"mail.is_null",           boolean},
    RecordName{"mail.size",              integer},
    RecordName{"mail.smtputf8",          boolean},
    RecordName{"spf.result",             word   },
    RecordName{"spf.explanation",        text   },
    RecordName{"spf.helo.result",        word   },
    RecordName{"rcpt.address",           text   },
    RecordName{"rcpt.domain",            text   },
    RecordName{"rcpt.local_part",        text   },
    RecordName{"rcpt.count",             integer},
    RecordName{"rcpt.unknown_count",     integer},
    RecordName{"message.size",           integer},
    RecordName{"message.received_count", integer},
    RecordName{"from.domain",            text   },
    RecordName{"from.count",             integer},
    RecordName{"from.addresses",         texts  },
    RecordName{"header.missing",         texts  },
    RecordName{"header.duplicate",       texts  },
    RecordName{"header.too_long_line",   boolean},
    RecordName{"dkim.pass",              texts  },
    RecordName{"dkim.results",           results},
    RecordName{"dkim.signatures",        integer},
    RecordName{"dkim.weak",              texts  },
    RecordName{"dmarc.result",           word   },
    RecordName{"dmarc.policy",           word   },
    RecordName{"arc.result",             word   },
    RecordName{"arc.trusted",            boolean},
    RecordName{"message.poisonous",      boolean},
    RecordName{"client.behaviour",       texts  },
    RecordName{"deferred.envelope",      integer},
    RecordName{"deferred.message",       integer},
    RecordName{"spf.permits_all",        boolean},
    RecordName{"from.fault",             word   },
    RecordName{"greylist.age",           integer},
};

/// The rows ordered by name, to find a number quickly.
const std::vector<std::uint32_t>& by_name() {
    static const std::vector<std::uint32_t> order = [] {
        std::vector<std::uint32_t> numbers(recorded_names.size());
        for (std::uint32_t at = 0; at < recorded_names.size(); ++at)
            numbers[at] = at;
        std::ranges::sort(numbers, {}, [](std::uint32_t at) { return recorded_names[at].name; });
        return numbers;
    }();
    return order;
}

}  // namespace

std::uint32_t record_name_number(std::string_view name, FactType type) {
    const auto found = std::ranges::lower_bound(by_name(), name, {}, [](std::uint32_t at) {
        return recorded_names[at].name;
    });
    if (found == by_name().end() || recorded_names[*found].name != name ||
        recorded_names[*found].type != type)
        return 0;
    return *found + 1;
}

std::uint32_t record_name_number(FactId id, const FactDeclaration& row, FactType type) {
    constexpr auto core_count = static_cast<std::size_t>(CoreFact::count);
    static const std::array<std::uint32_t, core_count> core_numbers = [] {
        std::array<std::uint32_t, core_count> numbers{};
        const FactDictionary core;
        for (std::size_t at = 0; at < core_count; ++at) {
            const FactDeclaration& one = core.row(static_cast<FactId>(at));
            numbers[at] = record_name_number(one.name, one.type);
        }
        return numbers;
    }();
    // Every dictionary begins with the core facts.
    if (id < core_count && type == row.type) return core_numbers[id];
    return record_name_number(row.name, type);
}

const RecordName* record_name(std::uint32_t number) {
    return number == 0 || number > recorded_names.size() ? nullptr : &recorded_names[number - 1];
}

}  // namespace wicket
