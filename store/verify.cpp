#include "store/verify.hpp"

#include "store/message_reader.hpp"
#include "store/record_cursor.hpp"
#include "store/record_rows.hpp"
#include "store/row_codec.hpp"
#include "store/tables.hpp"

#include <map>
#include <memory>
#include <optional>
#include <vector>

namespace wicket {
namespace {

using Report = std::function<void(const std::string&)>;

struct Seen {
    std::uint32_t rows = 0;  // entries of mailboxes that refer to it
    std::optional<rows::Message> message;
};

/// Visits all rows of a table and reports where that ends too early.
template <class Visit>
void scan(
    const Database::Use& use,
    std::size_t table,
    const rocksdb::ReadOptions& options,
    const Report& report,
    Visit visit
) {
    auto* const column = use.table(table);
    const std::unique_ptr<rocksdb::Iterator> at(use->NewIterator(options, column));
    for (at->SeekToFirst(); at->Valid(); at->Next())
        visit(at->key().ToStringView(), at->value().ToStringView());
    if (!at->status().ok())
        report("the table `" + column->GetName() + "` cannot be read to its end: " + at->status().ToString());
}

bool is_own_row(std::string_view key, std::string_view value) {
    if (key == rows::format_key) return rows::decode_format(value).has_value();
    if (key == rows::counters_key) return rows::decode_counters(value).has_value();
    if (key == rows::redaction_key) return rows::decode_redaction_key(value).has_value();
    if (const auto ledger = rows::parse_ledger_key(key))
        return ledger->first == rows::LedgerRow::kept ? rows::decode_kept(value).has_value()
                                                      : rows::decode_marks(value).has_value();
    return key == rows::probe_key || key == rows::kept_key;
}

/// Entries and messages at one moment, so that a delivery or an expunge meanwhile is no fault.
class Census {
public:
    explicit Census(const Database::Use& use)
        : use_(use), snapshot_(use.is_writer() ? use->GetSnapshot() : nullptr) {
        options_.snapshot = snapshot_;
        options_.fill_cache = false;
    }
    Census(const Census&) = delete;
    Census& operator=(const Census&) = delete;
    ~Census() {
        if (snapshot_ != nullptr) use_->ReleaseSnapshot(snapshot_);
    }

    void take(std::map<RecordId, Seen>& seen, const Report& report) {
        each(MailTable::mailboxes, report, [&](std::string_view key, std::string_view value) {
            if (key.starts_with("n")) {
                if (!rows::parse_mailbox_name_key(key) || !rows::decode_mailbox_name(value))
                    report("the name of a mailbox is damaged");
                return;
            }
            const auto entry = rows::decode_mailbox_entry(value);
            const auto place = rows::parse_mailbox_entry_key(key);
            if (!entry || !place) {
                report("a row of a mailbox is damaged");
                return;
            }
            seen[entry->id].rows += 1;
            std::string view;
            const auto status = use_->Get(
                options_, use_[MailTable::views], rows::view_key(place->first, place->second), &view
            );
            if (!status.ok() || !rows::decode_view(view))
                report(
                    "message " + entry->id.to_string() + ": the prefix and cuts of UID " +
                    std::to_string(place->second) + " cannot be read: " + status.ToString()
                );
        });
        each(MailTable::messages, report, [&](std::string_view key, std::string_view value) {
            const auto id = RecordId::from_octets(key);
            const auto message = rows::decode_message(value);
            if (!id || !message)
                report("message " + (id ? id->to_string() : std::string("?")) + ": its row is damaged");
            else
                seen[*id].message = message;
        });
        each(MailTable::accounts, report, [&](std::string_view key, std::string_view value) {
            if (!rows::decode_account(key, value))
                report("the account " + std::string(key) + ": its row is damaged");
        });
        each(MailTable::meta, report, [&](std::string_view key, std::string_view value) {
            if (!is_own_row(key, value))
                report("the row `" + std::string(key) + "` of the store's own is damaged");
        });
    }

private:
    template <class Visit>
    void each(MailTable table, const Report& report, Visit visit) {
        scan(use_, static_cast<std::size_t>(table), options_, report, visit);
    }

