// Writes the protobuf wire format straight into one string: the record is on the path of every message, and
// building message objects first costs several times as much. Borrows the string; one thread. Values that are
// zero or empty are not written, as in proto3. The string has its right length only after finish().
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace wicket {

class WireWriter {
public:
    explicit WireWriter(std::string& out) : out_(out) { out_.resize(first_size); }

    void number(int field, std::uint64_t value) {
        if (value == 0) return;
        reserve(2 * varint_limit);
        tag(field, 0);
        varint(value);
    }
    /// sint64: small negative numbers stay small.
    void signed_number(int field, std::int64_t value) {
        number(field, (static_cast<std::uint64_t>(value) << 1U) ^ static_cast<std::uint64_t>(value >> 63U));
    }
    void real(int field, double value) {
        const auto bits = std::bit_cast<std::uint64_t>(value);
        if (bits == 0) return;
        reserve(varint_limit + sizeof(bits));
        tag(field, 1);
        for (unsigned shift = 0; shift < 64; shift += 8)
            put((bits >> shift) & 0xFFU);
    }
    void octets(int field, std::string_view value) {
        if (!value.empty()) element(field, value);
    }
    /// Of a repeated field: written even if it is empty.
    void element(int field, std::string_view value) {
        reserve(2 * varint_limit + value.size());
        tag(field, 2);
        varint(value.size());
        if (!value.empty()) std::memcpy(out_.data() + size_, value.data(), value.size());
        size_ += value.size();
    }

    /// A message inside: what is written until end(begin()) is in it.
    std::size_t begin(int field) {
        reserve(varint_limit + 1);
        tag(field, 2);
        put(0);
        return size_;
    }
    void end(std::size_t begun) {
        const std::uint64_t length = size_ - begun;
        if (length < 0x80) {
            out_[begun - 1] = static_cast<char>(length);
            return;
        }
        // Most are short: one octet was left for the length, and the others move what follows.
        std::size_t more = 0;
        for (std::uint64_t rest = length >> 7U; rest != 0; rest >>= 7U)
            ++more;
        reserve(more);
        std::memmove(out_.data() + begun + more, out_.data() + begun, length);
        const std::size_t last = size_ + more;
        size_ = begun - 1;
        varint(length);
        size_ = last;
    }

    void finish() { out_.resize(size_); }

private:
    static constexpr std::size_t first_size = 2048;  // a usual record
    static constexpr std::size_t varint_limit = 10;

    void reserve(std::size_t more) {
        if (out_.size() - size_ < more) out_.resize(2 * (out_.size() + more));
    }
    void put(std::uint64_t octet) { out_[size_++] = static_cast<char>(octet); }
    void tag(int field, unsigned type) { varint((static_cast<std::uint64_t>(field) << 3U) | type); }
    void varint(std::uint64_t value) {
        for (; value >= 0x80; value >>= 7U)
            put((value & 0x7FU) | 0x80U);
        put(value);
    }

    std::string& out_;
    std::size_t size_ = 0;
};

}  // namespace wicket
