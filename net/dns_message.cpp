#include "net/dns_message.hpp"

#include "base/text.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

namespace wicket {

namespace {

constexpr std::size_t name_limit_octets = 255;  // RFC 1035 section 2.3.4, in wire form
constexpr std::uint16_t class_in = 1;
constexpr int rcode_no_such_name = 3;

struct Name {
    std::string text;     // lower case, no dot at the end
    bool is_text = true;  // false: a label holds a dot or NUL, so that `text` would be ambiguous
};

struct Record {
    Name owner;
    std::uint16_t type = 0;
    std::uint32_t ttl = 0;
    std::size_t data_at = 0;
    std::size_t data_octets = 0;
};

// Reads from front to back; after a step over the end everything fails.
class Reader {
public:
    explicit Reader(std::string_view message, std::size_t at = 0) : message_(message), at_(at) {}

    bool has_failed() const { return has_failed_; }
    std::size_t at() const { return at_; }

    void skip(std::size_t octets) {
        if (octets > message_.size() - at_) return fail();
        at_ += octets;
    }
    std::uint32_t number(int octets) {
        if (static_cast<std::size_t>(octets) > message_.size() - at_) {
            fail();
            return 0;
        }
        std::uint32_t value = 0;
        for (int i = 0; i < octets; ++i)
            value = value << 8U | static_cast<unsigned char>(message_[at_++]);
        return value;
    }
    Name name();
    Record record();

private:
    void fail() {
        has_failed_ = true;
        at_ = message_.size();
    }

