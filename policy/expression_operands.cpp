#include "policy/expression_operands.hpp"

#include "base/diagnostic.hpp"
#include "base/text.hpp"
#include "base/unicode_names.hpp"
#include "policy/expression_literals.hpp"
#include "policy/time_text.hpp"

#include <algorithm>
#include <utility>

namespace wicket {
namespace {

using Kind = ExpressionToken::Kind;

std::string_view content_of(const ExpressionToken& token) {
    return token.kind == Kind::text ? std::string_view(token.text) : token.source;
}

/// Texts compare without regard to case; a word without quotes is the name of a value.
bool is_one_of(const std::vector<std::string>& words, const ExpressionToken& token) {
    return std::ranges::any_of(words, [&](const std::string& word) {
        return token.kind == Kind::text ? equal_ignoring_case(word, token.text) : word == token.source;
    });
}

/// What holds of (b, a) where `comparison` holds of (a, b).
Comparison mirrored(Comparison comparison) {
    switch (comparison) {
        case Comparison::less: return Comparison::greater;
        case Comparison::less_or_equal: return Comparison::greater_or_equal;
        case Comparison::greater: return Comparison::less;
        case Comparison::greater_or_equal: return Comparison::less_or_equal;
        default: return comparison;
    }
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

std::string quoted(std::string_view text) {
    return '"' + std::string(text) + '"';
}

std::string as_compared(ExpressionOperand::Form form, std::string_view text) {
    using enum ExpressionOperand::Form;
    if (form == plain || std::ranges::all_of(text, is_ascii)) return std::string(text);
    return form == domain ? ascii_domain(text) : ascii_domain_address(text);
}

/// "1536" of 1.5K: what a size or duration with a fraction comes to, in octets or seconds; empty if it is
/// none, or no whole number of them.
std::string without_fraction(std::string_view text) {
    const auto unit = text.find_first_not_of("0123456789.");
    if (unit == std::string_view::npos || !text.contains('.')) return {};
    const auto number = parse_real_literal(text.substr(0, unit));
    const auto factor = parse_real_literal('1' + std::string(text.substr(unit)));
    constexpr double most = 1e15;
    if (!number || !factor || *number * *factor > most) return {};
    const auto whole = static_cast<std::int64_t>(*number * *factor);
    return static_cast<double>(whole) == *number * *factor ? std::to_string(whole) : std::string();
}

std::uint32_t size_of(const auto& table) {
    return static_cast<std::uint32_t>(table.size());
}

}  // namespace

ExpressionOperands::ExpressionOperands(
    const FactDictionary& dictionary, const NamedLists& lists, ExpressionReading reading
)
    : dictionary_(dictionary),
      lists_(lists),
      reading_(reading),
      program_(std::make_shared<ExpressionProgram>()) {}

std::uint32_t ExpressionOperands::add(const ExpressionNode& made) {
    program_->nodes.push_back(made);
    return size_of(program_->nodes) - 1;
}

void ExpressionOperands::fail(
    const Token& at, std::string message, std::string suggestion, std::string name
) {
    if (!is_failing_)
        mistakes_.push_back({at.offset, std::move(message), std::move(suggestion), std::move(name)});
    is_failing_ = true;
}

void ExpressionOperands::fail_unlisted(
    const Token& at,
    std::string message,
    std::string_view word,
    const std::vector<std::string>& known,
    std::string name
) {
    std::string near = nearest_word(word, known);
    if (near.empty() && !known.empty()) {
        message += "; there is only ";
        for (const std::string& one : known)
            message += (&one == &known.front() ? "" : ", ") + one;
    }
    fail(at, std::move(message), std::move(near), std::move(name));
}

bool ExpressionOperands::recover() {
    if (mistakes_.size() >= expression_mistakes_limit) return false;
    is_failing_ = false;
    return true;
}

std::vector<ExpressionMistake> ExpressionOperands::take_mistakes() {
    return std::move(mistakes_);
}

void ExpressionOperands::note(FactId fact) {
    if (std::ranges::find(program_->facts, fact) != program_->facts.end()) return;
    program_->facts.push_back(fact);
    program_->stage = std::max(program_->stage, row(fact).stage);
}

std::string ExpressionOperands::describe(const Operand& operand) const {
    const std::string type(to_string(operand.type));
    const bool has_vowel = type.starts_with('i') || type.starts_with('a');
    return operand.name + " is " + (has_vowel ? "an " : "a ") + type;
}

ExpressionNode ExpressionOperands::new_node(ExpressionOp op, const Operand& left) {
    if (!left.fact) return {.op = op, .child = node_of(left)};
    ExpressionNode made{.op = op, .fact = *left.fact};
    if (!row(*left.fact).unknown_word.empty()) {
        made.unknown_word = size_of(program_->texts);
        program_->texts.push_back(row(*left.fact).unknown_word);
    }
    return made;
}

bool ExpressionOperands::check_word(const Operand& left, const Token& value) {
    const std::string_view content = content_of(value);
    if (left.words == nullptr || left.words->empty()) return true;
    const bool is_among = is_one_of(*left.words, value);
    const bool is_field = left.type == FactType::text;
    if (is_among || (is_field && reading_ == ExpressionReading::as_it_was)) return true;
    fail_unlisted(value, left.name + " is never " + quoted(content), content, *left.words, left.name);
    return false;
}

bool ExpressionOperands::push_text(const Operand& left, const Token& value) {
    if (left.type == FactType::word || (left.words != nullptr && !left.words->empty())) {
        if (!check_word(left, value)) return false;
    } else if (value.kind != Kind::text) {
        fail_bare(left, value);
        return false;
    }
    program_->texts.push_back(as_compared(left.form, content_of(value)));
    return true;
}

void ExpressionOperands::fail_bare(const Operand& left, const Token& value) {
    if (value.kind == Kind::word && dictionary_.find(value.source)) {
        fail(value, "a fact cannot stand in [brackets]: these are texts in double quotes");
    } else if (value.kind == Kind::word && value.source.contains('.')) {
        fail(
            value,
            "unknown fact " + quoted(value.source) + "; a text stands in double quotes",
            nearest_word(value.source, dictionary_.names()),
            std::string(value.source)
        );
    } else {
        fail(value, describe(left) + ": expected a text in double quotes", quoted(value.source), left.name);
    }
}

std::optional<double> ExpressionOperands::real_value(const Token& value) {
    std::optional<double> number;
    if (value.kind == Kind::number) number = parse_real_literal(value.source);
    if (number) return number;
    const std::string whole = value.kind == Kind::number ? without_fraction(value.source) : std::string();
    if (whole.empty())
        fail(value, "expected a number, a size such as 10M or a duration such as 5m");
    else
        fail(value, "a size or duration is a whole number and its unit", whole);
    return std::nullopt;
}

bool ExpressionOperands::has_order(const Operand& operand, Comparison comparison, const Token& symbol) {
    if (operand.type == FactType::texts || operand.type == FactType::results) {
        fail(
            symbol,
            describe(operand) + ", which cannot be compared",
            operand.type == FactType::texts ? "has" : ""
        );
        return false;
    }
    if (!is_ordering(comparison) || is_number(operand.type) || operand.type == FactType::time) return true;
    fail(symbol, describe(operand) + ", which has no order: only == and != fit");
    return false;
}

bool ExpressionOperands::is_misspelt_fact(const Operand& operand) {
    const Token& name = operand.token;
    if (!operand.is_literal || name.kind != Kind::word || !name.source.contains('.') ||
        reading_ == ExpressionReading::as_it_was)
        return false;
    std::string near = nearest_word(name.source, dictionary_.names());
    if (near.empty()) return false;
    fail(name, "unknown fact " + quoted(name.source), std::move(near), std::string(name.source));
    return true;
}

ExpressionOperands::Index ExpressionOperands::compare(
    const Operand& left, Comparison comparison, const Token& symbol, Operand right
) {
    // Of a text what is not in quotes has a message of its own.
    const bool is_with_text = !left.is_literal && left.type == FactType::text && left.words == nullptr;
    if (is_misspelt_fact(left) || (!is_with_text && is_misspelt_fact(right))) return std::nullopt;
    if (left.is_literal && !right.is_literal) return compare(right, mirrored(comparison), symbol, left);
    if (left.is_literal) {
        fail(left.token, "neither side of this comparison is a fact");
        return std::nullopt;
    }
    if (left.may_be_number && (is_ordering(comparison) || is_number(right.type)))
        return compare(as_number(left), comparison, symbol, std::move(right));
    if (right.may_be_number && is_number(left.type)) right = as_number(std::move(right));
    if (!has_order(left, comparison, symbol)) return std::nullopt;
    if (left.fact && right.fact) {
        ExpressionNode made = new_node(ExpressionOp::compare_fact, left);
        made.comparison = comparison;
        return compare_facts(made, left, right);
    }
    // A count has a range where its list is not complete.
    const bool is_count = !left.fact && node(left.node).op == ExpressionOp::count;
    if (right.is_literal && !is_count) {
        ExpressionNode made = new_node(ExpressionOp::compare_text, left);
        made.comparison = comparison;
        return compare_with_literal(made, left, right.token);
    }
    return compare_computed(left, comparison, symbol, std::move(right));
}

ExpressionOperands::Index ExpressionOperands::compare_computed(
    const Operand& left, Comparison comparison, const Token& symbol, Operand right
) {
    if (!has_order(right, comparison, symbol)) return std::nullopt;
    const bool fit = left.type == right.type || (is_number(left.type) && is_number(right.type)) ||
                     (is_textual(left.type) && is_textual(right.type));
    if (!fit) {
        fail(right.token, describe(left) + ", but " + describe(right));
        return std::nullopt;
    }
    const std::uint32_t first = node_of(left);
    const std::uint32_t second = node_of(right);
    node(first).sibling = second;
    return add({.op = ExpressionOp::compare_values, .comparison = comparison, .child = first});
}

ExpressionOperands::Index ExpressionOperands::compare_facts(
    ExpressionNode made, const Operand& left, const Operand& right
) {
    const bool fit = left.type == right.type || (is_number(left.type) && is_number(right.type)) ||
                     (is_textual(left.type) && is_textual(right.type));
    if (!fit) {
        fail(right.token, describe(left) + ", but " + describe(right));
        return std::nullopt;
    }
    const std::string& unknown_word = row(*right.fact).unknown_word;
    if (made.unknown_word == ExpressionNode::none && !unknown_word.empty()) {
        made.unknown_word = size_of(program_->texts);
        program_->texts.push_back(unknown_word);
    }
    made.other_fact = *right.fact;
    return add(made);
}

ExpressionOperands::Index ExpressionOperands::compare_with_literal(
    ExpressionNode made, const Operand& left, const Token& value
) {
    switch (left.type) {
        case FactType::boolean:
            if (value.source != "true" && value.source != "false") {
                fail(value, describe(left) + ": expected true or false");
                return std::nullopt;
            }
            made.op = ExpressionOp::compare_boolean;
            made.first = value.source == "true" ? 1 : 0;
            return add(made);
        case FactType::integer:
        case FactType::real: {
            const auto integer =
                value.kind == Kind::number ? parse_integer_literal(value.source) : std::nullopt;
            if (integer) {
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
                fail(value, describe(left) + ": expected a date such as 2027-01-31 or 2027-01-31T12:00:00Z");
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
                    describe(left) + (is_network ? ": a network is tested with"
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
    if (!push_text(left, value)) return std::nullopt;
    return add(made);
}

ExpressionOperands::Index ExpressionOperands::is_true(const Operand& operand) {
    if (!operand.fact || operand.type != FactType::boolean) return std::nullopt;
    return add({.op = ExpressionOp::is_true, .fact = *operand.fact});
}

std::uint32_t ExpressionOperands::state(const Operand& operand, ExpressionOp op) {
    ExpressionNode made = new_node(op, operand);
    made.count = operand.type == FactType::texts || operand.type == FactType::results ? 1 : 0;
    return add(made);
}

ExpressionOperands::Index ExpressionOperands::in(const Operand& left, const std::vector<Token>& elements) {
    const Token& first_element = elements.front();
    if (elements.size() == 1 && first_element.kind == Kind::word) {
        const auto other = dictionary_.find(first_element.source);
        if (other && row(*other).type == FactType::texts && is_textual(left.type)) {
            ExpressionNode made = new_node(ExpressionOp::in_fact, left);
            note(*other);
            made.other_fact = *other;
            return add(made);
        }
    }
    if (left.may_be_number && first_element.kind == Kind::number) return in(as_number(left), elements);
    ExpressionNode made = new_node(ExpressionOp::in_texts, left);
    made.count = size_of(elements);
    if (left.type == FactType::address) {
        made.op = ExpressionOp::in_networks;
        made.first = size_of(program_->networks);
        const bool are_good = check_each(elements, [&](const Token& element) {
            const auto network = IpNetwork::parse(content_of(element));
            if (network && element.kind == Kind::text) {
                program_->networks.push_back(*network);
                return true;
            }
            fail(
                element,
                "expected an address or network in double quotes, such as \"192.0.2.0/24\" (host bits "
                "zero)"
            );
            return false;
        });
        return are_good ? Index(add(made)) : std::nullopt;
    }
    if (is_number(left.type)) {
        made.op = ExpressionOp::in_reals;
        made.first = size_of(program_->reals);
        const bool are_good = check_each(elements, [&](const Token& element) {
            const auto number = real_value(element);
            if (number) program_->reals.push_back(*number);
            return number.has_value();
        });
        return are_good ? Index(add(made)) : std::nullopt;
    }
    if (!is_textual(left.type)) {
        fail(
            first_element,
            describe(left) + ", which cannot be \"in\" something",
            left.type == FactType::texts ? "has" : ""
        );
        return std::nullopt;
    }
    made.first = size_of(program_->texts);
    const bool are_good =
        check_each(elements, [&](const Token& element) { return push_text(left, element); });
    return are_good ? Index(add(made)) : std::nullopt;
}

const NamedLists::value_type* ExpressionOperands::named_list(const Token& name) {
    const auto found = lists_.find(content_of(name));
    if (found != lists_.end()) {
        // Which entries count depends on the time.
        if (found->second != nullptr && found->second->has_expiring()) note(id_of(CoreFact::time_now));
        return &*found;
    }
    std::vector<std::string> names;
    for (const auto& [list_name, list] : lists_)
        names.push_back(list_name);
    fail_unlisted(
        name,
        "unknown list " + quoted(content_of(name)),
        content_of(name),
        names,
        "list(" + std::string(content_of(name)) + ')'
    );
    return nullptr;
}

bool ExpressionOperands::check_list_kind(
    const Operand& left, const Token& name, const NamedLists::value_type& list
) {
    // A list whose file has mistakes is there as null: they have been reported.
    if (list.second == nullptr || reading_ == ExpressionReading::as_it_was) return true;
    if (left.form == Operand::Form::address && list.second->kind() == ListKind::domain) {
        fail(
            name,
            left.name + " is an address, but the list " + list.first +
                " is of kind domain: it never has one as it is meant",
            left.name.substr(0, left.name.find('.')) + ".domain in list(" + list.first + ')'
        );
        return false;
    }
    if (left.form != Operand::Form::domain || list.second->kind() != ListKind::address) return true;
    const bool has_many = left.type == FactType::texts;
    fail(
        name,
        left.name + (has_many ? " has domains" : " is a domain") + ", but the list " + list.first +
            " is of kind address: it never has one"
    );
    return false;
}

ExpressionOperands::Index ExpressionOperands::in_list(const Operand& left, const Token& name) {
    const auto* found = named_list(name);
    if (found == nullptr) return std::nullopt;
    // A list whose file has mistakes is there as null: they have been reported.
    const bool is_ip_list = found->second != nullptr && found->second->kind() == ListKind::ip;
    const bool fits =
        found->second == nullptr || (is_ip_list ? left.type == FactType::address : is_textual(left.type));
    if (!fits) {
        fail(
            name,
            describe(left) + ", but the list " + found->first + " is of kind " +
                std::string(to_string(found->second->kind())),
            left.type == FactType::texts ? "has" : ""
        );
        return std::nullopt;
    }
    if (!check_list_kind(left, name, *found)) return std::nullopt;
    ExpressionNode made = new_node(ExpressionOp::in_list, left);
    made.first = size_of(program_->lists);
    program_->lists.push_back(found->second);
    return add(made);
}

ExpressionOperands::Index ExpressionOperands::has_list(const Operand& left, const Token& name) {
    const auto* found = named_list(name);
    if (found == nullptr) return std::nullopt;
    const bool is_ip_list = found->second != nullptr && found->second->kind() == ListKind::ip;
    if (left.type != FactType::texts || is_ip_list) {
        fail(
            name,
            describe(left) +
                (is_ip_list ? ", but the list " + found->first + " is of kind ip" : ", not a list of text"),
            is_ip_list ? "" : "in"
        );
        return std::nullopt;
    }
    if (!check_list_kind(left, name, *found)) return std::nullopt;
    ExpressionNode made = new_node(ExpressionOp::has_listed, left);
    made.first = size_of(program_->lists);
    program_->lists.push_back(found->second);
    return add(made);
}

ExpressionOperands::Index ExpressionOperands::has(const Operand& left, const std::vector<Token>& elements) {
    const Token& first = elements.front();
    if (left.type != FactType::texts || !left.fact) {
        fail(first, describe(left) + ", not a list of text", left.type == FactType::results ? "any" : "==");
        return std::nullopt;
    }
    const auto& words = row(*left.fact).words;
    ExpressionNode made = new_node(ExpressionOp::has_texts, left);
    if (elements.size() == 1 && first.kind == Kind::word &&
        std::ranges::find(words, first.source) == words.end()) {
        if (const auto other = dictionary_.find(first.source)) {
            const Operand wanted = operand_of(*other, first);
            if (!is_textual(wanted.type)) {
                fail(first, describe(wanted) + ", which a list of text cannot have");
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
    const bool are_good = check_each(elements, [&](const Token& element) {
        // Of a list with words of its own, a text without quotes can be no mistake that stays unseen.
        if (element.kind == Kind::number || (words.empty() && element.kind != Kind::text)) {
            fail_bare(left, element);
            return false;
        }
        if (!words.empty() && !is_one_of(words, element)) {
            fail_unlisted(
                element,
                left.name + " never has " + quoted(content_of(element)),
                content_of(element),
                words,
                left.name
            );
            return false;
        }
        program_->texts.push_back(as_compared(left.form, content_of(element)));
        return true;
    });
    return are_good ? Index(add(made)) : std::nullopt;
}

ExpressionOperands::Index ExpressionOperands::matches(const Operand& left, const Token& pattern) {
    if (!is_textual(left.type)) {
        fail(
            pattern,
            describe(left) + ": only a text or word can match",
            left.type == FactType::address ? "in" : ""
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
    ExpressionNode made = new_node(ExpressionOp::matches, left);
    made.first = size_of(program_->patterns);
    program_->patterns.push_back(std::move(compiled));
    return add(made);
}

std::shared_ptr<const ExpressionProgram> ExpressionOperands::finish(std::uint32_t root) {
    program_->root = root;
    return std::move(program_);
}

}  // namespace wicket
