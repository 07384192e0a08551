#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "agent/delivery/clock_offset.h"
#include "agent/delivery/delivery.h"
#include "agent/delivery/descriptions.h"
#include "agent/delivery/host_clock.h"
#include "agent/delivery/spool.h"
#include "agent/delivery/verdict.h"
#include "common/http/client.h"
#include "common/http/retry.h"

namespace lapwing::agent {

/// Sends the spool's content and the metrics' descriptions, one request at a time. Not synchronised: for one
/// thread, apart from the objects that its constructor takes.
class Sender {
  public:
    using Clock = std::chrono::steady_clock;
    Sender(const DeliveryConfig& config, Spool& spool, ClockOffset& clock, HostClock& host_clock,
           Descriptions& descriptions);

    enum class Outcome {
        nothing,  ///< nothing to send, or its time has not come
        sent,     ///< a batch or document was stored or refused
        failed,
    };
    /// Makes one exchange at most.
    Outcome step();
    /// step() has nothing to do before this time, apart from new samples when nothing has failed.
    Clock::time_point notBefore() const { return not_before_; }

    std::int64_t samplesSent() const { return samples_sent_; }
    const std::string& trouble() const { return trouble_; }

  private:
    void renewCertificate();
    Outcome sendDescriptions(const std::vector<MetricMetadata>& metadata);
    Outcome sendBatch(const Batch& batch);
    Outcome setAside(const Batch& batch, const http::Response& answer);
    Outcome sendDocument(const SpooledDocument& document);
    Expected<http::Response> post(http::Request request);
    void compareClocks(const http::Response& answer, std::int64_t t0, std::int64_t t3);
    /// Keeps the data in the spool, records the reason, and returns the pause before the next attempt.
    std::chrono::milliseconds explain(const Expected<http::Response>& answer, Verdict verdict);
    void well();

    const DeliveryConfig& config_;
    Spool& spool_;
    ClockOffset& clock_;
    HostClock& host_clock_;
    Descriptions& descriptions_;
    std::optional<http::Client> client_;
    std::string trust_;  ///< the collector's kTrustHeader
    Clock::time_point renew_not_before_{};
    http::Backoff backoff_;
    std::minstd_rand random_{std::random_device{}()};
    Clock::time_point not_before_{};
    /// A collector that accepts samples and no documents delays only the documents.
    Clock::time_point documents_not_before_{};
    std::size_t most_parts_;
    std::int64_t single_until_ = 0;  ///< batches up to this id are sent one by one
    std::int64_t samples_sent_ = 0;
    std::string trouble_;
    Clock::time_point said_at_{};
};

}  // namespace lapwing::agent
