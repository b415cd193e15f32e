// What people did about records that are read in the order of their ids: few have a label or were released,
// so the ledger is read beside them, and not asked for each. One thread.
#pragma once

#include "policy/record.hpp"
#include "store/store.hpp"

#include <array>
#include <vector>

namespace wicket {

class RecordMarks {
public:
    explicit RecordMarks(Store& store) : store_(store) {}

    /// Puts label and release into the record, whose id is not less than that of the record before. corrupt
    /// if what is noted of it cannot be read: it is as if there were nothing then.
    Result<> add_to(DecisionRecord& record);

private:
    /// One kind of notes, as far as they have been read.
    struct Notes {
        LedgerNote note;
        std::vector<RecordId> ids = {};
        std::size_t next = 0;
        bool is_last = false;
    };
    Result<bool> has(Notes& notes, const RecordId& id);

    Store& store_;
    std::array<Notes, 2> notes_{Notes{LedgerNote::labelled}, Notes{LedgerNote::released}};
};

}  // namespace wicket
