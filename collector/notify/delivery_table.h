#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "collector/notify/failures.h"
#include "collector/notify/inhibit.h"
#include "collector/notify/notifier.h"
#include "common/error.h"

namespace lapwing::notify {

/// A group of alerts that one receiver gets together.
struct Notification {
    Labels group;               ///< the labels by which the alerts are grouped
    Labels alone;               ///< of an alert that is sent by itself because its group was refused
    std::vector<Alert> alerts;  ///< firing alerts first, then by labels

    bool firing() const;
};

/// The pause after so many failures (from 1): doubled with each, at most `most_ms`.
std::int64_t retryPause(std::int64_t first_ms, std::int64_t most_ms, int failures);

/// Why a receiver did not take a notification.
struct DeliveryFailure {
    enum class Kind {
        unreached,  ///< the receiver could not be reached: every notification waits
        later,      ///< it answered that this notification may succeed later, or did not answer in time
        denied,     ///< it accepts nothing from us: wrong credentials, wrong address
        refused,    ///< it does not accept this message, and never will
    };
    Kind kind = Kind::later;
    std::string message;                                   ///< one line, without secrets
    std::optional<std::chrono::milliseconds> retry_after;  ///< the receiver asks for this pause
};

/// What a receiver knows of one alert.
struct Told {
    bool firing = false;            ///< it was told that the alert fires, and of no end
    std::optional<TimestampMs> at;  ///< when; none: it knows nothing of it
    bool waiting = false;           ///< there is news that it has not accepted
    bool muted = false;             ///< silenced or inhibited
    bool given_up = false;          ///< it refused the notification too often
    Labels labels;                  ///< of the alert
};

using Delivered = tl::expected<void, DeliveryFailure>;

/// The notifications that one receiver has got and is still to get. A pure state machine: the caller passes
/// the times, in milliseconds since 1970. Not synchronised.
///
/// Groups are independent: each has its own retries. A new alert of severity `critical` waits neither for
/// group_wait nor for group_interval; a burst of them is spread, see kUrgentPauseMs. An alert that ends and
/// begins again before the receiver was told of its end is no news. Where a receiver refuses a group, each
/// of its alerts is sent by itself, so that one alert does not keep the others. After a bounded number of
/// refusals the notification is given up; while the alert fires it is offered again, see kOfferAgainMs.
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
        std::int64_t first_retry_ms = 1000;  ///< doubled with each failure of a notification
        std::int64_t most_retry_ms = 60'000;
    };

    /// A message to one receiver: the alerts of a group, or one of them that is sent by itself.
    struct Key {
        Labels group;
        Labels alone;  ///< the labels of that alert; empty: the whole group
        auto operator<=>(const Key&) const = default;
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

    /// Decides which alerts are for this receiver; at first all are. The others are kept for inhibitions, and
    /// are not sent. A receiver that was told that an alert fires is told its end, even if the alert is no
    /// longer for it. True if something changed.
    bool route(const std::function<bool(const Labels&)>& wanted, TimestampMs now);
    /// Notes that attempts have failed since that time, for the alerts of a notification.
    void noteFailure(const Notification& notification, TimestampMs since);
    /// The same for all alerts that are due now: the receiver cannot be reached.
    void noteUnreached(TimestampMs since, TimestampMs now);
    /// The firing alerts for this receiver that it does not take.
    Failures failures() const;

    /// The notification that is due: those not tried before first, then those with a new critical alert, then
    /// the oldest. Returns the same one until take(), accept() or reject(). `retries`: also those that
    /// failed.
    std::optional<Notification> due(TimestampMs now, bool retries = true) const;
    /// due(), which does not return this notification again before accept() or reject().
    std::optional<Notification> take(TimestampMs now, bool retries);
    /// When due() will return a notification, if nothing else arrives.
    std::optional<TimestampMs> nextDue(TimestampMs now) const;
    /// Records that the receiver has accepted a notification.
    void accept(const Notification& notification, TimestampMs now);
    /// Records that it has not. True if the notification is given up.
    bool reject(const Notification& notification, const DeliveryFailure& failure, TimestampMs now);

    /// The number of unmuted alerts with news that the receiver has not got.
    std::size_t waiting() const;

    /// Of the alert with this fingerprint (payload.h). None if the table has no such alert: it has ended, and
    /// there is nothing left to tell.
    std::optional<Told> told(std::string_view alert_fingerprint) const;

    std::string save() const;
    Expected<void> restore(const std::string& saved, TimestampMs now);

  private:
    enum class Sent { nothing, firing, resolved };
    struct Entry {
        Alert alert;
        Sent sent = Sent::nothing;  ///< what the receiver knows
        TimestampMs sent_at = 0;
        TimestampMs news_at = 0;      ///< when the unsent change arrived
        TimestampMs holds_until = 0;  ///< while firing, unless it is confirmed again
        std::int64_t holds_ms = 0;    ///< the validity at its last confirmation
        bool silenced = false;
        bool inhibited = false;
        TimestampMs unmuted_at = 0;     ///< 0: never muted
        bool alone = false;             ///< the receiver refused its group
        bool given_up = false;          ///< the receiver refused it, and knows nothing of it
        bool routed = true;             ///< for this receiver
        TimestampMs failing_since = 0;  ///< of attempts to send it as firing; 0: none has failed

        bool muted() const { return silenced || inhibited; }
    };
    /// The attempts to deliver one message.
    struct Attempts {
        bool under_way = false;
        int failed = 0;
        int refused = 0;
        TimestampMs retry_at = 0;
    };
    /// Notifications of one group with new critical alerts.
    struct Urgent {
        int in_a_row = 0;
        TimestampMs sent_at = 0;
    };
    struct Due {
        TimestampMs at = 0;
        bool urgent = false;
        bool tried = false;  ///< and failed
    };

    bool hasNews(const Entry& entry) const;
    bool isForReceiver(const Entry& entry) const { return entry.routed || hasNews(entry); }
    bool isDropped(const Entry& entry) const;
    void noteFailure(Entry& entry, TimestampMs since) const;
    bool isUrgent(const Entry& entry) const;
    Key keyOf(const Entry& entry) const;
    Labels groupOf(const Entry& entry) const;
    /// When the last notification of each message was accepted or given up; 0: never.
    std::map<Key, TimestampMs> sentTimes() const;
    /// For each message with something to send that is not under way, when it is due.
    std::map<Key, Due> dueMessages(TimestampMs now) const;
    std::optional<TimestampMs> dueAt(const Entry& entry, TimestampMs group_sent_at, TimestampMs now) const;
    TimestampMs urgentDueAt(const Entry& entry, TimestampMs now) const;
    bool isKeptAtItsEnd(const Entry& entry, TimestampMs now) const;
    void hurry(const Entry& entry);
    void noteUrgent(const Notification& notification, TimestampMs now);
    void giveUp(const Notification& notification, bool refused, TimestampMs now);
    void forgetGroups(TimestampMs now);

    Options options_;
    std::map<Labels, Entry> entries_;
    std::map<Key, Attempts> attempts_;  ///< of messages that failed or are under way
    std::map<Labels, Urgent> urgent_;   ///< by group
};

}  // namespace lapwing::notify
