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

/// A group of alerts that one receiver gets together.
struct Notification {
    Labels group;               ///< the labels by which the alerts are grouped
    std::vector<Alert> alerts;  ///< firing alerts first, then by labels

    bool firing() const;
};

/// The notifications that one receiver has got and is still to get. A pure state machine: the caller passes
/// the times, in milliseconds since 1970. Not synchronised.
class DeliveryTable {
  public:
    struct Options {
        std::vector<std::string> group_by = {"alertname"};  ///< empty: all alerts together
        bool group_by_all = false;                          ///< one group for each alert
        bool send_resolved = true;
        std::int64_t group_wait_ms = 0;      ///< from a group's first alert to its first notification
        std::int64_t group_interval_ms = 0;  ///< least time between two notifications of one group
        std::int64_t repeat_ms = 4LL * 3'600'000;
        std::int64_t gather_ms = 0;
    };

    explicit DeliveryTable(Options options) : options_(std::move(options)) {}

    /// Takes an alert from the rules. True if this changed the state that must be saved.
    bool put(const Alert& alert, TimestampMs now);
    /// Resolves firing alerts that were not confirmed while they were valid. True if there was one.
    bool lapse(TimestampMs now);

    /// Decides which alerts are muted: silenced, or inhibited by another firing alert. Muting loses
    /// nothing: when a silence ends, alerts that still fire are sent again, and alerts that were sent as
    /// firing and have ended are sent as resolved. An alert that began and ended while muted is dropped.
    /// True if something changed.
    bool mute(const std::function<bool(const Labels&)>& silenced, const std::vector<InhibitRule>& inhibit,
              TimestampMs now);

    /// The notification that is due, oldest news first. Returns the same one until accept().
    std::optional<Notification> due(TimestampMs now) const;
    /// When due() will return a notification, if nothing else arrives.
    std::optional<TimestampMs> nextDue(TimestampMs now) const;
    /// Records that the receiver has accepted a notification.
    void accept(const Notification& notification, TimestampMs now);

    /// The number of unmuted alerts with news that the receiver has not got.
    std::size_t waiting() const;

    std::string save() const;
    Expected<void> restore(const std::string& saved, TimestampMs now);

  private:
    enum class Sent { nothing, firing, resolved };
    struct Entry {
        Alert alert;
        Sent sent = Sent::nothing;
        TimestampMs sent_at = 0;
        TimestampMs news_at = 0;      ///< when the unsent change arrived
        TimestampMs holds_until = 0;  ///< while firing, unless it is confirmed again
        std::int64_t holds_ms = 0;    ///< the validity at its last confirmation
        bool silenced = false;
        bool inhibited = false;
        TimestampMs unmuted_at = 0;  ///< 0: never muted

        bool muted() const { return silenced || inhibited; }
    };

    /// For each group with something due, when it is due.
    std::map<Labels, TimestampMs> dueGroups() const;
    bool hasNews(const Entry& entry) const;
    Labels groupOf(const Entry& entry) const;
    /// `group_sent_at`: when the group's last notification was accepted; 0: never.
    std::optional<TimestampMs> dueAt(const Entry& entry, TimestampMs group_sent_at) const;

    Options options_;
    std::map<Labels, Entry> entries_;
};

}  // namespace lapwing::notify
