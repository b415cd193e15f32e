// The tables of both databases, in the order of format.md, and how RocksDB keeps each.
#pragma once

#include "store/database.hpp"
#include "store/store.hpp"

#include <vector>

namespace wicket {

enum class MailTable : std::uint8_t {
    meta,
    mailboxes,
    views,
    messages,
    bodies,
    accounts,
    decisions,
    evidence,
    answers,
    index,
    rule_sets
};
enum class RefusalTable : std::uint8_t { meta, refusals, folds, memory, evidence, answers, index };

std::vector<Database::Table> mail_tables();
/// Quota and retention bound what FIFO compaction keeps.
std::vector<Database::Table> refusal_tables(std::uint64_t quota_octets, std::chrono::seconds retention);

}  // namespace wicket
