#include "filters/filter.hpp"

#include <algorithm>
#include <utility>

namespace wicket {

std::string reason_without_names(std::string reason) {
    reason.resize(std::min(reason.find(':'), reason.size()));
    return reason;
}

boost::asio::awaitable<DnsAnswer> look_up(
    FilterTools tools, Observation& seen, DnsQuestion question, DnsQuestion shown
) {
    if (tools.evidence) tools.evidence->asked(shown, tools.clock.steady());
    const bool is_hidden = question.name != shown.name;
    DnsAnswer answer = co_await tools.dns.lookup(std::move(question), tools.deadline);
    if (is_hidden) answer.reason = reason_without_names(std::move(answer.reason));
    if (tools.evidence) tools.evidence->answered(shown, answer);
    seen.lookups.push_back({std::move(shown), answer});
    co_return answer;
}

boost::asio::awaitable<DnsAnswer> look_up(FilterTools tools, Observation& seen, DnsQuestion question) {
    DnsQuestion shown = question;
    return look_up(std::move(tools), seen, std::move(question), std::move(shown));
}

}  // namespace wicket
