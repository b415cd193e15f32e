#include "base/message_bytes.hpp"

#include "base/random.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

namespace wicket {
namespace {

// Appends are small; the file gets them in pieces of this size.
constexpr std::size_t flush_octets = 64U << 10U;

Result<> write_all(int fd, std::string_view octets) {
    while (!octets.empty()) {
        const auto written = ::write(fd, octets.data(), octets.size());
        if (written > 0) {
            octets.remove_prefix(static_cast<std::size_t>(written));
        } else if (errno != EINTR) {
            return system_failure("write message", errno);
        }
    }
    return {};
}

/// Up to `length` octets from `offset`; fewer only at the end of the file.
Result<std::string> read_at(int fd, std::uint64_t offset, std::size_t length) {
    std::string octets(length, '\0');
    std::size_t filled = 0;
    while (filled < length) {
        const auto at = static_cast<off_t>(offset + filled);
        const auto got = ::pread(fd, octets.data() + filled, length - filled, at);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return system_failure("read message", errno);
        if (got == 0) break;
        filled += static_cast<std::size_t>(got);
    }
    octets.resize(filled);
    return octets;
}

/// A file of `folder` without a name. Where the file system has no O_TMPFILE, one that is unlinked at once.
Result<FileDescriptor> open_unnamed(const std::string& folder) {
    FileDescriptor file(::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
    if (file.is_open()) return file;
    if (errno != EOPNOTSUPP && errno != EISDIR)
        return system_failure("create a spool file in " + folder, errno);
    const std::string path = fmt::format("{}/{:016x}.spool", folder, random_u64());
    file = FileDescriptor(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!file.is_open()) return system_failure("create " + path, errno);
    if (::unlink(path.c_str()) != 0) return system_failure("unlink " + path, errno);
    return file;
}

}  // namespace

Result<std::string> MessageBytes::read(std::uint64_t offset, std::size_t length) const {
    if (offset >= size_) return std::string();
    length = static_cast<std::size_t>(std::min<std::uint64_t>(length, size_ - offset));
    if (is_in_memory()) return text_.substr(static_cast<std::size_t>(offset), length);
    return read_at(file_.get(), offset, length);
}

struct MessageWriter::State {
    enum class Place : std::uint8_t { memory, memfd, spool };

    std::string spool_folder;
    Sha256Stream sha256;
    Place place = Place::memory;
    std::string pending;  // in memory: all of it; else what is not yet in the file
    FileDescriptor file;
    std::uint64_t size = 0;

    Result<> flush() {
        auto written = write_all(file.get(), pending);
        pending.clear();
        return written;
    }

    Result<> move_to_memfd() {
        file = FileDescriptor(::memfd_create("message", MFD_CLOEXEC | MFD_ALLOW_SEALING));
        if (!file.is_open()) return system_failure("create a memfd for a message", errno);
        place = Place::memfd;
        return {};
    }

    Result<> move_to_spool() {
        auto spool = open_unnamed(spool_folder);
        if (!spool) return std::unexpected(spool.error());
        for (std::uint64_t copied = 0;;) {
            const auto chunk = read_at(file.get(), copied, flush_octets);
            if (!chunk) return std::unexpected(chunk.error());
            if (chunk->empty()) break;
            if (auto written = write_all(spool->get(), *chunk); !written) return written;
            copied += chunk->size();
        }
        file = std::move(*spool);
        place = Place::spool;
        return {};
    }

    /// What a scan worker is handed can be read and nothing else.
    Result<> make_read_only() {
        if (place == Place::memfd) {
            constexpr int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL;
            if (::fcntl(file.get(), F_ADD_SEALS, seals) != 0) return system_failure("seal a message", errno);
            return {};
        }
        // A file without a name can be opened a second time only here.
        const std::string path = fmt::format("/proc/self/fd/{}", file.get());
        FileDescriptor reader(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
        if (!reader.is_open()) return system_failure("open " + path, errno);
        file = std::move(reader);
        return {};
    }
};

MessageWriter::MessageWriter(std::string spool_folder) : state_(std::make_unique<State>()) {
    state_->spool_folder = std::move(spool_folder);
}

MessageWriter::~MessageWriter() = default;
MessageWriter::MessageWriter(MessageWriter&&) noexcept = default;
MessageWriter& MessageWriter::operator=(MessageWriter&&) noexcept = default;

Result<> MessageWriter::append(std::string_view octets) {
    State& state = *state_;
    state.sha256.add(octets);
    state.size += octets.size();
    if (state.place == State::Place::memory && state.size > message_inline_limit_octets) {
        if (auto moved = state.move_to_memfd(); !moved) return moved;
    }
    if (state.place == State::Place::memfd && state.size > message_memory_limit_octets) {
        if (auto moved = state.move_to_spool(); !moved) return moved;
    }
    state.pending += octets;
    if (state.place == State::Place::memory || state.pending.size() < flush_octets) return {};
    return state.flush();
}

std::uint64_t MessageWriter::size() const {
    return state_->size;
}

Result<SharedMessage> MessageWriter::finish() {
    State& state = *state_;
    const Sha256 sha256 = state.sha256.finish();
    if (state.place == State::Place::memory)
        return std::make_shared<const MessageBytes>(std::move(state.pending), sha256);

    if (auto flushed = state.flush(); !flushed) return std::unexpected(flushed.error());
    if (auto sealed = state.make_read_only(); !sealed) return std::unexpected(sealed.error());
    return std::make_shared<const MessageBytes>(std::move(state.file), state.size, sha256);
}

}  // namespace wicket
