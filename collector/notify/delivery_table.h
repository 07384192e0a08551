#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

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
        bool group_by_alertname = true;
        bool send_resolved = true;
        std::int64_t repeat_ms = 4LL * 3'600'000;
        std::int64_t gather_ms = 0;
    };

    explicit DeliveryTable(Options options) : options_(options) {}

    /// Takes what the rules say. True if there is something new (that the store must know).
    bool put(const Alert& alert, TimestampMs now);
    /// Firing alerts that nobody confirmed for as long as they hold are over. True if there was one.
    bool lapse(TimestampMs now);

    /// What is to be told now, the oldest news first. The same again until accept().
    std::optional<Notification> due(TimestampMs now) const;
    /// When due() will have something, if nothing else comes.
    std::optional<TimestampMs> nextDue(TimestampMs now) const;
    /// The receiver has taken it.
    void accept(const Notification& notification, TimestampMs now);

    /// Alerts with news that the receiver does not know.
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
    };

    bool hasNews(const Entry& entry) const;
    Labels groupOf(const Entry& entry) const;
    std::optional<TimestampMs> dueAt(const Entry& entry) const;

    Options options_;
    std::map<Labels, Entry> entries_;
};

}  // namespace lapwing::notify
