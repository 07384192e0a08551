#pragma once

#include <memory>
#include <string>

#include "collector/config/config.h"
#include "common/error.h"

namespace lapwing::collector {

/// The running collector: every module, wired. Not synchronised: one thread makes it, turns it over and ends
/// it.
class Service {
  public:
    /// Opens the store, the CA and every listener; nothing is served yet. All problems of the rule files are
    /// logged.
    static Expected<std::unique_ptr<Service>> create(const Config& config);
    ~Service();
    Service(const Service&) = delete;
    Service& operator=(const Service&) = delete;

    void start();
    /// One look at every replica. Call it every two seconds.
    void watchReplication();
    /// One round of the other analyses and of the collector's own metrics. Call it every ten seconds.
    void round();
    /// Reads the rule files again; problems are logged, and leave what was loaded.
    void reload();
    /// Ends everything in order; returns within some seconds.
    void stop();

  private:
    struct Parts;
    explicit Service(std::unique_ptr<Parts> parts);
    std::unique_ptr<Parts> parts_;
};

}  // namespace lapwing::collector
