// Changes a store while no server runs.
// `plant STATE` puts records that a store may hold and that no server of this version writes beside those
// that are there, and prints one JSON object: what each of the new ids is, and which old one has lost its
// evidence. `plant STATE ID FACT TEXT` gives one recorded fact another value; `plant STATE ID --without
// PREFIX` takes the facts away whose names begin so, as if an earlier version had not known them.
#include "base/log.hpp"
#include "policy/record.hpp"
#include "policy/record.pb.h"
#include "policy/rule_set_record.hpp"
#include "store/database.hpp"
#include "store/row_codec.hpp"
#include "store/tables.hpp"

#include <cstdio>
#include <cstdlib>
#include <fmt/format.h>
#include <string>

namespace {

using namespace wicket;

std::unique_ptr<Database> open(
    const std::string& folder, std::vector<Database::Table> tables, Database::Durability durability
) {
    Database::Setup setup;
    setup.folder = folder;
    setup.tables = std::move(tables);
    setup.durability = durability;
    setup.clock = &system_clock();
    auto database = Database::open(std::move(setup));
    if (database) return std::move(*database);
    std::fprintf(stderr, "%s\n", database.error().message.c_str());
    std::exit(75);
}

std::string value_at(const Database::Use& use, MailTable table, const std::string& key) {
    std::string value;
    if (!use->Get({}, use[table], key, &value).ok()) std::exit(75);
    return value;
}

/// As format 1 had it: decision and evidence in one value behind the keys, and every answer in its place.
std::string of_version_1(
    const Database::Use& use, const RecordId& id, const std::string& decision, const std::string& evidence
) {
    record_pb::Record record;
    if (!record.ParseFromString(decision + evidence)) std::exit(75);
    record.set_version(1);
    for (auto& lookup : *record.mutable_lookups()) {
        if (lookup.answer().empty()) continue;
        record_pb::Answer answer;
        const std::string stored =
            value_at(use, MailTable::answers, rows::answer_key(rows::day_of(id), lookup.answer()));
        if (!answer.ParseFromString(stored.substr(1))) std::exit(75);
        lookup.set_status(answer.status());
        *lookup.mutable_records() = answer.records();
        lookup.clear_answer();
    }
    const std::string keys = "whatever";
    std::string value(1, '\1');
    value += std::string(3, '\0') + static_cast<char>(keys.size()) + keys;
    return value + record.SerializeAsString();
}

/// The rule set of `hash`, as records name it, without the facts whose names begin so.
bool forget(
    rocksdb::WriteBatch& batch, const Database::Use& use, const std::string& hash, std::string_view prefix
) {
    const std::string value = value_at(use, MailTable::rule_sets, hash);
    const auto row = rows::decode_remembered(value);
    auto rules = row ? decode_rule_set(row->value) : std::nullopt;
    if (!rules) return false;
    std::erase_if(rules->facts, [&](const std::string& fact) { return fact.starts_with(prefix); });
    return batch.Put(use[MailTable::rule_sets], hash, rows::encode_remembered(row->until, encode(*rules)))
        .ok();
}

int alter(Database& mail, const RecordId& id, std::string_view what, std::string text) {
    const auto use = mail.use();
    const std::string key(rows::id_key(id));
    auto stored = decode_record(value_at(use, MailTable::decisions, key).substr(1));
    if (!stored) return 65;
    rocksdb::WriteBatch batch;
    if (what == "--without") {
        for (FactId fact = 0; fact < stored->dictionary.rows().size(); ++fact)
            if (stored->dictionary.row(fact).name.starts_with(text)) stored->record.facts.set(fact, Absent{});
        if (!forget(batch, use, stored->record.rules_hash, text)) return 75;
    } else if (const auto fact = stored->dictionary.find(what)) {
        stored->record.facts.set(*fact, std::move(text));
    } else {
        return 65;
    }
    const std::string decision = encode_record(stored->record, stored->dictionary).decision;
    if (!batch.Put(use[MailTable::decisions], key, rows::encode_decision(decision)).ok()) return 75;
    return mail.write(use, batch, Database::Sync::yes) ? 0 : 75;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2 && argc != 5) return 64;
    configure_log(LogFormat::text, LogLevel::error);
    const std::string state = argv[1];
    const auto mail = open(state + "/mail", mail_tables(), Database::Durability::synced);
    if (argc == 5) return alter(*mail, RecordId::parse(argv[2]).value(), argv[3], argv[4]);
    constexpr std::uint64_t quota = 1ULL << 33U;
    const auto refusals = open(
        state + "/refusals",
        refusal_tables(quota, std::chrono::hours(24 * 30)),
        Database::Durability::unsynced
    );
    const auto use = mail->use();
    const auto refusals_use = refusals->use();

