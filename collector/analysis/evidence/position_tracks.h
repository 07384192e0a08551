#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "collector/analysis/evidence/databases.h"

namespace lapwing::analysis::evidence {

/// What a track follows.
enum class TrackKind {
    written,        ///< coordinates of a server's own binary log
    written_bytes,  ///< bytes written to a server's own binary log
    read,           ///< coordinates of the source's binary log, received by a channel
    applied,        ///< coordinates of the source's binary log, applied by a channel
    heartbeats,     ///< heartbeats received by a channel
    executed,       ///< GTIDs that a server has executed
    received,       ///< GTIDs that a channel has received
    binlog_state,   ///< GTIDs in a MariaDB's binary log, by domain and server
    answering,      ///< 1 while a server answers its agent, else 0
    beating,        ///< 1 while the agent of a server writes the heartbeat, else 0
};

struct TrackKey {
    std::string instance;
    TrackKind kind = TrackKind::written;
    std::string channel;  ///< "" for a track of the server
    std::string gtid;     ///< domain, UUID or "domain-server"; "" for other tracks
    auto operator<=>(const TrackKey&) const = default;
};

/// The samples of one series that feeds a track. Coordinates are two series with the same timestamps: the
/// file's number and the position in the file.
struct PositionSeries {
    TrackKey key;
    bool is_file_number = false;
    std::int64_t clock_offset_ms = 0;  ///< the collector's clock minus the agent's
    std::vector<Sample> samples;       ///< on the collector's clock; never empty
};

/// The channel of a replica's series: `connection_name` in mysqld_exporter's metrics, `channel_name` in
/// Lapwing's.
std::string channelName(const Labels& labels);

/// The metrics that feed tracks.
std::vector<const char*> positionMetrics();

/// The track that a series of one of those metrics feeds; nothing for other metrics. `samples` and
/// `clock_offset_ms` of the result are empty.
std::optional<PositionSeries> positionSeriesOf(const Labels& labels);

/// Keeps the tracks of all servers between reads, so that a read needs the latest samples only. Not
/// synchronised.
class PositionTracks {
  public:
    /// How far back tracks are kept.
    static constexpr std::int64_t kLengthMs = 6 * 3'600'000LL;

    /// An agent is catching up after an outage: `recent`, which starts at `from`, leaves a gap behind the
    /// kept samples.
    bool hasGap(const std::vector<PositionSeries>& recent, TimestampMs from) const;

    void clear() { tracks_.clear(); }
    /// Adds the samples that are newer than those added before.
    void add(const std::vector<PositionSeries>& series);
    /// Drops old points of long tracks, and tracks without a sample within kLengthMs.
    void thin(TimestampMs now);

    /// Copies the tracks to their servers and to those channels that exist.
    void copyTo(std::map<std::string, Database>& servers) const;

  private:
    struct Kept {
        Track track;
        /// Of the newest sample, on the agent's clock: the measured offset changes slightly between reads.
        TimestampMs newest = 0;
    };
    std::map<TrackKey, Kept> tracks_;
};

}  // namespace lapwing::analysis::evidence
