// A DNS of a few lines for the scan tests: names and records in a table, in the forms of base/dns.hpp.
#pragma once

#include "base/dns.hpp"
#include "base/ip.hpp"
#include "base/text.hpp"
#include "filters/scan_filter.hpp"

#include <algorithm>
#include <charconv>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace wicket::testing {

class DnsTable {
public:
    /// `value` as people write it; an MX as "10 mx.example.org".
    void add(std::string name, DnsType type, std::string value) {
        records_[lower_case(name)][type].push_back(to_record(type, std::move(value)));
    }
    /// Every type without records of its own gives try_again.
    void add_timeout(const std::string& name) {
        records_[lower_case(name)];
        timeouts_.insert(lower_case(name));
    }

    DnsAnswer answer(const DnsQuestion& question, int depth = 0) const {
        const auto name = records_.find(question.name);
        if (name == records_.end()) return made(DnsStatus::no_such_name);
        const auto type = name->second.find(question.type);
        if (type != name->second.end()) return made(DnsStatus::found, type->second);
        const auto alias = name->second.find(DnsType::cname);
        if (alias != name->second.end()) {
            if (depth == 8) return made(DnsStatus::try_again);
            return answer({alias->second[0], question.type}, depth + 1);
        }
        if (timeouts_.contains(question.name)) return made(DnsStatus::try_again);
        return made(DnsStatus::no_data);
    }

private:
    static DnsAnswer made(DnsStatus status, std::vector<std::string> records = {}) {
        DnsAnswer answer;
        answer.status = status;
        answer.records = std::move(records);
        if (status == DnsStatus::found) answer.ttl_seconds = 300;
        if (status == DnsStatus::try_again) answer.reason = "time-out";
        return answer;
    }
    static std::string to_name(std::string name) {
        if (name.ends_with('.')) name.pop_back();
        return lower_case(name);
    }
    static std::string to_record(DnsType type, std::string value) {
        switch (type) {
            case DnsType::a:
            case DnsType::aaaa: return std::string(IpAddress::parse(value).value().octets());
            case DnsType::ptr:
            case DnsType::cname: return to_name(std::move(value));
            case DnsType::mx: {
                const std::size_t space = value.find(' ');
                unsigned preference = 0;
                std::from_chars(value.data(), value.data() + space, preference);
                std::string record{static_cast<char>(preference >> 8U), static_cast<char>(preference & 255U)};
                return record + to_name(value.substr(space + 1));
            }
            default: return value;
        }
    }

    std::map<std::string, std::map<DnsType, std::vector<std::string>>> records_;
    std::set<std::string> timeouts_;
};

struct Solved {
    Observation observation;
    DnsAnswers answers;
    std::size_t passes = 0;

    /// What `fact` became; Absent if it was not among them.
    FactValue fact(CoreFact wanted) const {
        for (const auto& [id, value] : observation.facts) {
            if (id == id_of(wanted)) return value;
        }
        return Absent{};
    }
    std::string text(CoreFact wanted) const {
        const FactValue value = fact(wanted);
        const auto* const text = std::get_if<std::string>(&value);
        return text != nullptr ? *text : std::string();
    }
};

/// Runs a filter in process until it has no more questions.
inline Solved solve(const ScanFilter& filter, const ScanInput& input, const DnsTable& table) {
    Solved solved;
    while (solved.passes < 100) {
        ++solved.passes;
        auto result = filter.scan(input, solved.answers);
        if (auto* const observation = std::get_if<Observation>(&result)) {
            solved.observation = std::move(*observation);
            return solved;
        }
        const auto& questions = std::get<DnsQuestions>(result);
        if (questions.empty()) break;
        for (const DnsQuestion& question : questions)
            solved.answers[question] = table.answer(question);
    }
    return solved;
}

}  // namespace wicket::testing
