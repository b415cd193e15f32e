#include "policy/expression_operands.hpp"

#include "base/config_reader.hpp"
#include "base/diagnostic.hpp"
#include "base/text.hpp"
#include "base/unicode_names.hpp"
#include "policy/time_text.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

namespace wicket {
namespace {

using Kind = ExpressionToken::Kind;

std::string_view content_of(const ExpressionToken& token) {
    return token.kind == Kind::text ? std::string_view(token.text) : token.source;
}

bool is_ordering(Comparison comparison) {
    return comparison != Comparison::equal && comparison != Comparison::not_equal;
}

bool is_number(FactType type) {
    return type == FactType::integer || type == FactType::real;
}

bool is_textual(FactType type) {
    return type == FactType::text || type == FactType::word;
}

/// An integer, a size (10M), or a duration (5m) in seconds.
std::optional<std::int64_t> parse_integer(std::string_view text) {
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error == std::errc() && end == text.data() + text.size()) return value;
    if (const auto size = parse_size(text); size && std::in_range<std::int64_t>(*size)) {
        return static_cast<std::int64_t>(*size);
    }
    if (const auto duration = parse_duration(text)) {
        if (*duration % std::chrono::seconds{1} != std::chrono::milliseconds{0}) return std::nullopt;
        return duration->count() / 1000;
    }
    return std::nullopt;
}

std::optional<double> parse_real(std::string_view text) {
    if (const auto integer = parse_integer(text)) return static_cast<double>(*integer);
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return value;
}

std::string quoted(std::string_view text) {
    return '"' + std::string(text) + '"';
}

/// Facts that hold domains hold A-labels, so what they are compared with must: in rules people write
/// U-labels.
std::string as_compared(const FactDeclaration& fact, std::string_view text) {
    const bool is_domain = fact.name.ends_with(".domain") || fact.name == "dkim.pass";
    const bool is_address = fact.name == "mail.from" || fact.name == "rcpt.address";
    if (std::ranges::all_of(text, is_ascii) || !(is_domain || is_address)) return std::string(text);
    return is_domain ? ascii_domain(text) : ascii_domain_address(text);
}

std::uint32_t size_of(const auto& table) {
    return static_cast<std::uint32_t>(table.size());
}

}  // namespace

ExpressionOperands::ExpressionOperands(const FactDictionary& dictionary, const NamedLists& lists)
    : dictionary_(dictionary), lists_(lists), program_(std::make_shared<ExpressionProgram>()) {}

std::uint32_t ExpressionOperands::add(const ExpressionNode& made) {
    program_->nodes.push_back(made);
    return size_of(program_->nodes) - 1;
}

void ExpressionOperands::fail(const Token& at, std::string message, std::string suggestion) {
    if (!mistake_) mistake_ = ExpressionMistake{at.offset, std::move(message), std::move(suggestion)};
}

void ExpressionOperands::fail_unlisted(
    const Token& at, std::string message, std::string_view word, const std::vector<std::string>& known
) {
    std::string near = nearest_word(word, known);
    if (near.empty() && !known.empty()) {
        message += "; there is only ";
        for (const std::string& one : known)
            message += (&one == &known.front() ? "" : ", ") + one;
    }
    fail(at, std::move(message), std::move(near));
}

ExpressionMistake ExpressionOperands::take_mistake() {
    return mistake_.value_or(ExpressionMistake{0, "the condition makes no sense", {}});
}

std::optional<FactId> ExpressionOperands::fact(const Token& name) {
    const auto found = dictionary_.find(name.source);
    if (!found) {
        fail(name, "unknown fact " + quoted(name.source), nearest_word(name.source, dictionary_.names()));
        return std::nullopt;
    }
    note(*found);
    return found;
}

void ExpressionOperands::note(FactId fact) {
    if (std::ranges::find(program_->facts, fact) != program_->facts.end()) return;
    program_->facts.push_back(fact);
    program_->stage = std::max(program_->stage, row(fact).stage);
}

