#include "store/verify.hpp"

#include "store/message_reader.hpp"
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
        each(MailTable::mailboxes, "mailboxes", report, [&](std::string_view key, std::string_view value) {
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
        each(MailTable::messages, "messages", report, [&](std::string_view key, std::string_view value) {
            const auto id = RecordId::from_octets(key);
            const auto message = rows::decode_message(value);
            if (!id || !message)
                report("message " + (id ? id->to_string() : std::string("?")) + ": its row is damaged");
            else
                seen[*id].message = message;
        });
    }

private:
    template <class Visit>
    void each(MailTable table, const std::string& name, const Report& report, Visit visit) {
        const std::unique_ptr<rocksdb::Iterator> at(use_->NewIterator(options_, use_[table]));
        for (at->SeekToFirst(); at->Valid(); at->Next())
            visit(at->key().ToStringView(), at->value().ToStringView());
        if (!at->status().ok())
            report("the table `" + name + "` cannot be read to its end: " + at->status().ToString());
    }

    const Database::Use& use_;
    const rocksdb::Snapshot* snapshot_;
    rocksdb::ReadOptions options_;
};

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

Result<std::uint64_t> verify_mail(Database& database, BlobFiles& blobs, const Report& report) {
    std::map<RecordId, Seen> seen;
    {
        const auto use = database.use();
        if (!use) return failure(ErrorCode::unavailable, "the store is closed");
        Census(use).take(seen, report);
    }
    std::uint64_t read = 0;
    for (const auto& [id, what] : seen) {
        const std::string name = "message " + id.to_string() + ": ";
        if (!what.message) {
            report(name + "a mailbox has it, but its row is missing");
            continue;
        }
        if (what.message->references != what.rows)
            report(
                name + "it counts " + std::to_string(what.message->references) + " references and has " +
                std::to_string(what.rows)
            );
        if (const std::string fault = fault_of(database, blobs, id, *what.message); !fault.empty())
            report(name + fault);
        ++read;
    }
    return read;
}

}  // namespace wicket