    std::string_view message_;
    std::size_t at_;
    bool has_failed_ = false;
};

// RFC 1035 section 4.1.4. A pointer must lead to before the part it stands in; so there is no loop.
Name Reader::name() {
    Name name;
    std::size_t at = at_;
    std::size_t bound = at_;
    std::size_t wire_octets = 1;
    bool is_behind_pointer = false;
    for (;;) {
        if (at >= message_.size()) break;
        const auto length = static_cast<unsigned char>(message_[at]);
        if (length == 0) {
            if (!is_behind_pointer) at_ = at + 1;
            return name;
        }
        if ((length & 0xC0U) == 0xC0U) {
            if (at + 1 >= message_.size()) break;
            const std::size_t target = (length & 0x3FU) << 8U | static_cast<unsigned char>(message_[at + 1]);
            if (target >= bound) break;
            if (!is_behind_pointer) at_ = at + 2;
            is_behind_pointer = true;
            at = bound = target;
            continue;
        }
        wire_octets += length + 1U;
        if (length > 63 || length > message_.size() - at - 1 || wire_octets > name_limit_octets) break;
        const auto label = message_.substr(at + 1, length);
        for (const char c : label) {
            if (c == '.' || c == '\0') name.is_text = false;
        }
        if (!name.text.empty()) name.text += '.';
        std::ranges::transform(label, std::back_inserter(name.text), [](char c) { return lower_case(c); });
        at += length + 1U;
    }
    fail();
    return name;
}

Record Reader::record() {
    Record record;
    record.owner = name();
    record.type = static_cast<std::uint16_t>(number(2));
    const auto record_class = number(2);
    record.ttl = number(4);
    // RFC 2181 section 8: the sign bit set means 0.
    if (record.ttl > 0x7FFFFFFFU) record.ttl = 0;
    record.data_octets = number(2);
    record.data_at = at_;
    skip(record.data_octets);
    if (record_class != class_in) record.type = 0;
    return record;
}

DnsAnswer nonsense() {
    DnsAnswer answer;
    answer.reason = "malformed answer";
    return answer;
}

enum class Conversion : std::uint8_t { fine, skipped, malformed };

// RFC 1035 section 3.3.14: one or more strings; RFC 7208 section 3.3 joins them without spaces.
Conversion convert_text(std::string_view data, std::string& out) {
    while (!data.empty()) {
        const std::size_t length = static_cast<unsigned char>(data.front());
        data.remove_prefix(1);
        if (length > data.size()) return Conversion::malformed;
        out += data.substr(0, length);
        data.remove_prefix(length);
    }
    return Conversion::fine;
}

Conversion convert_name(
    std::string_view message, const Record& record, std::size_t prefix, std::string& out
) {
    if (record.data_octets < prefix) return Conversion::malformed;
    out = message.substr(record.data_at, prefix);
    Reader reader(message, record.data_at + prefix);
    auto name = reader.name();
    if (reader.has_failed() || reader.at() != record.data_at + record.data_octets)
        return Conversion::malformed;
    out += name.text;
    return name.is_text ? Conversion::fine : Conversion::skipped;
}

Conversion convert(std::string_view message, const Record& record, DnsType type, std::string& out) {
    const auto data = message.substr(record.data_at, record.data_octets);
    switch (type) {
        case DnsType::a: out = data; return data.size() == 4 ? Conversion::fine : Conversion::malformed;
        case DnsType::aaaa: out = data; return data.size() == 16 ? Conversion::fine : Conversion::malformed;
        case DnsType::txt:
        case DnsType::spf: return convert_text(data, out);
        case DnsType::ptr:
        case DnsType::ns:
        case DnsType::cname: return convert_name(message, record, 0, out);
        case DnsType::mx: return convert_name(message, record, 2, out);
        default: out = data; return Conversion::fine;
    }
}

// Fills in status, records and ttl of a message without error. `name` is where the aliases have led.
bool collect(
    std::string_view message,
    const std::vector<Record>& records,
    DnsType type,
    const std::string& name,
    DnsAnswer& answer
) {
    std::size_t octets = 0;
    for (const auto& record : records) {
        const bool is_wanted = record.type == static_cast<std::uint16_t>(type) && record.owner.is_text &&
                               record.owner.text == name;
        if (!is_wanted || answer.records.size() == dns_records_limit) continue;
        std::string value;
        const auto conversion = convert(message, record, type, value);
        if (conversion == Conversion::malformed) return false;
        if (conversion == Conversion::skipped || octets + value.size() > dns_answer_limit_octets) continue;
        octets += value.size();
        answer.ttl_seconds = std::min(answer.ttl_seconds, record.ttl);
        answer.records.push_back(std::move(value));
    }
    return true;
}

// RFC 2308 section 5: the lesser of the SOA's own TTL and its MINIMUM.
std::uint32_t negative_ttl(std::string_view message, const Record& soa) {
    if (soa.data_octets < 20) return 0;
    Reader reader(message, soa.data_at + soa.data_octets - 4);
    return std::min(soa.ttl, reader.number(4));
}

}  // namespace

std::string to_master_form(std::string_view name) {
    std::string out;
    out.reserve(name.size() + 1);
    for (const char c : name) {
        const auto octet = static_cast<unsigned char>(c);
        if (octet > 0x20 && octet < 0x7F && c != '\\' && c != '"' && c != ';' && c != '(' && c != ')') {
            out += c;
            continue;
        }
        out += '\\';
        for (const unsigned divisor : {100U, 10U, 1U})
            out += static_cast<char>('0' + octet / divisor % 10U);
    }
    out += '.';
    return out;
}

std::string rcode_name(int rcode) {
    static constexpr std::array<std::string_view, 6> names = {
        "NOERROR",
        "FORMERR",
        "SERVFAIL",
        "NXDOMAIN",
        "NOTIMP",
        "REFUSED",
    };
    if (rcode >= 0 && static_cast<std::size_t>(rcode) < names.size()) {
        return std::string(names[static_cast<std::size_t>(rcode)]);
    }
    return "RCODE " + std::to_string(rcode);
}

DnsAnswer parse_dns_answer(const DnsQuestion& question, std::string_view message) {
    Reader reader(message);
    reader.skip(2);
    const int rcode = static_cast<int>(reader.number(2) & 0xFU);
    const auto questions = reader.number(2);
    const auto answers = reader.number(2);
    const auto authorities = reader.number(2);
    reader.skip(2);
    if (reader.has_failed()) return nonsense();
    if (rcode != 0 && rcode != rcode_no_such_name) {
        DnsAnswer answer;
        answer.reason = rcode_name(rcode);
        return answer;
    }
    for (std::uint32_t i = 0; i < questions && !reader.has_failed(); ++i) {
        reader.name();
        reader.skip(4);
    }
    std::vector<Record> records;
    for (std::uint32_t i = 0; i < answers && !reader.has_failed(); ++i)
        records.push_back(reader.record());
    if (reader.has_failed()) return nonsense();

    DnsAnswer answer;
    answer.ttl_seconds = 0x7FFFFFFF;
    std::string name = question.name;
    for (int i = 0; question.type != DnsType::cname && i < dns_aliases_limit; ++i) {
        const auto alias = std::ranges::find_if(records, [&](const Record& record) {
            return record.type == static_cast<std::uint16_t>(DnsType::cname) && record.owner.is_text &&
                   record.owner.text == name;
        });
        if (alias == records.end()) break;
        const auto converted = convert_name(message, *alias, 0, name);
        if (converted == Conversion::malformed) return nonsense();
        if (converted == Conversion::skipped) break;
        answer.ttl_seconds = std::min(answer.ttl_seconds, alias->ttl);
    }
    if (rcode == 0 && !collect(message, records, question.type, name, answer)) return nonsense();
    if (!answer.records.empty()) {
        answer.status = DnsStatus::found;
        return answer;
    }
    answer.status = rcode == rcode_no_such_name ? DnsStatus::no_such_name : DnsStatus::no_data;
    std::uint32_t ttl = 0;
    for (std::uint32_t i = 0; i < authorities && !reader.has_failed(); ++i) {
        const auto record = reader.record();
        if (reader.has_failed() || record.type != static_cast<std::uint16_t>(DnsType::soa)) continue;
        ttl = negative_ttl(message, record);
        break;
    }
    answer.ttl_seconds = std::min(answer.ttl_seconds, ttl);
    return answer;
}

}  // namespace wicket
