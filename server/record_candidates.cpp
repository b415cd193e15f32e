#include "server/record_candidates.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace wicket {
namespace {

// What people did to decisions: far more than they can do.
constexpr std::size_t noted_limit = 1'000'000;

using CandidateIds = std::vector<RecordId>;

std::optional<RecordIndex> index_of(QueryPin::What what) {
    switch (what) {
        case QueryPin::What::network: return RecordIndex::network;
        case QueryPin::What::sender_domain: return RecordIndex::sender_domain;
        case QueryPin::What::recipient: return RecordIndex::recipient;
        case QueryPin::What::rule: return RecordIndex::rule;
        case QueryPin::What::label:
        case QueryPin::What::release: return std::nullopt;
    }
    std::unreachable();
}

/// nullopt: too many, or they cannot be read.
std::optional<CandidateIds> ids_with(
    DecisionLog& log, RecordIndex index, const QueryPin& pin, const RecordSpan& span
) {
    CandidateIds all;
    for (const std::string& value : pin.values) {
        const auto ids = log.candidates(index, value, span);
        if (!ids) return std::nullopt;
        all.insert(all.end(), ids->begin(), ids->end());
    }
    std::ranges::sort(all);
    const auto repeated = std::ranges::unique(all);
    all.erase(repeated.begin(), repeated.end());
    return all;
}

std::optional<CandidateIds> noted_ids(Store& store, LedgerNote note, const RecordSpan& span) {
    auto ids = store.quarantine().noted(note, span.from, noted_limit);
    if (!ids || ids->size() == noted_limit) return std::nullopt;
    if (span.until) ids->erase(std::ranges::lower_bound(*ids, *span.until), ids->end());
    return std::move(*ids);
}

void keep_common(std::optional<CandidateIds>& sum, CandidateIds ids) {
    if (!sum) {
        sum = std::move(ids);
        return;
    }
    CandidateIds common;
    std::ranges::set_intersection(*sum, ids, std::back_inserter(common));
    sum = std::move(common);
}

std::optional<std::string> network_of(std::string_view decision) {
    const auto stored = decode_record(decision);
    if (!stored) return std::nullopt;
    return neighbourhood(stored->record.client_ip).to_string();
}

}  // namespace

std::optional<RecordCandidates> find_candidates(
    Store& store, const RecordQuery& query, const RecordSpan& span
) {
    const std::vector<QueryPin> pins = query.pins();
    if (pins.empty()) return std::nullopt;
    std::optional<CandidateIds> ids;
    // People have touched few decisions, and the ledger has them all.
    for (const QueryPin& pin : pins) {
        if (index_of(pin.what)) continue;
        const auto note = pin.what == QueryPin::What::label ? LedgerNote::labelled : LedgerNote::released;
        if (auto noted = noted_ids(store, note, span)) keep_common(ids, std::move(*noted));
    }
    if (ids) return RecordCandidates{span.from, std::move(*ids)};
    DecisionLog& log = store.decisions();
    const auto from = log.indexed_from(span, network_of);
    if (!from || (span.until && *from >= *span.until)) return std::nullopt;
    const RecordSpan indexed{*from, span.until};
    for (const QueryPin& pin : pins)
        if (const auto index = index_of(pin.what))
            if (auto found = ids_with(log, *index, pin, indexed)) keep_common(ids, std::move(*found));
    if (!ids) return std::nullopt;
    return RecordCandidates{*from, std::move(*ids)};
}

}  // namespace wicket
