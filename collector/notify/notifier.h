#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/model/labels.h"
#include "common/model/sample.h"

namespace lapwing::notify {

/// One alert as a receiver sees it (the fields of Alertmanager's webhook payload).
struct Alert {
    Labels labels;       ///< with alertname
    Labels annotations;  ///< summary, description, ...
    bool firing = true;  ///< false: resolved
    TimestampMs starts_at = 0;
    TimestampMs ends_at = 0;  ///< when it resolved; while firing, when it lapses unless it is confirmed again
    std::string generator_url;
};

/// Somebody's word that what an alert is about may stand for a while.
struct Accepted {
    std::string by;
    TimestampMs until = 0;
    std::string reason;
};

/// Why a firing alert is not sent.
struct Suppression {
    std::vector<std::string> silenced_by;  ///< ids of silences
    std::vector<Labels> inhibited_by;      ///< alerts
    std::optional<Accepted> accepted = {};
};

/// Takes alerts from the rules and delivers them. send() only queues, and never blocks on a receiver. Safe
/// from any thread.
class Notifier {
  public:
    virtual ~Notifier() = default;
    virtual void send(std::vector<Alert> alerts) = 0;
    /// What mutes an alert now; `firing` holds all firing alerts.
    virtual Suppression suppression(const Labels& /*alert*/,
                                    const std::vector<const Labels*>& /*firing*/) const {
        return {};
    }
};

}  // namespace lapwing::notify
