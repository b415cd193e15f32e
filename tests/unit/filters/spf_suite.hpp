// The RFC 7208 conformance suite, read through tests/support/spf_suite.py.
#pragma once

#include "tests/unit/filters/scan_dns_table.hpp"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

namespace wicket::testing {

struct SpfCase {
    std::string scenario;
    std::string name;
    ScanInput input;
    std::vector<std::string> results;  // any of them will do
    std::string explanation;           // "-": not checked; "DEFAULT": none
    std::shared_ptr<const DnsTable> table;
};

/// Where the suite stands; empty if it is not there.
inline std::string spf_suite_path() {
    const char* const named = std::getenv("WICKET_CONFORMANCE");
    std::filesystem::path folder = std::filesystem::path(WICKET_SOURCE_DIR) / "../shared/conformance";
    if (named != nullptr) folder = named;
    const auto path = folder / "rfc7208-tests.yml";
    return std::filesystem::exists(path) ? path.string() : std::string();
}

inline std::vector<std::string> split_fields(const std::string& line, char separator) {
    std::vector<std::string> fields(1);
    for (std::size_t at = 0; at < line.size(); ++at) {
        if (line[at] == separator) {
            fields.emplace_back();
        } else if (line[at] == '\\' && at + 3 < line.size()) {
            fields.back() += static_cast<char>(std::stoi(line.substr(at + 2, 2), nullptr, 16));
            at += 3;
        } else {
            fields.back() += line[at];
        }
    }
    return fields;
}

inline DnsType dns_type_of(const std::string& word) {
    static const std::map<std::string, DnsType> types = {
        {"A",     DnsType::a    },
        {"AAAA",  DnsType::aaaa },
        {"MX",    DnsType::mx   },
        {"TXT",   DnsType::txt  },
        {"PTR",   DnsType::ptr  },
        {"CNAME", DnsType::cname},
        {"SPF",   DnsType::spf  }
    };
    return types.at(word);
}

inline SpfCase spf_case(
    const std::vector<std::string>& fields, std::string scenario, std::shared_ptr<const DnsTable> table
) {
    SpfCase one;
    one.scenario = std::move(scenario);
    one.name = fields.at(1);
    one.input.client_ip = IpAddress::parse(fields.at(3)).value();
    one.input.helo = fields.at(2);
    one.input.mail_from = fields.at(4);
    one.input.our_hostname = "mx.receiver.example";
    one.results = split_fields(fields.at(5), ',');
    one.explanation = fields.at(6);
    one.table = std::move(table);
    return one;
}

inline std::vector<SpfCase> load_spf_suite(const std::string& path) {
    const std::string command =
        std::string("/usr/bin/python3 ") + WICKET_SOURCE_DIR + "/tests/support/spf_suite.py '" + path + "'";
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> pipe(popen(command.c_str(), "r"), pclose);
    std::string output;
    std::array<char, 4096> block{};
    while (const std::size_t got = std::fread(block.data(), 1, block.size(), pipe.get()))
        output.append(block.data(), got);
    std::vector<SpfCase> cases;
    std::string scenario;
    auto table = std::make_shared<DnsTable>();
    std::istringstream lines(output);
    for (std::string line; std::getline(lines, line);) {
        const auto fields = split_fields(line, '\t');
        if (fields[0] == "scenario") {
            scenario = fields.at(1);
            table = std::make_shared<DnsTable>();
        } else if (fields[0] == "record") {
            table->add(fields.at(1), dns_type_of(fields.at(2)), fields.at(3));
        } else if (fields[0] == "timeout") {
            table->add_timeout(fields.at(1));
        } else if (fields[0] == "test") {
            cases.push_back(spf_case(fields, scenario, table));
        }
    }
    return cases;
}

/// Whether facts fit what the suite wants; a postmaster@HELO evaluation is that of the HELO identity too.
inline bool fits(const SpfCase& one, const std::string& result, const std::string& explanation) {
    if (std::ranges::find(one.results, result) == one.results.end()) return false;
    if (one.explanation == "-") return true;
    return explanation == (one.explanation == "DEFAULT" ? "" : one.explanation);
}

}  // namespace wicket::testing
