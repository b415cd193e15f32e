#include "store/rocks_rule_archive.hpp"

#include "store/row_codec.hpp"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

namespace wicket {
namespace {

/// The hashes beyond the limit, by the time they were last in force.
std::vector<std::string> too_many(const Database::Use& use, std::string_view kept) {
    std::vector<std::pair<WallTime, std::string>> all;
    const std::unique_ptr<rocksdb::Iterator> at(use->NewIterator({}, use[MailTable::rule_sets]));
    for (at->SeekToFirst(); at->Valid(); at->Next()) {
        const auto row = rows::decode_remembered(at->value().ToStringView());
        if (at->key() != rocksdb::Slice(kept))
            all.emplace_back(row ? row->until : WallTime{}, at->key().ToString());
    }
    if (all.size() < rule_sets_limit) return {};
    std::ranges::sort(all);
    std::vector<std::string> oldest;
    for (std::size_t index = 0; index + rule_sets_limit <= all.size(); ++index)
        oldest.push_back(std::move(all[index].second));
    return oldest;
}

}  // namespace

Result<> RocksRuleArchive::keep(std::string_view hash, std::string octets) {
    if (committer_ == nullptr) return failure(ErrorCode::unavailable, "the store is open for reading");
    const std::string value = rows::encode_remembered(clock_.wall(), octets);
    return committer_->run(
        [&](Committer&, const Database::Use& use, rocksdb::WriteBatch& batch, Committer::Aftermath&)
            -> Result<> {
            auto status = batch.Put(use[MailTable::rule_sets], rocksdb::Slice(hash), value);
            for (const std::string& old : too_many(use, hash))
                if (status.ok()) status = batch.Delete(use[MailTable::rule_sets], old);
            if (!status.ok()) return std::unexpected(to_error("cannot add to a batch", status));
            return {};
        }
    );
}

Result<std::string> RocksRuleArchive::find(std::string_view hash) {
    const auto use = database_.use();
    if (!use) return failure(ErrorCode::unavailable, "the store is closed");
    std::string value;
    const auto status = use->Get({}, use[MailTable::rule_sets], rocksdb::Slice(hash), &value);
    if (!status.ok()) return std::unexpected(to_error("the rules " + std::string(hash), status));
    const auto row = rows::decode_remembered(value);
    if (!row) return failure(ErrorCode::corrupt, "the rules " + std::string(hash) + " are damaged");
    return std::string(row->value);
}

}  // namespace wicket
