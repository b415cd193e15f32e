// Whatever a domain publishes: SPF ends with a word of RFC 7208, after no more questions than it may ask; the
// word is the right one where a plain reading of the record can tell; and libspf2 survives it. Lines: the
// domain's record, that of every other domain, HELO, local-part, and the hosts that every MX and PTR leads
// to, with commas between.

#include "base/text.hpp"
#include "filters/scan/spf_filter.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace wicket {
namespace {

void require(bool holds) {
    if (!holds) std::abort();
}

std::string_view take_until(std::string_view& text, char separator) {
    const std::size_t end = std::min(text.find(separator), text.size());
    const std::string_view taken = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    return taken;
}

struct World {
    std::string first_record;
    std::string other_record;
    std::vector<std::string> hosts;

    DnsAnswer answer(const DnsQuestion& question) const {
        DnsAnswer answer;
        answer.status = DnsStatus::found;
        if (question == DnsQuestion{"sender.example", DnsType::txt}) {
            answer.records = {first_record};
            return answer;
        }
        const std::size_t kind = question.name.size() % 5;
        switch (question.type) {
            case DnsType::txt: answer.records = {other_record}; break;
            case DnsType::a:
                answer.records = {std::string(kind == 0 ? "\xc0\0\2\1" : "\xc0\0\2\2", 4)};
                break;
            case DnsType::aaaa: answer.records = {std::string(16, '\1')}; break;
            case DnsType::mx:
                for (const std::string& host : hosts)
                    answer.records.push_back(std::string(2, '\0') + host);
                break;
            default: answer.records = hosts; break;
        }
        if (kind == 3) answer = {};
        if (kind == 4) answer.status = DnsStatus::no_such_name, answer.records.clear();
        return answer;
    }
};

/// What RFC 7208 says of a record of nothing but addresses and `all`; nullopt: there is more to it.
std::optional<std::string> naive_result(std::string_view record, const IpAddress& client) {
    if (take_until(record, ' ') != "v=spf1") return std::nullopt;
    std::string result = "neutral";
    bool is_decided = false;
    while (!record.empty()) {
        std::string_view term = take_until(record, ' ');
        std::string outcome = "pass";
        if (term.starts_with('-')) outcome = "fail";
        if (term.starts_with('~')) outcome = "softfail";
        if (term.starts_with('?')) outcome = "neutral";
        if (outcome != "pass" || term.starts_with('+')) term.remove_prefix(1);
        bool matches = term == "all";
        if (!matches) {
            const bool is_v4 = term.starts_with("ip4:");
            if (!is_v4 && !term.starts_with("ip6:")) return std::nullopt;
            const auto network = IpNetwork::parse(term.substr(4));
            if (!network || term.substr(4).contains(':') == is_v4) return std::nullopt;
            matches = client.is_ipv4() == is_v4 && network->contains(client);
        }
        if (matches && !is_decided) {
            is_decided = true;
            result = outcome;
        }
    }
    return result;
}

void check(std::string_view text, const char* client) {
    static const SpfFilter filter;
    World world;
    world.first_record = take_until(text, '\n');
    world.other_record = take_until(text, '\n');
    ScanInput input;
    input.client_ip = IpAddress::parse(client).value();
    input.helo = take_until(text, '\n');
    input.mail_from = std::string(take_until(text, '\n')) + "@sender.example";
    input.our_hostname = "mx.example.test";
    while (!text.empty() && world.hosts.size() < 20)
        world.hosts.push_back(lower_case(take_until(text, ',')));
    DnsAnswers answers;
    for (std::size_t passes = 0; passes < spf_question_limit + 2; ++passes) {
        auto result = filter.scan(input, answers);
        if (const auto* const observation = std::get_if<Observation>(&result)) {
            const std::vector<FactId> makes = filter.makes();
            require(std::ranges::all_of(observation->facts, [&](const auto& one) {
                return std::ranges::find(makes, one.first) != makes.end();
            }));
            require(
                observation->facts.size() >= 3 && observation->facts[0].first == id_of(CoreFact::spf_result)
            );
            const auto& word = std::get<std::string>(observation->facts[0].second);
            if (const auto want = naive_result(world.first_record, input.client_ip)) require(word == *want);
            // What was evaluated before leaves no trace.
            const auto again = filter.scan(input, answers);
            require(std::get<Observation>(again).facts == observation->facts);
            return;
        }
        const auto& questions = std::get<DnsQuestions>(result);
        require(!questions.empty());
        for (const DnsQuestion& question : questions) {
            require(question.name.size() <= 253 && question.type != DnsType::spf);
            require(answers.emplace(question, world.answer(question)).second);
        }
        require(answers.size() <= spf_question_limit);
    }
    std::abort();
}

}  // namespace
}  // namespace wicket

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer calls it by this name.
extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    for (const char* const client : {"192.0.2.1", "2001:db8::1", "127.0.0.1"})
        wicket::check(text, client);
    return 0;
}
