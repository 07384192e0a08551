#pragma once

#include <array>
#include <optional>
#include <string_view>

#include "collector/analysis/evidence/databases.h"
#include "collector/analysis/replication/cause.h"
#include "common/database_errors.h"
#include "common/database_states.h"

namespace lapwing::analysis::replication {

/// The causes that a server states itself. They come before everything that is inferred. docs/replication.md
/// has the same tables; a test compares both.

/// A phrase of an error's text that decides, whatever the number is. The first match counts.
struct StatedPhrase {
    std::string_view phrase;
    Cause cause;
};

inline constexpr std::array kStatedPhrases{
    StatedPhrase{"No space left on device", Cause::disk_full},
    StatedPhrase{"rrno: 28", Cause::disk_full},
    StatedPhrase{"Errcode: 28", Cause::disk_full},
    StatedPhrase{"max_allowed_packet", Cause::packet_too_large},
    StatedPhrase{"equal MySQL server", Cause::duplicate_server_id},
    StatedPhrase{"equal MariaDB server", Cause::duplicate_server_id},
    StatedPhrase{"with the same server_uuid", Cause::duplicate_server_id},
    StatedPhrase{"with the same server_id", Cause::duplicate_server_id},
    StatedPhrase{"same server id", Cause::duplicate_server_id},
    StatedPhrase{"slave has diverged", Cause::errant_transactions},
    StatedPhrase{"has probably diverged", Cause::errant_transactions},
    StatedPhrase{"not in the master's binlog", Cause::errant_transactions},
    StatedPhrase{"more GTIDs than", Cause::errant_transactions},
    StatedPhrase{"binlog on the master is missing the GTID", Cause::errant_transactions},
    StatedPhrase{"purged required binary logs", Cause::binlog_purged},
    StatedPhrase{"Could not find first log file name", Cause::binlog_purged},
    StatedPhrase{"Could not find GTID state requested", Cause::binlog_purged},
    StatedPhrase{"Binary log is not open", Cause::configuration_mismatch},
    StatedPhrase{"Misconfigured", Cause::configuration_mismatch},
    StatedPhrase{"GTID_MODE", Cause::configuration_mismatch},
    StatedPhrase{"gtid-mode", Cause::configuration_mismatch},
    StatedPhrase{"replication events with the checksum", Cause::configuration_mismatch},
};

/// The cause of an error: by its text, then by its number. Nothing where the server does not say enough: the
/// connection failed, or the applier stopped at a statement.
std::optional<Cause> statedCause(const evidence::ThreadError& error);

/// The cause that belongs to the number, if the text has none of the phrases.
std::optional<Cause> causeOfClass(database::ErrorClass kind);

/// The cause of a wait; nothing for a wait that is normal. A replica's thread waits, or on the primary a
/// client's commit.
std::optional<Cause> causeOfWait(database::WaitReason reason);

/// The class of the first error that has one.
std::optional<database::ErrorClass> classOf(const evidence::ThreadError& error);

}  // namespace lapwing::analysis::replication
