#include "collector/storage/series_budget.h"

#include <string_view>

namespace lapwing::storage {
namespace {

/// What part of the whole is kept for senders below their share.
constexpr std::size_t kReservedPart = 4;

std::string byCount(std::size_t count, const std::string& setting) {
    return "a new series, and there are " + std::to_string(count) + " already (" + setting + ")";
}

std::string byBytes(const std::string& sender, std::size_t bytes, const std::string& setting) {
    return "a new series, and the labels of those of " + sender + " take " + std::to_string(bytes) +
           " bytes already (" + setting + ")";
}

bool isBeyond(std::size_t used, std::size_t more, std::size_t limit) {
    return limit > 0 && used + more > limit;
}

}  // namespace

bool isOwn(const std::string& sender) {
    return sender == kCollectorSender || sender == kRulesSender;
}

/// What a sender has of one kind, series or bytes, and what it wants.
struct SeriesBudget::Demand {
    std::size_t has = 0;
    std::size_t wants = 0;
    std::size_t all_have = 0;
    std::size_t limit = 0;  ///< of all; 0: none

    bool exceedsAll() const { return isBeyond(all_have, wants, limit); }
    bool exceedsShare(std::size_t senders) const {
        return limit > 0 && has + wants > limit / (senders + 1) &&
               isBeyond(all_have, wants, limit - limit / kReservedPart);
    }
};

std::optional<std::string> SeriesBudget::refusal(const std::string& sender, std::size_t label_bytes) const {
    const MutexLock lock(mutex_);
    const auto found = senders_.find(sender);
    const SenderSeries has = found == senders_.end() ? SenderSeries{} : found->second;
    if (isOwn(sender)) {
        if (isBeyond(has.series, 1, limits_.own_series)) {
            return byCount(has.series, "ingest.max_own_series");
        }
        if (isBeyond(has.label_bytes, label_bytes, limits_.label_bytes)) {
            return byBytes(sender, has.label_bytes, "ingest.max_label_bytes");
        }
        return std::nullopt;
    }
    if (sender != kLocalSender) {
        if (isBeyond(has.series, 1, limits_.agent_series)) {
            return "a new series, and " + sender + " has " + std::to_string(has.series) +
                   " already (ingest.agent.max_series)";
        }
        if (isBeyond(has.label_bytes, label_bytes, limits_.agent_label_bytes)) {
            return byBytes(sender, has.label_bytes, "ingest.agent.max_label_bytes");
        }
    }
    const Demand series{has.series, 1, total_.series, limits_.series};
    const Demand bytes{has.label_bytes, label_bytes, total_.label_bytes, limits_.label_bytes};
    if (series.exceedsAll()) {
        return byCount(total_.series, "ingest.max_series");
    }
    if (bytes.exceedsAll()) {
        return byBytes("all senders", total_.label_bytes, "ingest.max_label_bytes");
    }
    const std::size_t senders = senders_with_series_ + (has.series == 0 ? 1 : 0);
    // Local ingest is this machine's: alone, it may have everything.
    if (sender == kLocalSender && senders == 1) {
        return std::nullopt;
    }
    if (series.exceedsShare(senders)) {
        return "a new series, and " + sender + " has " + std::to_string(has.series) +
               " already: the rest is for senders with fewer (ingest.max_series)";
    }
    if (bytes.exceedsShare(senders)) {
        return byBytes(sender, has.label_bytes, "the rest is for senders with fewer: ingest.max_label_bytes");
    }
    return std::nullopt;
}

void SeriesBudget::add(const std::string& sender, std::size_t label_bytes) {
    const MutexLock lock(mutex_);
    SenderSeries& has = senders_[sender];
    if (!isOwn(sender)) {
        senders_with_series_ += has.series == 0 ? 1 : 0;
        ++total_.series;
        total_.label_bytes += label_bytes;
    }
    ++has.series;
    has.label_bytes += label_bytes;
}

void SeriesBudget::remove(const std::string& sender, std::size_t label_bytes) {
    const MutexLock lock(mutex_);
    SenderSeries& has = senders_[sender];
    --has.series;
    has.label_bytes -= label_bytes;
    if (!isOwn(sender)) {
        senders_with_series_ -= has.series == 0 ? 1 : 0;
        --total_.series;
        total_.label_bytes -= label_bytes;
    }
}

void SeriesBudget::countRefused(const std::string& sender, std::size_t samples) {
    const MutexLock lock(mutex_);
    senders_[sender].refused += samples;
}

std::map<std::string, SenderSeries> SeriesBudget::senders() const {
    const MutexLock lock(mutex_);
    return senders_;
}

}  // namespace lapwing::storage