std::string ExpressionOperands::describe(FactId fact) const {
    std::string type(to_string(row(fact).type));
    const bool has_vowel = type.starts_with('i') || type.starts_with('a');
    return row(fact).name + " is " + (has_vowel ? "an " : "a ") + type;
}

ExpressionNode ExpressionOperands::new_node(ExpressionOp op, FactId fact) {
    ExpressionNode made{.op = op, .fact = fact};
    if (!row(fact).unknown_word.empty()) {
        made.unknown_word = size_of(program_->texts);
        program_->texts.push_back(row(fact).unknown_word);
    }
    return made;
}

bool ExpressionOperands::check_word(FactId fact, const Token& value) {
    const auto& words = row(fact).words;
    const std::string_view content = content_of(value);
    if (words.empty() || std::ranges::find(words, content) != words.end()) return true;
    fail_unlisted(value, row(fact).name + " is never " + quoted(content), content, words);
    return false;
}

bool ExpressionOperands::push_text(FactId fact, const Token& value) {
    if (row(fact).type == FactType::word) {
        if (!check_word(fact, value)) return false;
    } else if (value.kind != Kind::text) {
        fail_bare(fact, value);
        return false;
    }
    program_->texts.push_back(as_compared(row(fact), content_of(value)));
    return true;
}

void ExpressionOperands::fail_bare(FactId fact, const Token& value) {
    if (value.kind == Kind::word && dictionary_.find(value.source)) {
        fail(value, "a fact cannot stand in [brackets]: these are texts in double quotes");
    } else if (value.kind == Kind::word && value.source.contains('.')) {
        fail(
            value,
            "unknown fact " + quoted(value.source) + "; a text stands in double quotes",
            nearest_word(value.source, dictionary_.names())
        );
    } else {
        fail(value, describe(fact) + ": expected a text in double quotes", quoted(value.source));
    }
}

std::optional<std::int64_t> ExpressionOperands::integer_value(const Token& value) {
    if (value.kind == Kind::number) return parse_integer(value.source);
    return std::nullopt;
}

std::optional<double> ExpressionOperands::real_value(const Token& value) {
    std::optional<double> number;
    if (value.kind == Kind::number) number = parse_real(value.source);
    if (!number) fail(value, "expected a number, a size such as 10M or a duration such as 5m");
    return number;
}

ExpressionOperands::Index ExpressionOperands::compare(
    FactId fact, Comparison comparison, const Token& value, const Token& symbol
) {
    const FactType type = row(fact).type;
    if (type == FactType::texts || type == FactType::results) {
        fail(symbol, describe(fact) + ", which cannot be compared", type == FactType::texts ? "has" : "");
        return std::nullopt;
    }
    if (is_ordering(comparison) && !is_number(type) && type != FactType::time) {
        fail(symbol, describe(fact) + ", which has no order: only == and != fit");
        return std::nullopt;
    }
    ExpressionNode made = new_node(ExpressionOp::compare_text, fact);
    made.comparison = comparison;
    if (value.kind == Kind::word) {
        const auto& words = row(fact).words;
        const bool is_own_word = std::ranges::find(words, value.source) != words.end();
        const auto other = dictionary_.find(value.source);
        if (!is_own_word && other) return compare_with_fact(made, value, *other);
    }
    return compare_scalar(made, value);
}

ExpressionOperands::Index ExpressionOperands::compare_with_fact(
    ExpressionNode made, const Token& value, FactId other
) {
    const FactType type = row(made.fact).type;
    const FactType other_type = row(other).type;
    const bool fit = type == other_type || (is_number(type) && is_number(other_type)) ||
                     (is_textual(type) && is_textual(other_type));
    if (!fit) {
        fail(value, describe(made.fact) + ", but " + describe(other));
        return std::nullopt;
    }
    note(other);
    if (made.unknown_word == ExpressionNode::none && !row(other).unknown_word.empty()) {
        made.unknown_word = size_of(program_->texts);
        program_->texts.push_back(row(other).unknown_word);
    }
    made.op = ExpressionOp::compare_fact;
    made.other_fact = other;
    return add(made);
}

