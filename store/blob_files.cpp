#include "store/blob_files.hpp"

#include "base/log.hpp"
#include "store/database.hpp"

#include <rocksdb/env.h>
#include <rocksdb/file_system.h>

#include <vector>

namespace wicket {
namespace {

constexpr std::size_t piece_octets = 256U << 10U;

// 256 folders: a million files are 4,000 a folder.
std::string folder_name(unsigned octet) {
    const auto c = static_cast<char>(octet);
    return to_hex({&c, 1});
}

class FileSource : public BlobSource {
public:
    explicit FileSource(std::unique_ptr<rocksdb::FSSequentialFile> file) : file_(std::move(file)) {}

    Result<std::string> read(std::size_t limit_octets) override {
        std::string buffer(limit_octets, '\0');
        rocksdb::Slice got;
        const auto status = file_->Read(limit_octets, {}, &got, buffer.data(), nullptr);
        if (!status.ok()) return std::unexpected(to_error("cannot read a blob", status));
        if (got.data() != buffer.data()) return got.ToString();
        buffer.resize(got.size());
        return buffer;
    }

private:
    std::unique_ptr<rocksdb::FSSequentialFile> file_;
};

rocksdb::IOStatus sync_folder(rocksdb::FileSystem& files, const std::string& path) {
    std::unique_ptr<rocksdb::FSDirectory> folder;
    auto status = files.NewDirectory(path, {}, &folder, nullptr);
    if (status.ok()) status = folder->Fsync({}, nullptr);
    return status;
}

}  // namespace

BlobFiles::BlobFiles(std::string folder, rocksdb::Env* env) : folder_(std::move(folder)), env_(env) {}

std::string BlobFiles::subfolder(const RecordId& id) const {
    return folder_ + "/" + folder_name(id.octets()[9]);
}

std::string BlobFiles::path(const RecordId& id) const {
    return subfolder(id) + "/" + id.to_string();
}

Result<> BlobFiles::prepare() {
    auto& files = *env_->GetFileSystem();
    auto status = files.CreateDirIfMissing(folder_, {}, nullptr);
    for (unsigned octet = 0; octet < 256 && status.ok(); ++octet)
        status = files.CreateDirIfMissing(folder_ + "/" + folder_name(octet), {}, nullptr);
    if (status.ok()) status = sync_folder(files, folder_);
    if (status.ok()) status = sync_folder(files, folder_ + "/..");
    if (!status.ok()) return std::unexpected(to_error("cannot create " + folder_, status));
    return {};
}

Result<> BlobFiles::write_file(const std::string& path, const MessageBytes& body) const {
    rocksdb::FileOptions options;
    options.use_mmap_writes = false;
    std::unique_ptr<rocksdb::FSWritableFile> file;
    auto status = env_->GetFileSystem()->NewWritableFile(path, options, &file, nullptr);
    if (status.ok() && body.is_in_memory()) {
        status = file->Append(rocksdb::Slice(body.view()), {}, nullptr);
    } else {
        for (std::uint64_t offset = 0; status.ok() && offset < body.size();) {
            const auto piece = body.read(offset, piece_octets);
            if (!piece) return std::unexpected(piece.error());
            if (piece->empty()) return failure(ErrorCode::io, "the spool file of a message was cut short");
            status = file->Append(*piece, {}, nullptr);
            offset += piece->size();
        }
    }
    if (status.ok()) status = file->Fsync({}, nullptr);
    if (status.ok()) status = file->Close({}, nullptr);
    if (!status.ok()) return std::unexpected(to_error("cannot write " + path, status));
    return {};
}

Result<> BlobFiles::write(const RecordId& id, const MessageBytes& body) const {
    const std::string target = path(id);
    auto written = write_file(target, body);
    if (written) {
        const auto status = sync_folder(*env_->GetFileSystem(), subfolder(id));
        if (!status.ok()) written = std::unexpected(to_error("cannot sync the folder of " + target, status));
    }
    // A sync that failed is never tried again on the same file: the kernel may have forgotten the pages.
    if (!written) env_->GetFileSystem()->DeleteFile(target, {}, nullptr).PermitUncheckedError();
    return written;
}

void BlobFiles::remove(const RecordId& id) const {
    const auto status = env_->GetFileSystem()->DeleteFile(path(id), {}, nullptr);
    if (!status.ok() && !status.IsNotFound() && !status.IsPathNotFound())
        log_warning(
            "cannot remove a blob",
            {
                {"file",  path(id)         },
                {"error", status.ToString()}
        }
        );
}

Result<std::unique_ptr<BlobSource>> BlobFiles::open(const RecordId& id) const {
    rocksdb::FileOptions options;
    options.use_mmap_reads = false;
    std::unique_ptr<rocksdb::FSSequentialFile> file;
    const auto status = env_->GetFileSystem()->NewSequentialFile(path(id), options, &file, nullptr);
    if (!status.ok()) return std::unexpected(to_error("cannot open blob " + path(id), status));
    return std::make_unique<FileSource>(std::move(file));
}

Result<std::uint64_t> BlobFiles::sweep(const std::function<bool(const RecordId&)>& is_wanted) const {
    auto& files = *env_->GetFileSystem();
    std::uint64_t removed = 0;
    for (unsigned octet = 0; octet < 256; ++octet) {
        const std::string folder = folder_ + "/" + folder_name(octet);
        std::vector<std::string> names;
        const auto status = files.GetChildren(folder, {}, &names, nullptr);
        if (!status.ok()) return std::unexpected(to_error("cannot list " + folder, status));
        for (const std::string& name : names) {
            const auto id = RecordId::parse(name);
            const std::string found = folder + "/" + name;
            if (!id || (found == path(*id) && is_wanted(*id))) continue;
            files.DeleteFile(found, {}, nullptr).PermitUncheckedError();
            ++removed;
        }
    }
    return removed;
}

}  // namespace wicket
