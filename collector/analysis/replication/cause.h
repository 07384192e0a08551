#pragma once

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>

#include "common/enum_names.h"

namespace lapwing::analysis::replication {

/// How a channel is.
enum class State {
    ok,
    lagging,
    delayed,  ///< deliberately
    at_risk,  ///< data flow or need not, and something else is wrong
    broken,
    unknown,
};

inline constexpr std::array kStateNames{
    EnumName<State>{State::ok, "ok"},           EnumName<State>{State::lagging, "lagging"},
    EnumName<State>{State::delayed, "delayed"}, EnumName<State>{State::at_risk, "at_risk"},
    EnumName<State>{State::broken, "broken"},   EnumName<State>{State::unknown, "unknown"},
};

inline const char* stateName(State state) {
    return nameOf(kStateNames, state);
}

/// Data arrive from the primary and are applied.
inline bool dataFlow(State state) {
    return state != State::broken && state != State::unknown;
}

/// The part of a channel that does not do its work.
enum class BrokenPart { none, primary, network, receiver, applier };

inline constexpr std::array kBrokenPartNames{
    EnumName<BrokenPart>{BrokenPart::none, ""},
    EnumName<BrokenPart>{BrokenPart::primary, "primary"},
    EnumName<BrokenPart>{BrokenPart::network, "network"},
    EnumName<BrokenPart>{BrokenPart::receiver, "receiver"},
    EnumName<BrokenPart>{BrokenPart::applier, "applier"},
};

inline const char* brokenPartName(BrokenPart part) {
    return nameOf(kBrokenPartNames, part);
}

/// Why a channel is in its state.
enum class Cause {
    healthy,
    applier_slow,
    blocked,
    relay_log_full,
    delayed_deliberately,
    both_writable,
    errant_transactions,
    duplicate_server_id,
    clock_skew,
    heartbeat_dead,
    leftover_channel,
    receiver_stopped,
    applier_stopped,
    credentials,
    too_many_connections,
    tls,
    protocol,
    packet_too_large,
    binlog_purged,
    binlog_damaged,
    relay_log_damaged,
    configuration_mismatch,
    disk_full,
    commit_waits,
    network,
    receiver_stalled,
    primary_down,
    not_configured,
    unknown,
};

/// What belongs to a cause.
struct CauseProperties {
    Cause cause;
    const char* name;
    State state;             ///< of a channel with this cause
    BrokenPart broken_part;  ///< of a channel with this cause
    /// The receiver's error can give this cause, too: the state is then `broken`, the part the receiver.
    bool stops_receiver = false;
};

/// Every cause, once. docs/replication.md lists them by state; a test compares both.
inline constexpr std::array kCauses{
    CauseProperties{Cause::healthy, "healthy", State::ok, BrokenPart::none},
    CauseProperties{Cause::applier_slow, "applier_slow", State::lagging, BrokenPart::applier},
    CauseProperties{Cause::blocked, "blocked", State::lagging, BrokenPart::applier},
    CauseProperties{Cause::relay_log_full, "relay_log_full", State::lagging, BrokenPart::applier},
    CauseProperties{Cause::delayed_deliberately, "delayed_deliberately", State::delayed, BrokenPart::none},
    CauseProperties{Cause::both_writable, "both_writable", State::at_risk, BrokenPart::none},
    CauseProperties{Cause::errant_transactions, "errant_transactions", State::at_risk, BrokenPart::none,
                    true},
    CauseProperties{Cause::duplicate_server_id, "duplicate_server_id", State::at_risk, BrokenPart::none,
                    true},
    CauseProperties{Cause::clock_skew, "clock_skew", State::at_risk, BrokenPart::none},
    CauseProperties{Cause::heartbeat_dead, "heartbeat_dead", State::at_risk, BrokenPart::none},
    CauseProperties{Cause::leftover_channel, "leftover_channel", State::at_risk, BrokenPart::none},
    CauseProperties{Cause::receiver_stopped, "receiver_stopped", State::broken, BrokenPart::receiver},
    CauseProperties{Cause::applier_stopped, "applier_stopped", State::broken, BrokenPart::applier},
    CauseProperties{Cause::credentials, "credentials", State::broken, BrokenPart::receiver, true},
    CauseProperties{Cause::too_many_connections, "too_many_connections", State::broken, BrokenPart::primary,
                    true},
    CauseProperties{Cause::tls, "tls", State::broken, BrokenPart::receiver, true},
    CauseProperties{Cause::protocol, "protocol", State::broken, BrokenPart::receiver, true},
    CauseProperties{Cause::packet_too_large, "packet_too_large", State::broken, BrokenPart::receiver, true},
    CauseProperties{Cause::binlog_purged, "binlog_purged", State::broken, BrokenPart::receiver, true},
    CauseProperties{Cause::binlog_damaged, "binlog_damaged", State::broken, BrokenPart::primary, true},
    CauseProperties{Cause::relay_log_damaged, "relay_log_damaged", State::broken, BrokenPart::applier, true},
    CauseProperties{Cause::configuration_mismatch, "configuration_mismatch", State::broken,
                    BrokenPart::receiver, true},
    CauseProperties{Cause::disk_full, "disk_full", State::broken, BrokenPart::applier, true},
    CauseProperties{Cause::commit_waits, "commit_waits", State::broken, BrokenPart::primary},
    CauseProperties{Cause::network, "network", State::broken, BrokenPart::network},
    CauseProperties{Cause::receiver_stalled, "receiver_stalled", State::broken, BrokenPart::receiver},
    CauseProperties{Cause::primary_down, "primary_down", State::broken, BrokenPart::primary},
    CauseProperties{Cause::not_configured, "not_configured", State::broken, BrokenPart::receiver},
    CauseProperties{Cause::unknown, "unknown", State::unknown, BrokenPart::none},
};

inline const CauseProperties& propertiesOf(Cause cause) {
    const auto* found = std::find_if(kCauses.begin(), kCauses.end(),
                                     [&](const CauseProperties& row) { return row.cause == cause; });
    return found == kCauses.end() ? kCauses.back() : *found;
}

inline const char* causeName(Cause cause) {
    return propertiesOf(cause).name;
}

/// Nothing for a name that no cause has.
inline std::optional<Cause> parseCause(std::string_view name) {
    for (const auto& row : kCauses) {
        if (name == row.name) {
            return row.cause;
        }
    }
    return std::nullopt;
}

/// Nothing for a name that no state has.
inline std::optional<State> parseState(std::string_view name) {
    return valueOf(kStateNames, name);
}

}  // namespace lapwing::analysis::replication
