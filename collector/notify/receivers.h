#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "collector/notify/delivery_table.h"
#include "collector/notify/dispatcher.h"

namespace lapwing::notify {

/// One receiver of notifications. deliver() makes one attempt, which ends within the deadline. Its failures
/// name no secret and only scheme, host and port of a URL. deliver() is safe from any thread.
class Receiver {
  public:
    virtual ~Receiver() = default;
    virtual Delivered deliver(const Notification& notification, std::chrono::milliseconds deadline) const = 0;

    std::string name;        ///< "webhook[0]", for people
    std::string route_name;  ///< what routes call it: `name` without the address of a mail
    std::string state_name;  ///< does not change with the order in the configuration, and holds no secret
    /// Whether silences and inhibitions apply. An Alertmanager has its own.
    bool mutes = true;
    DeliveryTable::Options table;
};

/// Creates all receivers of a configuration.
std::vector<std::unique_ptr<Receiver>> makeReceivers(const Config& config);

/// Sends one mail over SMTP to `to`, which is one of `config.to`: the header names them all.
Delivered sendMail(const EmailConfig& config, const std::string& to, const std::string& subject,
                   const std::string& body, std::chrono::milliseconds deadline);

}  // namespace lapwing::notify
