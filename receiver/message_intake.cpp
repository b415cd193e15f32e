#include "receiver/message_intake.hpp"

#include "base/log.hpp"

#include <utility>

namespace wicket {
namespace {

MessageFault fault_of(const Error& error) {
    log_error(
        "a message cannot be kept",
        {
            {"error", error.message}
    }
    );
    return error.code == ErrorCode::no_space ? MessageFault::no_space : MessageFault::failed;
}

/// A message and its share of the budget, which go together.
struct LeasedMessage {
    SharedMessage message;
    ByteBudget::Lease lease;
};

}  // namespace

MessageIntake::MessageIntake(
    DataReader::Framing framing, const ReceiverOptions& options, const ByteBudget& budget
)
    : writer_(options.spool_folder),
      lease_(budget.lease()),
      reader_(framing, options.bare_newline, options.limits, *this) {}

MessageFault MessageIntake::append(std::string_view octets) {
    const MessageFault fault = keep(octets);
    if (fault != MessageFault::none) {
        writer_.reset();
        lease_.give_back();
    }
    return fault;
}

MessageFault MessageIntake::keep(std::string_view octets) {
    if (lease_.grow_to(writer_->size() + octets.size()) == ByteBudget::Lease::Grant::exhausted)
        return MessageFault::budget_spent;
    if (const auto appended = writer_->append(octets); !appended) return fault_of(appended.error());
    return MessageFault::none;
}

std::expected<SharedMessage, MessageFault> MessageIntake::finish() {
    if (reader_.fault() != MessageFault::none) return std::unexpected(reader_.fault());
    auto message = writer_->finish();
    if (!message) return std::unexpected(fault_of(message.error()));
    const auto leased = std::make_shared<LeasedMessage>(std::move(*message), std::move(lease_));
    return SharedMessage(leased, leased->message.get());
}

}  // namespace wicket
