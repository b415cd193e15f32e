// One message on its way in: a DataReader, the writer it fills, and what it holds of the byte budget. Exists
// only between DATA or the first BDAT and the end of the message. One thread.
#pragma once

#include "base/message_bytes.hpp"
#include "receiver/byte_budget.hpp"
#include "receiver/data_reader.hpp"

#include <expected>
#include <optional>

namespace wicket {

class MessageIntake : private MessageSink {
public:
    /// `options` is borrowed for the intake's life.
    MessageIntake(DataReader::Framing framing, const ReceiverOptions& options, const ByteBudget& budget);
    MessageIntake(const MessageIntake&) = delete;
    MessageIntake& operator=(const MessageIntake&) = delete;

    DataReader& reader() { return reader_; }
    /// Whether the budget has room for the message to become this large, with what it holds already.
    bool has_room_for(std::uint64_t octets) const { return lease_.has_room_for(octets); }

    /// The whole message, once the reader has ended; the intake is of no more use. What it holds of the
    /// budget is given back when the last owner of the message lets go.
    std::expected<SharedMessage, MessageFault> finish();

private:
    MessageFault append(std::string_view octets) override;
    MessageFault keep(std::string_view octets);

    // nullopt once it has failed: others need what the message took, while its client sends the rest.
    std::optional<MessageWriter> writer_;
    ByteBudget::Lease lease_;
    DataReader reader_;
};

}  // namespace wicket
