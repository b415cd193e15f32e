// Bodies too large for the write-ahead log, one file each under state/blobs (format.md). All of it goes
// through RocksDB's file system, so that the power-cut test covers it. Any thread.
#pragma once

#include "base/message_bytes.hpp"
#include "base/record_id.hpp"
#include "base/result.hpp"

#include <functional>
#include <memory>
#include <string>

namespace rocksdb {
class Env;
}

namespace wicket {

/// Reads one file from its beginning. One thread.
class BlobSource {
public:
    virtual ~BlobSource() = default;
    /// At most `limit_octets`; empty at the end.
    virtual Result<std::string> read(std::size_t limit_octets) = 0;
};

class BlobFiles {
public:
    /// `folder`: state/blobs.
    BlobFiles(std::string folder, rocksdb::Env* env);

    /// Makes the folders that are missing, and syncs them.
    Result<> prepare();
    /// Synced, file and folder, when it returns; nothing is left if it fails. no_space, io.
    Result<> write(const RecordId& id, const MessageBytes& body) const;
    /// A file that cannot be removed is left for the next sweep.
    void remove(const RecordId& id) const;
    Result<std::unique_ptr<BlobSource>> open(const RecordId& id) const;
    /// Removes every file that `is_wanted` does not want; how many.
    Result<std::uint64_t> sweep(const std::function<bool(const RecordId&)>& is_wanted) const;

private:
    std::string subfolder(const RecordId& id) const;
    std::string path(const RecordId& id) const;
    Result<> write_file(const std::string& path, const MessageBytes& body) const;

    std::string folder_;
    rocksdb::Env* env_;
};

}  // namespace wicket
