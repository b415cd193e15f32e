#include "filters/filter.hpp"

#include <utility>

namespace wicket {

boost::asio::awaitable<DnsAnswer> look_up(
    FilterTools tools, Observation& seen, DnsQuestion question, DnsQuestion shown
) {
    if (tools.evidence) tools.evidence->asked(shown, tools.clock.steady());
    DnsAnswer answer = co_await tools.dns.lookup(std::move(question), tools.deadline);
    if (tools.evidence) tools.evidence->answered(shown, answer);
    seen.lookups.push_back({std::move(shown), answer});
    co_return answer;
}

boost::asio::awaitable<DnsAnswer> look_up(FilterTools tools, Observation& seen, DnsQuestion question) {
    DnsQuestion shown = question;
    return look_up(std::move(tools), seen, std::move(question), std::move(shown));
}

}  // namespace wicket
