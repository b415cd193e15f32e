// What rules cost, beside a plain RSA-2048 verification of OpenSSL in the same run: compiling 1000 rules, and
// decide() on decoded facts with 100 rules. Prints one JSON object. Not part of the product.
#include "policy/rules.hpp"

#include <openssl/evp.h>
#include <openssl/rsa.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <string>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

/// Microseconds that one call takes: the least of several rounds, since whatever else runs only adds to it.
template <class Call>
double least_micros(int rounds, int calls, Call call) {
    double least = std::numeric_limits<double>::infinity();
    for (int round = 0; round < rounds; ++round) {
        const auto begin = Clock::now();
        for (int at = 0; at < calls; ++at)
            call();
        const std::chrono::duration<double, std::micro> taken = Clock::now() - begin;
        least = std::min(least, taken.count() / calls);
    }
    return least;
}

double verification_micros() {
    EVP_PKEY* key = EVP_RSA_gen(2048);
    unsigned char digest[32] = {1};
    unsigned char signature[256];
    std::size_t length = sizeof signature;
    EVP_PKEY_CTX* signing = EVP_PKEY_CTX_new(key, nullptr);
    EVP_PKEY_CTX* verifying = EVP_PKEY_CTX_new(key, nullptr);
    const bool is_ready =
        EVP_PKEY_sign_init(signing) > 0 && EVP_PKEY_CTX_set_signature_md(signing, EVP_sha256()) > 0 &&
        EVP_PKEY_sign(signing, signature, &length, digest, sizeof digest) > 0 &&
        EVP_PKEY_verify_init(verifying) > 0 && EVP_PKEY_CTX_set_signature_md(verifying, EVP_sha256()) > 0;
    if (!is_ready) std::abort();
    const double micros = least_micros(30, 500, [&] {
        if (EVP_PKEY_verify(verifying, signature, length, digest, sizeof digest) != 1) std::abort();
    });
    EVP_PKEY_CTX_free(signing);
    EVP_PKEY_CTX_free(verifying);
    EVP_PKEY_free(key);
    return micros;
}

/// Rules as administrators write them: every kind of fact, most of them with points, none deciding the
/// message.
std::string rules_text(std::size_t count) {
    // As in the shipped rules, one of 25 has a regular expression.
    const std::string regex = "client.name matches \"(?i)[.]dyn[.]\"";
    const std::vector<std::string> conditions = {
        "spf.result == fail and not client.ip in \"192.0.2.0/24\"",
        "client.ip in [\"198.18.0.0/15\", \"2001:db8::/32\"] and iprev.result == fail",
        "dnsbl.zen has [xbl, css] or dnsbl.zen has pbl",
        "dkim.pass has \"partner.example\" and rcpt.domain == \"example.test\"",
        "helo.form == literal and not helo.literal_matches",
        "message.size > 10M and mail.is_null",
        "helo.form in [bare, malformed] and not helo.resolves",
        "mail.domain in [\"a.example\", \"b.example\", \"c.example\"]",
        "header.missing has date or header.duplicate has [to, cc]",
        "from.domain != mail.domain and spf.result in [softfail, neutral]",
    };
    std::string text =
        "[dnsbl.zen]\nzone = \"zen.example\"\nlisted = { sbl = \"127.0.0.2\", css = \"127.0.0.3\", xbl = "
        "\"127.0.0.4-7\", pbl = \"127.0.0.10-11\" }\n";
    for (std::size_t at = 0; at < count; ++at) {
        const std::string number = std::to_string(at);
        text += "[[rule]]\nid = \"rule-" + number + "\"\nwhen = 'rcpt.count != " + std::to_string(100 + at) +
                " and (" + conditions[at % conditions.size()] + ")'\n";
        text += at % 10 == 9 ? "then = \"quarantine\"\n" : "points = 0.01\n";
        text += "why = \"{client.ip} hit rule " + number + "\"\nfix = \"Ask about {mail.domain}\"\n";
    }
    return text;
}

std::shared_ptr<const wicket::RuleSet> compiled(const std::string& text) {
    wicket::Diagnostics diagnostics;
    auto rules = wicket::compile_rules(
        {
            {"rules.toml", text}
    },
        diagnostics
    );
    for (const auto& one : diagnostics.sorted())
        std::fprintf(stderr, "%s\n", wicket::render(one).c_str());
    if (rules == nullptr) std::abort();
    return rules;
}

wicket::Facts facts_of_a_message(const wicket::RuleSet& rules) {
    wicket::Facts facts;
    const auto set = [&](std::string_view name, wicket::FactValue value) {
        facts.set(rules.dictionary().find(name).value(), std::move(value));
    };
    set("time.now", wicket::WallTime(std::chrono::days(20'000)));
    set("client.ip", *wicket::IpAddress::parse("203.0.113.9"));
    set("client.port", std::int64_t{40000});
    set("client.name", std::string("mail.sender.example"));
    set("client.tls", std::string("TLSv1.3"));
    set("listener.service", std::string("smtp"));
    set("iprev.result", std::string("pass"));
    set("helo.name", std::string("mail.sender.example"));
    set("helo.form", std::string("fqdn"));
    set("helo.is_ours", false);
    set("helo.resolves", true);
    set("mail.from", std::string("someone@sender.example"));
    set("mail.domain", std::string("sender.example"));
    set("mail.is_null", false);
    set("spf.result", std::string("pass"));
    set("spf.helo.result", std::string("none"));
    set("rcpt.address", std::string("alice@example.test"));
    set("rcpt.domain", std::string("example.test"));
    set("rcpt.local_part", std::string("alice"));
    set("rcpt.count", std::int64_t{1});
    set("message.size", std::int64_t{30'000});
    set("from.domain", std::string("sender.example"));
    set("from.count", std::int64_t{1});
    set("header.missing", wicket::TextList{});
    set("header.duplicate", wicket::TextList{});
    set("dkim.pass", wicket::TextList{{"sender.example"}, ""});
    set("dnsbl.zen", wicket::TextList{});
    return facts;
}

}  // namespace

int main() {
    const double verification = verification_micros();
    const std::string many = rules_text(1000);
    const double compiling = least_micros(5, 1, [&] { compiled(many); });
    const auto rules = compiled(rules_text(100));
    const wicket::Facts facts = facts_of_a_message(*rules);
    double points = 0;
    const double deciding =
        least_micros(50, 2000, [&] { points += wicket::decide(*rules, facts, wicket::Stage::end).points; });
    std::printf(
        "{\"verification_micros\":%.2f,\"compile_1000_rules_ms\":%.1f,\"decide_100_rules_micros\":%.3f,"
        "\"decide_in_verifications\":%.3f,\"points\":%g}\n",
        verification,
        compiling / 1000,
        deciding,
        deciding / verification,
        points
    );
    return 0;
}