    const Database::Use& use_;
    const rocksdb::Snapshot* snapshot_;
    rocksdb::ReadOptions options_;
};

/// Goes on behind what cannot be read.
Result<> check_records(Database& database, std::size_t table, const Report& report) {
    for (RecordSpan span;;) {
        const auto piece = read_piece(database, table, span);
        if (!piece) return std::unexpected(piece.error());
        for (const ReadRecord& record : piece->records) {
            if (!record.value)
                report("from record " + record.id.to_string() + " on: " + record.value.error().message);
            else if (!rows::decode_decision(*record.value))
                report("record " + record.id.to_string() + " is damaged");
        }
        if (piece->is_last) return {};
        const auto next = successor(piece->records.back().id);
        if (!next) return {};
        span.from = *next;
    }
}

/// What stands beside the decisions.
void check_evidence(const Database& database, const RecordTables& tables, const Report& report) {
    const auto use = database.use();
    if (!use) return;
    rocksdb::ReadOptions options;
    options.fill_cache = false;
    for (const std::size_t table : {tables.evidence, tables.answers}) {
        scan(use, table, options, report, [&](std::string_view, std::string_view value) {
            if (!rows::decode_body(value)) report("the evidence of a record is damaged");
        });
    }
    scan(use, tables.index, options, report, [](std::string_view, std::string_view) {});
}

void check_refusals(const Database::Use& use, const Report& report) {
    rocksdb::ReadOptions options;
    options.fill_cache = false;
    const auto each = [&](RefusalTable table, auto visit) {
        scan(use, static_cast<std::size_t>(table), options, report, visit);
    };
    each(RefusalTable::meta, [&](std::string_view key, std::string_view value) {
        if (key == rows::format_key && !rows::decode_format(value))
            report("the format's row of the refusals is damaged");
    });
    each(RefusalTable::folds, [&](std::string_view key, std::string_view value) {
        const auto id = RecordId::from_octets(key);
        if (!id || !rows::decode_folded(value))
            report("record " + (id ? id->to_string() : std::string("?")) + ": its count is damaged");
    });
    each(RefusalTable::memory, [&](std::string_view, std::string_view value) {
        if (!rows::decode_remembered(value)) report("a row of what is remembered for a while is damaged");
    });
}

/// What no row led to: the rest of the tables' files.
void check_files(const Database& database, const Report& report) {
    const auto use = database.use();
    if (!use) return;
    // Whoever only reads may find a file gone that the writer has replaced meanwhile.
    if (const auto status = use->VerifyChecksum(); status.IsCorruption())
        report("a table of " + database.folder() + " is damaged: " + status.ToString());
}

/// Empty if its octets have its checksum, or if it was expunged meanwhile.
std::string fault_of(Database& database, BlobFiles& blobs, const RecordId& id, const rows::Message& message) {
    std::unique_ptr<BlobSource> source;
    const rocksdb::Slice key(rows::id_key(id));
    const auto is_gone = [&] {
        const auto use = database.use();
        std::string value;
        return !use || use->Get({}, use[MailTable::messages], key, &value).IsNotFound();
    };
    if (message.place == rows::BodyPlace::file) {
        auto file = blobs.open(id);
        if (!file) return is_gone() ? std::string() : file.error().message;
        source = std::move(*file);
    } else {
        std::string octets;
        rocksdb::Status status;
        {
            const auto use = database.use();
            if (!use) return "the store is closed";
            rocksdb::ReadOptions options;
            options.fill_cache = false;
            status = use->Get(options, use[MailTable::bodies], key, &octets);
        }
        if (!status.ok()) return is_gone() ? std::string() : status.ToString();
        if (!rows::decode_body(octets)) return "its octets are damaged";
        octets.erase(0, 1);
        source = source_of(std::move(octets));
    }
    auto reader = make_message_reader(rows::View(), message, std::move(source));
    if (!reader) return reader.error().message;
    for (;;) {
        const auto piece = (*reader)->next(1U << 20U);
        if (!piece) return piece.error().message;
        if (piece->empty()) return {};
    }
}

}  // namespace

Result<std::uint64_t> verify_store(
    Database& database, Database& refusals, BlobFiles& blobs, const Report& report
) {
    std::map<RecordId, Seen> seen;
    std::uint64_t faults = 0;
    const Report count = [&](const std::string& fault) {
        ++faults;
        report(fault);
    };
    {
        const auto use = database.use();
        if (!use) return failure(ErrorCode::unavailable, "the store is closed");
        Census(use).take(seen, count);
    }
    if (auto read = check_records(database, static_cast<std::size_t>(MailTable::decisions), count); !read)
        return std::unexpected(read.error());
    check_evidence(database, mail_records, count);
    std::uint64_t read = 0;
    for (const auto& [id, what] : seen) {
        const std::string name = "message " + id.to_string() + ": ";
        if (!what.message) {
            count(name + "a mailbox has it, but its row is missing");
            continue;
        }
        if (what.message->references != what.rows)
            count(
                name + "it counts " + std::to_string(what.message->references) + " references and has " +
                std::to_string(what.rows)
            );
        if (const std::string fault = fault_of(database, blobs, id, *what.message); !fault.empty())
            count(name + fault);
        ++read;
    }
    if (faults == 0) check_files(database, report);

    faults = 0;
    if (auto checked = check_records(refusals, static_cast<std::size_t>(RefusalTable::refusals), count);
        !checked)
        return std::unexpected(checked.error());
    check_evidence(refusals, refusal_records, count);
    {
        const auto use = refusals.use();
        if (!use) return failure(ErrorCode::unavailable, "the store is closed");
        check_refusals(use, count);
    }
    if (faults == 0) check_files(refusals, report);
    return read;
}

}  // namespace wicket
