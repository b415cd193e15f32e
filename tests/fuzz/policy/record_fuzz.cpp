// Octets of the store read as a decision record: an error, or a record that can be told in every form, and
// that stays the same when it is written and read again.
#include "policy/record_query.hpp"
#include "policy/record_story.hpp"
#include "policy/sender_letter.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view octets(reinterpret_cast<const char*>(data), size);
    // The name of an answer that is kept apart stands for its octets.
    const auto stored = wicket::decode_record(
        octets, [](std::string_view name) -> wicket::Result<std::string> { return std::string(name); }
    );
    if (!stored) {
        if (stored.error().code != wicket::ErrorCode::corrupt) std::abort();
        return 0;
    }
    const std::string json = wicket::record_to_json(*stored, wicket::RecordJson::full);
    if (wicket::record_to_line(*stored).find('\n') != std::string::npos) std::abort();
    static_cast<void>(wicket::record_to_story(*stored, {}));
    static_cast<void>(wicket::sender_letter(stored->record));
    static const auto query = wicket::RecordQuery::parse(
        {"verdict:reject", "-ip:192.0.2.0/24", "from:*@*", "fact:*=*a*", "score>-5", "fact:message.size>1"},
        wicket::WallTime{}
    );
    static_cast<void>(query->matches(*stored));
    for (const wicket::RecordRecipient& recipient : stored->record.recipients)
        static_cast<void>(wicket::facts_of(stored->record, recipient));
    const auto again = wicket::decode_record(wicket::encode_record(stored->record, stored->dictionary));
    const std::string second =
        again ? wicket::record_to_json(*again, wicket::RecordJson::full) : again.error().message;
    if (second != json) {
        std::fprintf(stderr, "written again, it differs:\n%s\n%s\n", json.c_str(), second.c_str());
        std::abort();
    }
    return 0;
}
