#pragma once

#include <memory>
#include <string>

#include "collector/config/config.h"
#include "common/error.h"

namespace lapwing::collector {

/// The running collector with all modules wired. Not synchronised: one thread creates it, runs its periodic
/// work and ends it.
class Service {
  public:
    /// Opens the store, the CA and every listener without serving yet. Logs all problems of the rule files.
    static Expected<std::unique_ptr<Service>> create(const Config& config);
    ~Service();
    Service(const Service&) = delete;
    Service& operator=(const Service&) = delete;

    void start();
    /// Judges every replica once. Call it every two seconds. Like keepRecords() it does nothing while the
    /// clock is not settled.
    void watchReplication();
    /// Stores the collector's own metrics and logs what has changed in the store. Call it every ten seconds.
    void keepRecords();
    /// SQLite met damage in the database: a new start rebuilds it.
    bool foundDamage() const;
    /// Reloads the rule files; on problems, which are logged, the loaded ones stay.
    void reload();
    /// Ends everything in order, within some seconds.
    void stop();

  private:
    struct Parts;
    /// Starts the rules and the analysis once the clock is settled.
    bool clockSettled();
    explicit Service(std::unique_ptr<Parts> parts);
    std::unique_ptr<Parts> parts_;
};

}  // namespace lapwing::collector
