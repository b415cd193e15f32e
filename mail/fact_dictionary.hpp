// The one table of all facts: name, type, the stage from which it is known, the filter that makes it, and a
// line of meaning. Linter, documentation, record and expression compiler read it. The rows of CoreFact stand
// in fact_dictionary.cpp; block lists and other configured things add theirs when rules are loaded, after
// which a dictionary does not change. Any thread once it is complete.
#pragma once

#include "mail/facts.hpp"
#include "mail/stage.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace wicket {

enum class FactType : std::uint8_t { boolean, integer, real, text, word, address, time, texts, results };

/// "boolean", "integer", ..., "list of text", "list of results".
std::string_view to_string(FactType type);

/// A field of a list of results that is not just any text.
struct ResultField {
    std::string name;
    std::vector<std::string> words = {};  // all its values; empty: any
    bool is_number = false;               // a whole number, kept as text
};

struct FactDeclaration {
    std::string name;
    FactType type;
    Stage stage;
    std::string filter;   // "smtp" for what the session itself knows
    std::string meaning;  // one line
    std::vector<std::string> words = {
    };  // of a word: all its values; of results: the fields; of texts: all possible items, or empty
    std::string unknown_word = {};         // the word that compares as unknown: "temperror"
    std::vector<ResultField> fields = {};  // of results: those that are known better than `words` tells
};

/// The facts that every installation has; the order is that of the rows.
enum class CoreFact : FactId {
    time_now,
    client_ip,
    client_port,
    client_name,
    client_tls,
    client_cipher,
    listener_service,
    listener_address,
    iprev_result,
    iprev_names,
    helo_name,
    helo_form,
    helo_is_ours,
    helo_resolves,
    helo_literal_matches,
    mail_from,
    mail_domain,
    mail_is_null,
    mail_size,
    mail_smtputf8,
    spf_result,
    spf_explanation,
    spf_helo_result,
    rcpt_address,
    rcpt_domain,
    rcpt_local_part,
    rcpt_count,
    rcpt_unknown_count,
    message_size,
    message_received_count,
    from_domain,
    from_count,
    from_addresses,
    header_missing,
    header_duplicate,
    header_too_long_line,
    dkim_pass,
    dkim_results,
    dkim_signatures,
    dkim_weak,
    message_poisonous,
    client_behaviour,
    deferred_envelope,
    deferred_message,
    spf_permits_all,
    from_fault,
    greylist_age,
    count,
};

constexpr FactId id_of(CoreFact fact) {
    return static_cast<FactId>(fact);
}

class FactDictionary {
public:
    /// The core facts alone.
    FactDictionary();

    /// Adds a row; nullopt if the name is taken.
    std::optional<FactId> declare(FactDeclaration declaration);
    std::optional<FactId> find(std::string_view name) const;
    const FactDeclaration& row(FactId id) const { return rows_.at(id); }
    const std::vector<FactDeclaration>& rows() const { return rows_; }
    std::vector<std::string> names() const;

private:
    std::vector<FactDeclaration> rows_;
    std::map<std::string, FactId, std::less<>> by_name_;
};

/// Whether a value compares as unknown: it is Unknown, or the row's unknown_word.
bool is_unknown(const FactDeclaration& row, const FactValue& value);
/// What stands for a fact that could not be found out: the row's unknown_word, or Unknown with the reason.
FactValue unknown_value(const FactDeclaration& row, std::string reason);
/// For people and templates: the plain text of a value; "" for absent, "unknown (REASON)" for unknown.
std::string fact_to_text(const FactValue& value);

}  // namespace wicket
