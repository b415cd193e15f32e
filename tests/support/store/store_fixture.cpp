#include "tests/support/store/store_fixture.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <future>
#include <random>
#include <thread>

namespace wicket::test {

RecordId new_id(WallTime time) {
    static std::atomic<std::uint32_t> next{1};
    return RecordId::make(time, 7, next.fetch_add(1));
}

std::string message_text(std::size_t octets, std::uint64_t seed) {
    std::mt19937_64 random(seed);
    std::string line =
        std::to_string(seed) + " " + std::to_string(random()) + " " + std::to_string(random()) + "\r\n";
    std::string text = "Subject: " + line + "\r\n";
    while (text.size() < octets)
        text += line;
    text.resize(octets);
    return text;
}

SharedMessage message_of(const std::string& text) {
    return std::make_shared<MessageBytes>(text, sha256_of(text));
}

Delivery delivery_to(const std::string& account, SharedMessage body, RecordId id) {
    Delivery delivery;
    delivery.id = id;
    delivery.time = id.time();
    delivery.body = std::move(body);
    delivery.rows.push_back({account, "INBOX", "Return-Path: <>\r\n", {}, MailboxOwner::nobody});
    delivery.record = {"record of " + id.to_string(), {}, {}};
    delivery.record_keys = {*IpAddress::parse("192.0.2.1"), "example.org", {account}, "default", "accept"};
    return delivery;
}

Result<std::vector<Uid>> deliver(MailStore& store, Delivery delivery) {
    std::promise<Result<std::vector<Uid>>> promise;
    auto outcome = promise.get_future();
    store.deliver(std::move(delivery), [&promise](Result<std::vector<Uid>> uids) {
        promise.set_value(std::move(uids));
    });
    return outcome.get();
}

Result<std::string> read_all(MessageReader& reader, std::size_t piece) {
    std::string all;
    for (;;) {
        auto got = reader.next(piece);
        if (!got) return got;
        if (got->empty()) return all;
        all += *got;
    }
}

ListedMailbox listed(MailStore& store, std::string_view account, std::string_view mailbox) {
    const auto listing = store.list(account, mailbox);
    return {std::string(account), std::string(mailbox), listing ? listing->uid_validity : 0};
}

Result<std::string> read_message(MailStore& store, std::string_view account, Uid uid) {
    auto reader = store.open_message(listed(store, account), uid);
    if (!reader) return std::unexpected(reader.error());
    return read_all(**reader);
}

std::unique_ptr<Store> open_store(StoreOptions options) {
    auto store = Store::open(std::move(options));
    if (!store) {
        ADD_FAILURE() << store.error().message;
        std::abort();
    }
    return std::move(*store);
}

namespace {

std::vector<std::string> files_of(
    const std::string& folder, std::vector<Database::Table> tables, std::size_t table
) {
    Database::Setup setup;
    setup.folder = folder;
    setup.tables = std::move(tables);
    setup.clock = &system_clock();
    const auto database = Database::open(std::move(setup));
    std::vector<std::string> files;
    if (!database) return files;
    const auto use = (*database)->use();
    rocksdb::ColumnFamilyMetaData about;
    use->GetColumnFamilyMetaData(use.table(table), &about);
    for (const auto& level : about.levels)
        for (const auto& file : level.files)
            files.push_back(folder + "/" + file.relative_filename);
    return files;
}

}  // namespace

std::vector<std::string> files_of(const std::string& folder, MailTable table) {
    return files_of(folder + "/mail", mail_tables(), static_cast<std::size_t>(table));
}

std::vector<std::string> files_of(const std::string& folder, RefusalTable table) {
    const std::chrono::hours retention{24 * 30};
    return files_of(
        folder + "/refusals", refusal_tables(1U << 30U, retention), static_cast<std::size_t>(table)
    );
}

void damage(const std::string& file, std::uint64_t offset) {
    std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
    stream.seekg(static_cast<std::streamoff>(offset));
    const auto octet = static_cast<char>(stream.get() ^ 1);
    stream.seekp(static_cast<std::streamoff>(offset));
    stream.put(octet);
    if (!stream) ADD_FAILURE() << "cannot damage " << file;
}

bool comes_true(const std::function<bool()>& is_so) {
    using namespace std::chrono_literals;
    for (int i = 0; i < 2000; ++i) {
        if (is_so()) return true;
        std::this_thread::sleep_for(10ms);
    }
    return false;
}

}  // namespace wicket::test
