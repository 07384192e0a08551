#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "collector/notify/inhibit.h"
#include "collector/notify/notifier.h"
#include "common/error.h"

namespace lapwing::notify {

/// Alerts that go to a receiver together.
struct Notification {
    Labels group;               ///< the labels that they were grouped by
    std::vector<Alert> alerts;  ///< firing ones first, then by labels

    bool firing() const;
};

/// What one receiver was told and is still to be told. A pure state machine: the times come from the caller,
/// in milliseconds since 1970. Not synchronised.
class DeliveryTable {
  public:
    struct Options {
        std::vector<std::string> group_by = {"alertname"};  ///< none: all alerts together
        bool group_by_all = false;                          ///< every alert by itself
        bool send_resolved = true;
        std::int64_t group_wait_ms = 0;      ///< from a group's first alert to its first notification
        std::int64_t group_interval_ms = 0;  ///< least time between two of one group
        std::int64_t repeat_ms = 4LL * 3'600'000;
        std::int64_t gather_ms = 0;
    };

    explicit DeliveryTable(Options options) : options_(std::move(options)) {}

    /// Takes what the rules say. True if there is something new (that the store must know).
    bool put(const Alert& alert, TimestampMs now);
    /// Firing alerts that nobody confirmed for as long as they hold are over. True if there was one.
    bool lapse(TimestampMs now);

    /// Decides which alerts are held back: silenced, or inhibited by another that fires. Nothing is lost by
    /// it: when a silence ends, what still fires is told again, and what was told as firing and is over is
    /// told as resolved. What began and ended unheard is forgotten. True if something changed.
    bool mute(const std::function<bool(const Labels&)>& silenced, const std::vector<InhibitRule>& inhibit,
              TimestampMs now);

    /// What is to be told now, the oldest news first. The same again until accept().
    std::optional<Notification> due(TimestampMs now) const;
    /// When due() will have something, if nothing else comes.
    std::optional<TimestampMs> nextDue(TimestampMs now) const;
    /// The receiver has taken it.
    void accept(const Notification& notification, TimestampMs now);

    /// Alerts with news that the receiver does not know and may know.
    std::size_t waiting() const;

    std::string save() const;
    Expected<void> restore(const std::string& saved, TimestampMs now);

  private:
    enum class Told { nothing, firing, resolved };
    struct Entry {
        Alert alert;
        Told told = Told::nothing;
        TimestampMs told_at = 0;
        TimestampMs news_at = 0;      ///< when what is not told yet came
        TimestampMs holds_until = 0;  ///< while firing, if nothing more is heard
        std::int64_t holds_ms = 0;    ///< how long that was when it was last heard of
        bool silenced = false;
        bool inhibited = false;
        TimestampMs unmuted_at = 0;  ///< 0: it never was muted

        bool muted() const { return silenced || inhibited; }
    };

    /// When something of each group is due, if anything.
    std::map<Labels, TimestampMs> dueGroups() const;
    bool hasNews(const Entry& entry) const;
    Labels groupOf(const Entry& entry) const;
    /// `group_told_at`: when its group was told of last; 0: never.
    std::optional<TimestampMs> dueAt(const Entry& entry, TimestampMs group_told_at) const;

    Options options_;
    std::map<Labels, Entry> entries_;
};

}  // namespace lapwing::notify
