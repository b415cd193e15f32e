// The octets of one message as received, and their SHA-256. Small ones stand in memory, middling ones in a
// sealed memfd, large ones in an unnamed file of the spool; readers need not care. Shared, immutable, any
// thread. The writer that fills it lives with the SMTP receiver's data reader.
#pragma once

#include "base/file.hpp"
#include "base/result.hpp"
#include "base/sha256.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace wicket {

// Up to here a body travels inside the frame to a scan worker: measured faster than a memfd.
inline constexpr std::size_t message_inline_limit_octets = 128U << 10U;
// Up to here in a memfd; above in the spool.
inline constexpr std::size_t message_memory_limit_octets = 1U << 20U;

class MessageBytes {
public:
    MessageBytes(std::string octets, const Sha256& sha256)
        : text_(std::move(octets)), size_(text_.size()), sha256_(sha256) {}
    MessageBytes(FileDescriptor file, std::uint64_t size, const Sha256& sha256)
        : file_(std::move(file)), size_(size), sha256_(sha256) {}

    std::uint64_t size() const { return size_; }
    const Sha256& sha256() const { return sha256_; }
    bool is_in_memory() const { return !file_.is_open(); }
    /// All of it; only if is_in_memory().
    std::string_view view() const { return text_; }
    /// The memfd or spool file, to be read with pread; -1 if is_in_memory().
    int fd() const { return file_.get(); }
    /// Copies out `length` octets from `offset`, fewer at the end. May block on a spool file.
    Result<std::string> read(std::uint64_t offset, std::size_t length) const;

private:
    std::string text_;
    FileDescriptor file_;
    std::uint64_t size_;
    Sha256 sha256_;
};

using SharedMessage = std::shared_ptr<const MessageBytes>;

/// Fills a MessageBytes: memory, then memfd, then an O_TMPFILE in the spool folder; hashes as it goes. One
/// thread.
class MessageWriter {
public:
    /// `spool_folder`: state/spool.
    explicit MessageWriter(std::string spool_folder);
    ~MessageWriter();
    MessageWriter(MessageWriter&&) noexcept;
    MessageWriter& operator=(MessageWriter&&) noexcept;

    /// no_space or io if the memfd or file refuses; the writer is of no more use then.
    Result<> append(std::string_view octets);
    std::uint64_t size() const;
    Result<SharedMessage> finish();

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace wicket
