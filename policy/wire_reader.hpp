// Reads the protobuf wire format field by field, without building message objects: what reads a million
// records looks at few of their fields. Borrows the octets; one thread. Whatever does not parse ends the
// reading and is told by is_good(): a caller reads while next() is true and asks then.
#pragma once

#include <bit>
#include <cstdint>
#include <string_view>

namespace wicket {

class WireReader {
public:
    explicit WireReader(std::string_view octets) : at_(octets.data()), end_(at_ + octets.size()) {}

    /// Goes to the next field; false at the end, and if what comes is no field.
    bool next() {
        if (at_ == end_ || !is_good_) return false;
        const std::uint64_t tag = varint();
        field_ = static_cast<int>(tag >> 3U);
        if (field_ == 0) return fail();
        switch (tag & 7U) {
            case 0: number_ = varint(); break;
            case 1: number_ = fixed(8); break;
            case 2: {
                const std::uint64_t length = varint();
                if (length > left()) return fail();
                octets_ = {at_, static_cast<std::size_t>(length)};
                at_ += length;
                break;
            }
            case 5: number_ = fixed(4); break;
            default: return fail();
        }
        return is_good_;
    }

    int field() const { return field_; }
    std::uint64_t number() const { return number_; }
    /// sint64.
    std::int64_t signed_number() const {
        return static_cast<std::int64_t>(number_ >> 1U) ^ -static_cast<std::int64_t>(number_ & 1U);
    }
    double real() const { return std::bit_cast<double>(number_); }
    std::string_view octets() const { return octets_; }
    bool is_good() const { return is_good_; }

private:
    bool fail() {
        is_good_ = false;
        return false;
    }
    std::size_t left() const { return static_cast<std::size_t>(end_ - at_); }
    std::uint64_t varint() {
        // Most tags, lengths and numbers are one octet.
        if (at_ != end_ && static_cast<unsigned char>(*at_) < 0x80) return static_cast<unsigned char>(*at_++);
        return long_varint();
    }
    std::uint64_t long_varint() {
        std::uint64_t value = 0;
        for (unsigned shift = 0; shift < 64 && at_ != end_; shift += 7) {
            const auto octet = static_cast<unsigned char>(*at_++);
            value |= static_cast<std::uint64_t>(octet & 0x7FU) << shift;
            if (octet < 0x80) return value;
        }
        is_good_ = false;
        return 0;
    }
    std::uint64_t fixed(std::size_t size) {
        std::uint64_t value = 0;
        if (left() < size) {
            is_good_ = false;
            return value;
        }
        for (std::size_t octet = 0; octet < size; ++octet)
            value |= static_cast<std::uint64_t>(static_cast<unsigned char>(*at_++)) << (8 * octet);
        return value;
    }

    const char* at_;
    const char* end_;
    std::string_view octets_;
    std::uint64_t number_ = 0;
    int field_ = 0;
    bool is_good_ = true;
};

}  // namespace wicket
