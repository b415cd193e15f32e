#include "store/message_reader.hpp"

#include "base/sha256.hpp"

#include <algorithm>
#include <utility>

namespace wicket {
namespace {

// One read of a blob file; a body in the database comes in one piece.
constexpr std::size_t read_ahead_octets = 128U << 10U;

class TextSource : public BlobSource {
public:
    explicit TextSource(std::string octets) : octets_(std::move(octets)) {}
    Result<std::string> read(std::size_t /*limit_octets*/) override { return std::exchange(octets_, {}); }

private:
    std::string octets_;
};

class ServedView : public MessageReader {
public:
    ServedView(
        rows::View view, const rows::Message& message, std::unique_ptr<BlobSource> source, std::uint64_t size
    )
        : cuts_(std::move(view.cuts)),
          message_(message),
          source_(std::move(source)),
          size_(size),
          unread_(size - view.prefix.size()),
          ready_(std::move(view.prefix)) {}

    std::uint64_t size_octets() const override { return size_; }

    Result<std::string> next(std::size_t limit_octets) override {
        limit_octets = std::max<std::size_t>(limit_octets, 1);
        // The end of the view may stand before the end of the body: go on to the checksum before it is given
        // out.
        while (!is_verified_ && (ready_.size() - taken_ < limit_octets || unread_ == 0)) {
            if (auto filled = fill(); !filled) {
                ready_.clear();
                taken_ = 0;
                return std::unexpected(filled.error());
            }
        }
        if (taken_ == 0 && ready_.size() <= limit_octets) return std::exchange(ready_, {});
        std::string piece = ready_.substr(taken_, limit_octets);
        taken_ += piece.size();
        if (taken_ == ready_.size()) {
            ready_.clear();
            taken_ = 0;
        }
        return piece;
    }

private:
    Result<> fill() {
        if (is_corrupt_) return corrupt();
        if (taken_ != 0) {
            ready_.erase(0, taken_);
            taken_ = 0;
        }
        if (offset_ < message_.size_octets) {
            auto piece = source_->read(read_ahead_octets);
            if (!piece) return std::unexpected(piece.error());
            if (piece->empty() || piece->size() > message_.size_octets - offset_) return corrupt();
            sha256_.add(*piece);
            append_uncut(*piece);
            offset_ += piece->size();
        }
        if (offset_ == message_.size_octets) {
            if (sha256_.finish() != message_.sha256) return corrupt();
            is_verified_ = true;
        }
        return {};
    }

    void append_uncut(std::string_view piece) {
        std::uint64_t at = offset_;
        const std::uint64_t end = offset_ + piece.size();
        while (at < end) {
            while (cut_ < cuts_.size() && cuts_[cut_].offset + cuts_[cut_].length <= at)
                ++cut_;
            const std::uint64_t keep_until =
                cut_ == cuts_.size() ? end : std::clamp(cuts_[cut_].offset, at, end);
            ready_.append(piece.substr(at - offset_, keep_until - at));
            unread_ -= keep_until - at;
            at = keep_until == end ? end : std::min(end, cuts_[cut_].offset + cuts_[cut_].length);
        }
    }

    Result<> corrupt() {
        is_corrupt_ = true;
        return failure(ErrorCode::corrupt, "the stored octets of a message do not have its checksum");
    }

    std::vector<CutRange> cuts_;
    rows::Message message_;
    std::unique_ptr<BlobSource> source_;
    std::uint64_t size_;
    std::uint64_t unread_;  // octets of the view not yet in ready_
    std::string ready_;     // to be given out from taken_ on
    std::size_t taken_ = 0;
    std::uint64_t offset_ = 0;  // octets of the body read
    std::size_t cut_ = 0;
    Sha256Stream sha256_;
    bool is_verified_ = false;
    bool is_corrupt_ = false;
};

}  // namespace

std::unique_ptr<BlobSource> source_of(std::string octets) {
    return std::make_unique<TextSource>(std::move(octets));
}

Result<std::unique_ptr<MessageReader>> make_message_reader(
    rows::View view, const rows::Message& message, std::unique_ptr<BlobSource> source
) {
    const auto size = rows::served_size(message.size_octets, view.prefix.size(), view.cuts);
    if (!size) return failure(ErrorCode::corrupt, "the cuts of a stored message do not fit its body");
    return std::make_unique<ServedView>(std::move(view), message, std::move(source), *size);
}

}  // namespace wicket
