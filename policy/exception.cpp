#include "policy/exception.hpp"

#include "base/log.hpp"
#include "base/text.hpp"
#include "policy/compiled_rules.hpp"
#include "policy/rule_variants.hpp"
#include "policy/suspicion.hpp"
#include "policy/toml_text.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <set>

namespace wicket {
namespace {

const std::string* text_value(const RecordSubject& subject, CoreFact fact) {
    return std::get_if<std::string>(&subject.facts.get(id_of(fact)));
}

/// What stands in a condition between double quotes: visible ASCII but these and backslash, or UTF-8.
bool fits_into_condition(std::string_view text) {
    return !text.empty() && text.size() <= 320 && std::ranges::none_of(text, [](char c) {
        return c == '"' || c == '\\' || static_cast<unsigned char>(c) < 0x21 || c == '\x7F';
    });
}

bool is_domain(std::string_view text) {
    return text.contains('.') && fits_into_condition(text) && std::ranges::all_of(text, [](char c) {
               return is_letter_or_digit(c) || c == '.' || c == '-' || c == '_';
           });
}

/// TOML 1.0: a literal string, in which a condition reads as it is, where it can be one.
std::string toml_condition(std::string_view condition) {
    return condition.contains('\'') ? toml_text(condition) : fmt::format("'{}'", condition);
}

/// nullopt for what a [[test]] cannot give.
std::optional<std::string> toml_value(const FactValue& value) {
    if (const auto* unknown = std::get_if<Unknown>(&value))
        return fmt::format("{{ unknown = {} }}", toml_text(unknown->reason));
    if (const auto* boolean = std::get_if<bool>(&value)) return *boolean ? "true" : "false";
    if (const auto* integer = std::get_if<std::int64_t>(&value)) return fmt::to_string(*integer);
    if (const auto* real = std::get_if<double>(&value)) {
        std::string text = fmt::to_string(*real);
        if (text.find_first_of(".en") == std::string::npos) text += ".0";
        return text;
    }
    if (const auto* text = std::get_if<std::string>(&value)) return toml_text(*text);
    if (const auto* address = std::get_if<IpAddress>(&value)) return toml_text(address->to_string());
    if (const auto* list = std::get_if<TextList>(&value); list != nullptr && list->missing.empty()) {
        std::string items;
        for (const std::string& item : list->items)
            items += (items.empty() ? "" : ", ") + toml_text(item);
        return "[" + items + "]";
    }
    return std::nullopt;
}

/// A test gives a list whole or not at all. Of one that is known in part, what is in it decides, or if
/// nothing is, that it is not known.
FactValue given_for(const FactValue& value) {
    const auto* list = std::get_if<TextList>(&value);
    if (list == nullptr || list->missing.empty()) return value;
    if (list->items.empty()) return Unknown{list->missing};
    return TextList{list->items, ""};
}

/// The facts that decided then, and those of the exception: with them a test comes to the same.
std::set<FactId> facts_of_test(const CompiledRules& rules, const RecordSubject& subject) {
    std::set<FactId> facts = {
        id_of(CoreFact::client_ip), id_of(CoreFact::rcpt_address), id_of(CoreFact::rcpt_domain)
    };
    for (const Rule& rule : rules.rules()) {
        const auto& hits = subject.verdict->hits;
        const auto& unknown = subject.verdict->unknown_rules;
        if (std::ranges::find(hits, rule.id, &RuleHit::rule) == hits.end() &&
            std::ranges::find(unknown, rule.id) == unknown.end())
            continue;
        for (const PointsCase& one : rule.cases)
            facts.insert(one.condition.facts().begin(), one.condition.facts().end());
    }
    for (const CoreFact fact :
         {CoreFact::dkim_pass,
          CoreFact::from_domain,
          CoreFact::spf_result,
          CoreFact::mail_domain,
          CoreFact::mail_from,
          CoreFact::mail_is_null,
          CoreFact::deferred_envelope,
          CoreFact::deferred_message})
        facts.insert(id_of(fact));
    facts.erase(id_of(CoreFact::time_now));  // the test is to hold when the exception has expired, too
    return facts;
}

std::string given_text(const CompiledRules& rules, const RecordSubject& subject) {
    std::string given;
    for (const FactId id : facts_of_test(rules, subject)) {
        const FactValue& value = subject.facts.get(id);
        if (std::holds_alternative<Absent>(value)) continue;
        const auto text = toml_value(given_for(value));
        if (!text) continue;
        given += fmt::format(
            "{}{} = {}", given.empty() ? "" : ", ", toml_text(rules.dictionary().row(id).name), *text
        );
    }
    return given;
}

std::string network_text(const RecordSubject& subject, int ipv4_bits) {
    const auto* address = std::get_if<IpAddress>(&subject.facts.get(id_of(CoreFact::client_ip)));
    if (address == nullptr) return {};
    if (address->is_ipv4() && ipv4_bits == 32) return address->to_string();
    return neighbourhood(*address).to_string();
}

}  // namespace

std::string_view to_string(ExceptionKind kind) {
    switch (kind) {
        case ExceptionKind::dkim: return "dkim";
        case ExceptionKind::spf: return "spf";
        case ExceptionKind::address: return "address";
        case ExceptionKind::domain: return "domain";
        case ExceptionKind::network: return "network";
        case ExceptionKind::client: return "client";
    }
    return "";
}

std::vector<ExceptionCandidate> exception_candidates(
    const StoredRecord& stored, const RecordSubject& subject
) {
    std::vector<ExceptionCandidate> found;
    const std::string* to = text_value(subject, CoreFact::rcpt_domain);
    if (to == nullptr || to->empty()) return found;
    const std::string id = "allow-" + lower_case(stored.record.id.to_string());
    const auto add = [&](ExceptionKind kind, std::string condition, std::string about) {
        found.push_back({kind, id, std::move(condition), std::move(about)});
    };
    const std::string* author = text_value(subject, CoreFact::from_domain);
    const bool has_author = author != nullptr && is_domain(*author);
    if (const auto* passed = std::get_if<TextList>(&subject.facts.get(id_of(CoreFact::dkim_pass)));
        passed != nullptr && has_author) {
        // The author's own signature before that of a service that sends for many.
        std::vector<std::string> domains;
        for (const std::string& domain : passed->items)
            if (is_domain(domain)) domains.push_back(domain);
        std::ranges::sort(domains, {}, [&](const std::string& one) {
            return std::pair(!are_aligned(*author, one), one);
        });
        if (!domains.empty())
            add(ExceptionKind::dkim,
                fmt::format("dkim.pass has \"{}\" and from.domain == \"{}\"", domains.front(), *author),
                fmt::format("mail of {} that {} has signed", *author, domains.front()));
    }
    const std::string* sender_domain = text_value(subject, CoreFact::mail_domain);
    const std::string* spf = text_value(subject, CoreFact::spf_result);
    // A pass that every address gets proves nothing.
    const bool is_proof = subject.facts.get(id_of(CoreFact::spf_permits_all)) != FactValue(true);
    if (spf != nullptr && *spf == "pass" && is_proof && sender_domain != nullptr && is_domain(*sender_domain))
        add(ExceptionKind::spf,
            fmt::format("spf.result == pass and mail.domain == \"{}\"", *sender_domain),
            fmt::format("mail from {} by hosts that its SPF record names", *sender_domain));
    const std::string network = network_text(subject, 24);
    const std::string* sender = text_value(subject, CoreFact::mail_from);
    if (sender != nullptr && fits_into_condition(*sender) && !network.empty()) {
        add(ExceptionKind::address,
            fmt::format("mail.from == \"{}\" and client.ip in \"{}\"", *sender, network),
            fmt::format("mail from {} by hosts in {}", *sender, network));
        if (stored.record.is_redacted) {
            found.back().in_vain = "the record has only a hash of the local part";
            if (sender_domain != nullptr && is_domain(*sender_domain))
                add(ExceptionKind::domain,
                    fmt::format("mail.domain == \"{}\" and client.ip in \"{}\"", *sender_domain, network),
                    fmt::format("mail from {} by hosts in {}", *sender_domain, network));
        }
    }
    if (subject.facts.get(id_of(CoreFact::mail_is_null)) == FactValue(true) && !network.empty())
        add(ExceptionKind::address,
            fmt::format("mail.is_null and client.ip in \"{}\"", network),
            fmt::format("mail without a sender, such as bounces, by hosts in {}", network));
    const std::string address = network_text(subject, 32);
    if (address.empty()) return found;
    add(ExceptionKind::network,
        fmt::format("client.ip in \"{}\"", address),
        fmt::format("all mail by {}", address));
    const std::string& rule = subject.verdict->rule;
    if (rule.contains(':') || rule == "default") return found;  // no rule alone
    add(ExceptionKind::client, address, fmt::format("what {} refuses of {}", rule, address));
    found.back().rule_off = rule;
    return found;
}

ExceptionText exception_to_toml(
    const ExceptionCandidate& candidate,
    const StoredRecord& stored,
    const RecordSubject& subject,
    const RuleSet& rules,
    std::chrono::year_month_day expires
) {
    const DecisionRecord& record = stored.record;
    const std::string* to = text_value(subject, CoreFact::rcpt_domain);
    const std::string comment = fmt::format(
        "# {} was refused on {} by {}: from <{}> to <{}>.\n",
        record.id.to_string(),
        to_rfc3339(record.time).substr(0, 10),
        escape_for_log(record.verdict.rule),
        escape_between_angles(record.from),
        escape_between_angles(subject.address)
    );
    const std::string expiry = fmt::format(
        "expires = {:04}-{:02}-{:02}\n",
        static_cast<int>(expires.year()),
        static_cast<unsigned>(expires.month()),
        static_cast<unsigned>(expires.day())
    );
    ExceptionText made;
    std::string expected = fmt::format("verdict = \"accept\", rule = \"{}\"", candidate.rule_id);
    if (candidate.kind == ExceptionKind::client) {
        made.rule = fmt::format(
            "{}[[override]]\ndomains = [{}]\nclients = [\"{}\"]\nmodes   = {{ {} = \"shadow\" }}\n{}",
            comment,
            toml_text(*to),
            candidate.condition,
            toml_text(candidate.rule_off),
            expiry
        );
        const auto without = with_modes(
            rules,
            {
                {candidate.rule_off, RuleMode::shadow}
        }
        );
        expected = fmt::format("verdict = \"{}\"", to_string(judge(*without, subject).action));
    } else {
        made.rule = fmt::format(
            "{}[[rule]]\nid      = \"{}\"\nwhen    = {}\nthen    = \"accept\"\nscope   = {{ domains = [{}] "
            "}}\n{}",
            comment,
            candidate.rule_id,
            toml_condition(candidate.condition),
            toml_text(*to),
            expiry
        );
    }
    made.test = fmt::format(
        "[[test]]\nname   = \"{} lets in what {} was\"\n{}given  = {{ {} }}\nexpect = {{ {} }}\n",
        candidate.rule_id,
        record.id.to_string(),
        subject.stage == Stage::end ? "" : fmt::format("at     = \"{}\"\n", to_string(subject.stage)),
        given_text(compiled(rules), subject),
        expected
    );
    return made;
}

bool is_let_in(const RuleSet& with, const RuleSet& without, const RecordSubject& subject) {
    const auto passes = [&subject](const RuleSet& rules) {
        return judge(rules, subject).action <= Action::accept;
    };
    return passes(with) && !passes(without);
}

}  // namespace wicket