ExpressionOperands::Index ExpressionOperands::compare_scalar(ExpressionNode made, const Token& value) {
    switch (row(made.fact).type) {
        case FactType::boolean:
            if (value.source != "true" && value.source != "false") {
                fail(value, describe(made.fact) + ": expected true or false");
                return std::nullopt;
            }
            made.op = ExpressionOp::compare_boolean;
            made.first = value.source == "true" ? 1 : 0;
            return add(made);
        case FactType::integer:
        case FactType::real: {
            if (const auto integer = integer_value(value)) {
                made.op = ExpressionOp::compare_integer;
                made.first = size_of(program_->integers);
                program_->integers.push_back(*integer);
                return add(made);
            }
            const auto real = real_value(value);
            if (!real) return std::nullopt;
            made.op = ExpressionOp::compare_real;
            made.first = size_of(program_->reals);
            program_->reals.push_back(*real);
            return add(made);
        }
        case FactType::time: {
            const auto time = parse_time(content_of(value));
            if (!time) {
                fail(
                    value,
                    describe(made.fact) + ": expected a date such as 2027-01-31 or 2027-01-31T12:00:00Z"
                );
                return std::nullopt;
            }
            made.op = ExpressionOp::compare_time;
            made.first = size_of(program_->times);
            program_->times.push_back(*time);
            return add(made);
        }
        case FactType::address: {
            const auto address = IpAddress::parse(content_of(value));
            if (!address || value.kind != Kind::text) {
                const bool is_network = IpNetwork::parse(content_of(value)).has_value() && !address;
                fail(
                    value,
                    describe(made.fact) + (is_network ? ": a network is tested with"
                                                      : ": expected an address in double quotes"),
                    is_network ? "in" : (address ? quoted(value.source) : "")
                );
                return std::nullopt;
            }
            made.op = ExpressionOp::compare_address;
            made.first = size_of(program_->networks);
            program_->networks.push_back(IpNetwork::around(*address, address->is_ipv4() ? 32 : 128));
            return add(made);
        }
        default: break;
    }
    made.first = size_of(program_->texts);
    if (!push_text(made.fact, value)) return std::nullopt;
    return add(made);
}

ExpressionOperands::Index ExpressionOperands::is_true(FactId fact) {
    if (row(fact).type != FactType::boolean) return std::nullopt;
    return add({.op = ExpressionOp::is_true, .fact = fact});
}

std::uint32_t ExpressionOperands::state(FactId fact, ExpressionOp op) {
    return add(new_node(op, fact));
}

ExpressionOperands::Index ExpressionOperands::in(FactId fact, const std::vector<Token>& elements) {
    const FactType type = row(fact).type;
    ExpressionNode made = new_node(ExpressionOp::in_texts, fact);
    made.count = size_of(elements);
    if (type == FactType::address) {
        made.op = ExpressionOp::in_networks;
        made.first = size_of(program_->networks);
        for (const Token& element : elements) {
            const auto network = IpNetwork::parse(content_of(element));
            if (!network || element.kind != Kind::text) {
                fail(
                    element,
                    "expected an address or network in double quotes, such as \"192.0.2.0/24\" (host bits "
                    "zero)"
                );
                return std::nullopt;
            }
            program_->networks.push_back(*network);
        }
        return add(made);
    }
    if (is_number(type)) {
        made.op = ExpressionOp::in_reals;
        made.first = size_of(program_->reals);
        for (const Token& element : elements) {
            const auto number = real_value(element);
            if (!number) return std::nullopt;
            program_->reals.push_back(*number);
        }
        return add(made);
    }
    if (!is_textual(type)) {
        fail(
            elements.front(),
            describe(fact) + ", which cannot be \"in\" something",
            type == FactType::texts ? "has" : ""
        );
        return std::nullopt;
    }
    made.first = size_of(program_->texts);
    for (const Token& element : elements) {
        if (!push_text(fact, element)) return std::nullopt;
    }
    return add(made);
}

