#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "collector/storage/store.h"
#include "common/mutex.h"

namespace lapwing::storage {

/// The sender of the results of recording rules, which have a limit of their own beside kCollectorSender:
/// however many they are, the collector can store that they are refused.
inline const std::string kRulesSender = "@rules";

/// True for kCollectorSender and kRulesSender.
bool isOwn(const std::string& sender);

/// Counts the active series of each sender and the bytes of their labels, and says whether a sender may have
/// another one. Thread-safe.
///
/// The collector's own series and the results of its rules have limits of their own, which no other sender
/// can use up. An agent may have SeriesLimits::agent_series. All agents and local ingest together may have
/// SeriesLimits::series. A quarter of these is kept for senders below their share (the whole, divided by the
/// number of senders and one newcomer), so that a sender with very many series leaves room to the others. The
/// same holds for bytes.
class SeriesBudget {
  public:
    explicit SeriesBudget(const SeriesLimits& limits) : limits_(limits) {}

    /// Why the sender may not have another active series with so many bytes of labels; nothing if it may.
    std::optional<std::string> refusal(const std::string& sender, std::size_t label_bytes) const;
    void add(const std::string& sender, std::size_t label_bytes);
    void remove(const std::string& sender, std::size_t label_bytes);
    /// Counts samples of a new series that was refused.
    void countRefused(const std::string& sender, std::size_t samples);

    std::map<std::string, SenderSeries> senders() const;

  private:
    struct Demand;

    const SeriesLimits limits_;
    mutable Mutex mutex_;
    std::map<std::string, SenderSeries> senders_ LAPWING_GUARDED_BY(mutex_);
    SenderSeries total_ LAPWING_GUARDED_BY(mutex_);                   ///< of all but the own ones
    std::size_t senders_with_series_ LAPWING_GUARDED_BY(mutex_) = 0;  ///< of all but the collector
};

}  // namespace lapwing::storage
