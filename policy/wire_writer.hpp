// Writes the protobuf wire format straight into one string: the record is on the path of every message, and
// building message objects first costs several times as much. Borrows the string; one thread. Values that are
// zero or empty are not written, as in proto3.
#pragma once

#include <bit>
#include <cstdint>
#include <string>
#include <string_view>

namespace wicket {

class WireWriter {
public:
    explicit WireWriter(std::string& out) : out_(out) {}

    void number(int field, std::uint64_t value) {
        if (value == 0) return;
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
        tag(field, 1);
        for (unsigned shift = 0; shift < 64; shift += 8)
            out_ += static_cast<char>((bits >> shift) & 0xFFU);
    }
    void octets(int field, std::string_view value) {
        if (!value.empty()) element(field, value);
    }
    /// Of a repeated field: written even if it is empty.
    void element(int field, std::string_view value) {
        tag(field, 2);
        varint(value.size());
        out_ += value;
    }

    /// A message inside: what is written until end(begin()) is in it.
    std::size_t begin(int field) {
        tag(field, 2);
        out_ += '\0';
        return out_.size();
    }
    void end(std::size_t begun) {
        std::uint64_t length = out_.size() - begun;
        if (length < 0x80) {
            out_[begun - 1] = static_cast<char>(length);
            return;
        }
        // Most are short: one octet was left for the length, and the others move what follows.
        out_[begun - 1] = static_cast<char>((length & 0x7FU) | 0x80U);
        std::string rest;
        for (length >>= 7U; length >= 0x80; length >>= 7U)
            rest += static_cast<char>((length & 0x7FU) | 0x80U);
        rest += static_cast<char>(length);
        out_.insert(begun, rest);
    }

private:
    void tag(int field, unsigned type) { varint((static_cast<std::uint64_t>(field) << 3U) | type); }
    void varint(std::uint64_t value) {
        for (; value >= 0x80; value >>= 7U)
            out_ += static_cast<char>((value & 0x7FU) | 0x80U);
        out_ += static_cast<char>(value);
    }

    std::string& out_;
};

}  // namespace wicket
