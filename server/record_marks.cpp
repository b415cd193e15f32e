#include "server/record_marks.hpp"

#include "server/aftermath_service.hpp"

namespace wicket {
namespace {

// 50 KB of ids: one read for all that people do in weeks.
constexpr std::size_t notes_at_once = 4096;

}  // namespace

Result<> RecordMarks::add_to(DecisionRecord& record) {
    bool is_marked = false;
    for (Notes& notes : notes_) {
        const auto found = has(notes, record.id);
        if (!found) return std::unexpected(found.error());
        is_marked |= *found;
    }
    return is_marked ? add_aftermath(store_, record) : Result<>();
}

Result<bool> RecordMarks::has(Notes& notes, const RecordId& id) {
    for (;;) {
        while (notes.next < notes.ids.size() && notes.ids[notes.next] < id)
            ++notes.next;
        if (notes.next < notes.ids.size()) return notes.ids[notes.next] == id;
        if (notes.is_last) return false;
        auto more = store_.quarantine().noted(notes.note, id, notes_at_once);
        if (!more) return std::unexpected(more.error());
        notes.is_last = more->size() < notes_at_once;
        notes.ids = std::move(*more);
        notes.next = 0;
    }
}

}  // namespace wicket