    const std::unique_ptr<rocksdb::Iterator> at(use->NewIterator({}, use[MailTable::decisions]));
    at->SeekToFirst();
    if (!at->Valid()) return 75;
    const RecordId first = *RecordId::from_octets(at->key().ToStringView());
    const std::string decision = at->value().ToString().substr(1);
    const std::string evidence = value_at(use, MailTable::evidence, at->key().ToString()).substr(1);
    at->SeekToLast();
    const RecordId last = *RecordId::from_octets(at->key().ToStringView());

    const auto id_of_number = [&](std::uint32_t number) {
        return RecordId::make(first.time(), 0xE2E, number);
    };
    const auto with_own_id = [&](const RecordId& id, std::string octets) {
        record_pb::Record record;
        if (!record.ParseFromString(octets)) std::exit(75);
        record.set_id(std::string(rows::id_key(id)));
        return record.SerializeAsString();
    };
    const auto newer = [&](const RecordId& id) {
        record_pb::Record record;
        if (!record.ParseFromString(decision)) std::exit(75);
        record.set_id(std::string(rows::id_key(id)));
        record.set_version(99);
        return record.SerializeAsString();
    };
    std::string json;
    rocksdb::WriteBatch batch;
    rocksdb::WriteBatch refusal_batch;
    std::uint32_t number = 0;
    const auto plant = [&](std::string_view what, bool is_refusal, const auto& value_of) {
        const RecordId id = id_of_number(++number);
        const std::string value = value_of(id);
        const auto status =
            is_refusal ? refusal_batch.Put(refusals_use[RefusalTable::refusals], rows::id_key(id), value)
                       : batch.Put(use[MailTable::decisions], rows::id_key(id), value);
        if (!status.ok()) std::exit(75);
        json += fmt::format("\"{}\": \"{}\", ", what, id.to_string());
    };
    plant("garbage", false, [](const RecordId&) { return rows::encode_decision("\xFF\xFF no record \x01"); });
    plant("empty", false, [](const RecordId&) { return std::string(); });
    plant("of_no_version", false, [](const RecordId&) {
        return std::string("\x63 what a later version writes");
    });
    plant("nothing", false, [](const RecordId&) { return rows::encode_decision(""); });
    plant("truncated", false, [&](const RecordId& id) {
        std::string cut = with_own_id(id, decision);
        cut.resize(cut.size() * 2 / 3);
        // Not between two fields, where nobody could tell.
        while (record_pb::Record().ParseFromString(cut))
            cut.pop_back();
        return rows::encode_decision(cut);
    });
    plant("newer", false, [&](const RecordId& id) { return rows::encode_decision(newer(id)); });
    plant("refusal", true, [](const RecordId&) { return rows::encode_decision("\xFF\xFF no record \x01"); });
    plant("version_1", false, [&](const RecordId& id) {
        return of_version_1(use, id, with_own_id(id, decision), evidence);
    });
    // Damaged evidence of a decision that is whole.
    if (!batch.Put(use[MailTable::evidence], rows::id_key(last), "\1\xFF\xFF no evidence").ok()) return 75;
    json += fmt::format("\"without_evidence\": \"{}\"", last.to_string());
    if (!mail->write(use, batch, Database::Sync::yes)) return 75;
    if (!refusals->write(refusals_use, refusal_batch, Database::Sync::yes)) return 75;
    fmt::print("{{{}}}\n", json);
    return 0;
}