ExpressionOperands::Index ExpressionOperands::in_list(FactId fact, const Token& name) {
    const auto found = lists_.find(content_of(name));
    if (found == lists_.end()) {
        std::vector<std::string> names;
        for (const auto& [list_name, list] : lists_)
            names.push_back(list_name);
        fail_unlisted(name, "unknown list " + quoted(content_of(name)), content_of(name), names);
        return std::nullopt;
    }
    // A list whose file has mistakes is there as null: they have been reported.
    const bool is_ip_list = found->second != nullptr && found->second->kind() == ListKind::ip;
    const FactType type = row(fact).type;
    const bool fits = found->second == nullptr || (is_ip_list ? type == FactType::address : is_textual(type));
    if (!fits) {
        fail(
            name,
            describe(fact) + ", but the list " + found->first + " is of kind " +
                std::string(to_string(found->second->kind()))
        );
        return std::nullopt;
    }
    ExpressionNode made = new_node(ExpressionOp::in_list, fact);
    made.first = size_of(program_->lists);
    program_->lists.push_back(found->second);
    return add(made);
}

ExpressionOperands::Index ExpressionOperands::has(FactId fact, const std::vector<Token>& elements) {
    const Token& first = elements.front();
    if (row(fact).type != FactType::texts) {
        fail(first, describe(fact) + ", not a list of text", row(fact).type == FactType::results ? "" : "==");
        return std::nullopt;
    }
    const auto& words = row(fact).words;
    ExpressionNode made = new_node(ExpressionOp::has_texts, fact);
    if (elements.size() == 1 && first.kind == Kind::word &&
        std::ranges::find(words, first.source) == words.end()) {
        if (const auto other = dictionary_.find(first.source)) {
            if (!is_textual(row(*other).type)) {
                fail(first, describe(*other) + ", which a list of text cannot have");
                return std::nullopt;
            }
            note(*other);
            made.op = ExpressionOp::has_fact;
            made.other_fact = *other;
            return add(made);
        }
    }
    made.first = size_of(program_->texts);
    made.count = size_of(elements);
    for (const Token& element : elements) {
        // Of a list with words of its own, a text without quotes can be no mistake that stays unseen.
        if (element.kind == Kind::number || (words.empty() && element.kind != Kind::text)) {
            fail_bare(fact, element);
            return std::nullopt;
        }
        if (!words.empty() && std::ranges::find(words, content_of(element)) == words.end()) {
            fail_unlisted(
                element,
                row(fact).name + " never has " + quoted(content_of(element)),
                content_of(element),
                words
            );
            return std::nullopt;
        }
        program_->texts.push_back(as_compared(row(fact), content_of(element)));
    }
    return add(made);
}

ExpressionOperands::Index ExpressionOperands::matches(FactId fact, const Token& pattern) {
    if (!is_textual(row(fact).type)) {
        fail(
            pattern,
            describe(fact) + ": only a text or word can match",
            row(fact).type == FactType::address ? "in" : ""
        );
        return std::nullopt;
    }
    re2::RE2::Options options;
    options.set_log_errors(false);
    options.set_max_mem(pattern_limit_octets);
    auto compiled = std::make_unique<const re2::RE2>(pattern.text, options);
    if (!compiled->ok()) {
        Token at = pattern;
        const auto place =
            compiled->error_arg().empty() ? std::string_view::npos : pattern.text.find(compiled->error_arg());
        at.offset += 1 + (place == std::string_view::npos ? 0 : place);
        fail(at, "bad regular expression: " + compiled->error());
        return std::nullopt;
    }
    ExpressionNode made = new_node(ExpressionOp::matches, fact);
    made.first = size_of(program_->patterns);
    program_->patterns.push_back(std::move(compiled));
    return add(made);
}

std::shared_ptr<const ExpressionProgram> ExpressionOperands::finish(std::uint32_t root) {
    program_->root = root;
    return std::move(program_);
}

}  // namespace wicket
