// How many octets of messages may be in memory and in the spool, over all sessions of the server. Shared by
// all loops; the counters are exact at every moment, so that no burst of sessions gets past a limit together.
// Listeners count together, each up to limits of its own. A lease gives its octets back when it dies, and may
// outlive the budget.
#pragma once

#include <cstdint>
#include <memory>

namespace wicket {

class ByteBudget {
    struct Counters;

public:
    ByteBudget(std::uint64_t memory_limit_octets, std::uint64_t spool_limit_octets);
    /// Counts together with this one, but refuses at other limits.
    ByteBudget with_limits(std::uint64_t memory_limit_octets, std::uint64_t spool_limit_octets) const;

    /// What one message holds of the budget: memory while it is small, spool once MessageWriter moves it
    /// there (message_memory_limit_octets). One thread at a time.
    class Lease {
    public:
        Lease(Lease&& other) noexcept;
        Lease& operator=(Lease&& other) noexcept;
        ~Lease();

        enum class Grant : std::uint8_t { granted, exhausted };
        /// Makes the lease as large as the whole message is now. exhausted: nothing has changed.
        Grant grow_to(std::uint64_t octets);
        /// Whether grow_to() would be granted now.
        bool has_room_for(std::uint64_t octets) const;
        /// Makes it a lease of nothing.
        void give_back();

    private:
        friend class ByteBudget;
        explicit Lease(const ByteBudget& budget);

        std::shared_ptr<Counters> counters_;
        std::uint64_t memory_limit_octets_;
        std::uint64_t spool_limit_octets_;
        std::uint64_t memory_octets_ = 0;
        std::uint64_t spool_octets_ = 0;
    };

    /// A lease of nothing.
    Lease lease() const;
    /// Whether a new message of this size would fit now. Reserves nothing: what a client only announces must
    /// not keep out those who send.
    bool has_room_for(std::uint64_t octets) const;

    std::uint64_t memory_octets() const;
    std::uint64_t spool_octets() const;

private:
    std::shared_ptr<Counters> counters_;
    std::uint64_t memory_limit_octets_;
    std::uint64_t spool_limit_octets_;
};

}  // namespace wicket
