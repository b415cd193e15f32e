// Rule files and their expressions: whatever stands there, loading ends with rules or with mistakes that have
// places, and conditions that compile can be evaluated. The first octet chooses between a condition and a
// whole file.
#include "policy/expression.hpp"
#include "policy/reply_template.hpp"
#include "policy/rules.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

const wicket::FactDictionary& dictionary() {
    static const wicket::FactDictionary made = [] {
        wicket::FactDictionary facts;
        facts.declare({
            "dnsbl.zen", wicket::FactType::texts, wicket::Stage::connect, "dnsbl", "", {"sbl", "xbl"}
        });
        facts.declare({"test.real", wicket::FactType::real, wicket::Stage::connect, "test", ""});
        return facts;
    }();
    return made;
}

const wicket::NamedLists& lists() {
    static const wicket::NamedLists made = [] {
        wicket::Diagnostics diagnostics;
        wicket::NamedLists named;
        named["nets"] = wicket::NamedList::parse(
            wicket::ListKind::ip, "192.0.2.0/24\n2001:db8::/32\n", "nets", diagnostics
        );
        named["names"] =
            wicket::NamedList::parse(wicket::ListKind::domain, "example.test\n", "names", diagnostics);
        return named;
    }();
    return made;
}

wicket::Facts facts_from(std::string_view octets) {
    wicket::Facts facts;
    facts.set(wicket::id_of(wicket::CoreFact::client_ip), wicket::IpAddress());
    facts.set(wicket::id_of(wicket::CoreFact::helo_name), std::string(octets));
    facts.set(wicket::id_of(wicket::CoreFact::spf_result), std::string("temperror"));
    facts.set(wicket::id_of(wicket::CoreFact::client_port), std::int64_t{25});
    facts.set(wicket::id_of(wicket::CoreFact::mail_is_null), true);
    facts.set(wicket::id_of(wicket::CoreFact::helo_resolves), wicket::Unknown{"time-out"});
    facts.set(*dictionary().find("dnsbl.zen"), wicket::TextList{{"xbl"}, "time-out"});
    facts.set(*dictionary().find("test.real"), 0.5);
    facts.set(id_of(wicket::CoreFact::message_size), std::int64_t{100});
    facts.set(id_of(wicket::CoreFact::mail_domain), std::string("xbl"));
    facts.set(id_of(wicket::CoreFact::time_now), wicket::WallTime(std::chrono::days(20'000)));
    facts.set(id_of(wicket::CoreFact::iprev_result), std::string("pass"));
    facts.set(id_of(wicket::CoreFact::mail_size), wicket::Unknown{"not told"});
    facts.set(id_of(wicket::CoreFact::from_domain), std::string("spam.example"));
    facts.set(id_of(wicket::CoreFact::rcpt_address), std::string("user@sub.example.co.uk"));
    facts.set(id_of(wicket::CoreFact::rcpt_count), std::int64_t{2});
    facts.set(id_of(wicket::CoreFact::header_missing), wicket::TextList{});
    facts.set(
        id_of(wicket::CoreFact::dkim_pass),
        wicket::TextList{
            {"example.org", "xbl"},
            ""
    }
    );
    facts.set(
        id_of(wicket::CoreFact::dkim_results),
        wicket::ResultList{
            {{{"domain", "spam.example"}, {"result", "pass"}}, {{"domain", "xbl"}, {"result", "fail"}}},
            ""
    }
    );
    return facts;
}

constexpr std::string_view separator = "\n%%\n";

wicket::Truth opposite(wicket::Truth truth) {
    if (truth == wicket::Truth::unknown) return truth;
    return truth == wicket::Truth::yes ? wicket::Truth::no : wicket::Truth::yes;
}

void check_truth(const std::string& text, const wicket::Facts& facts, wicket::Truth want) {
    const auto compiled = wicket::compile_expression(text, dictionary(), lists());
    if (compiled && compiled->evaluate(facts) != want) std::abort();
}

void fuzz_condition(std::string_view text) {
    const auto compiled = wicket::compile_expression(text, dictionary(), lists());
    if (!compiled) {
        const auto& mistakes = compiled.error();
        if (mistakes.empty() || mistakes.size() > wicket::expression_mistakes_limit) std::abort();
        for (const wicket::ExpressionMistake& mistake : mistakes)
            if (mistake.message.empty() || mistake.offset > text.size()) std::abort();
        return;
    }
    const wicket::Facts facts = facts_from(text);
    const wicket::Truth truth = compiled->evaluate(facts);
    // Kleene's logic, of the whole in parentheses; unless that is too long or too deep.
    const std::string whole = "(" + std::string(text) + "\n)";
    check_truth("not " + whole, facts, opposite(truth));
    check_truth(whole + " and " + whole, facts, truth);
    check_truth("not " + whole + " or " + whole, facts, std::max(truth, opposite(truth)));
    for (const wicket::FactId id : compiled->facts()) {
        if (dictionary().row(id).stage > compiled->stage()) std::abort();
    }
    // Where nothing applies there is no failure to be unknown.
    if (compiled->evaluate(wicket::Facts()) == wicket::Truth::unknown) std::abort();
}

void fuzz_file(std::string_view text) {
    wicket::Diagnostics diagnostics;
    // What stands behind lines of %% are further files: a list and a record beside the rules, rules of a
    // second folder.
    std::vector<std::pair<std::string, std::string>> files;
    for (const std::string_view name : {"a/rules.toml", "a/names.list", "a/record.json", "b/rules.toml"}) {
        const std::size_t end = std::min(text.find(separator), text.size());
        files.emplace_back(name, text.substr(0, end));
        text.remove_prefix(std::min(end + separator.size(), text.size()));
    }
    if (files.back().second.empty()) files.pop_back();
    const std::string_view first = files.front().second;
    const auto rules = wicket::compile_rules(files, diagnostics);
    if ((rules == nullptr) != diagnostics.has_errors()) std::abort();
    for (const wicket::Diagnostic& one : diagnostics.sorted())
        static_cast<void>(wicket::render(one));
    if (rules == nullptr) return;
    static_cast<void>(wicket::run_rule_tests(*rules));
    const wicket::Facts facts = facts_from(first.substr(0, 100));
    for (const auto stage : {wicket::Stage::connect, wicket::Stage::rcpt, wicket::Stage::end}) {
        const wicket::Verdict verdict = wicket::decide(*rules, facts, stage);
        if (stage == wicket::Stage::end && verdict.action == wicket::Action::none) std::abort();
        for (const char c : verdict.reply.text) {
            if (c < 0x20 || c == 0x7F) std::abort();
        }
    }
    static_cast<void>(wicket::policy_key(*rules, facts));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
    if (data[0] == 'F') {
        fuzz_file(text);
    } else if (data[0] == 'T') {
        static_cast<void>(wicket::ReplyTemplate::compile(text, dictionary()));
    } else {
        fuzz_condition(text);
    }
    return 0;
}
