#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "collector/analysis/acceptance.h"
#include "collector/analysis/site.h"
#include "collector/storage/store.h"
#include "common/mutex.h"

namespace lapwing::analysis {

/// Somebody's word that a finding may stand until a time: nobody is told of it meanwhile, unless it becomes
/// worse.
struct Acceptance {
    std::string id;       ///< of the finding
    std::string subject;  ///< of the finding
    TimestampMs until = 0;
    std::string reason;
    std::string by;         ///< who accepted it
    TimestampMs at = 0;     ///< when
    bool declared = false;  ///< by `site.accept` of collector.yaml
    /// What was accepted. A declared one takes what the finding is when it first stands; nothing before.
    std::optional<Extent> extent = {};
    std::string worse = {};  ///< why it does not hold: worse() of the last round; "" if it holds

    bool holds(TimestampMs now) const { return now < until && worse.empty(); }
    /// "accepted", "worse" or "ended"
    const char* state(TimestampMs now) const;
};

/// The acceptances, persisted in the store, at most one for each finding. Safe from any thread.
class Acceptances {
  public:
    static constexpr std::size_t kMost = 200;
    static constexpr std::size_t kMostReason = 1024;  ///< bytes; of `by`, too
    /// Nothing is accepted for good.
    static constexpr std::int64_t kLongest = 5LL * 366 * 86'400'000;

    /// `declared` replaces what was declared before; `now` is noted as their time.
    Acceptances(storage::Store& store, const std::vector<Site::Accept>& declared, TimestampMs now);

    /// Accepts the finding as it is among `standing`; an earlier acceptance of it is replaced. Durable when
    /// it returns. Errors: `invalid` (no reason, an end in the past or too far away, declared in
    /// collector.yaml), `not_found` (no such finding stands), `exhausted`, and the store's errors.
    Expected<void> accept(Acceptance acceptance, const std::vector<Finding>& standing, TimestampMs now);
    /// Ends an acceptance now. Errors: `not_found`, `invalid` for a declared one, and the store's errors.
    Expected<void> end(const std::string& id, const std::string& subject, TimestampMs now);

    /// Compares the standing findings with what was accepted. Call it with each round of the analysis.
    Expected<void> judge(const std::vector<Finding>& standing, TimestampMs now);

    /// The acceptance of a finding, if it ends after `now`, whether or not it holds.
    std::optional<Acceptance> of(const std::string& id, const std::string& subject, TimestampMs now) const;
    /// All, the next to end first; those that have ended for five days.
    std::vector<Acceptance> list(TimestampMs now) const;

    /// Sets a callback for each change of what holds, which runs on the thread that made the change. Call it
    /// before any change.
    void onChange(std::function<void()> changed) { changed_ = std::move(changed); }

  private:
    using List = std::vector<Acceptance>;
    Expected<void> keep(List acceptances, TimestampMs now) LAPWING_REQUIRES(mutex_);
    void tell() const;

    storage::Store& store_;
    std::function<void()> changed_;
    mutable Mutex mutex_;
    List acceptances_ LAPWING_GUARDED_BY(mutex_);
    std::set<std::pair<std::string, std::string>> holding_
        LAPWING_GUARDED_BY(mutex_);  ///< id and subject, as of the last judge()
};

}  // namespace lapwing::analysis
