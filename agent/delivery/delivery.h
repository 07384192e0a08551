#pragma once

#include <prometheus/metric_family.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "agent/certificate/agent_certificate.h"
#include "agent/delivery/clock_offset.h"
#include "agent/delivery/host_clock.h"
#include "agent/delivery/spool.h"
#include "common/error.h"
#include "common/http/client.h"

namespace lapwing::agent {

struct DeliveryConfig {
    SpoolConfig spool;
    std::string collector_url;                      ///< "https://mon:9766"; "" keeps everything in the spool
    std::shared_ptr<AgentCertificate> certificate;  ///< null: none
    /// The host's clock, as the collector judges it; for ClockCorrection too.
    std::shared_ptr<HostClock> host_clock = std::make_shared<HostClock>();
    std::string user_agent = "lapwing-agent";
    std::string host;  ///< the certificate must have this name; "": any name
    std::vector<std::pair<std::string, std::string>> identity;  ///< headers of each request
    std::chrono::milliseconds request_deadline{10'000};
    /// How long samples are gathered before they are written and sent, so that the samples of a moment make
    /// one transaction and one request.
    std::chrono::milliseconds gather{400};
};

struct DeliveryState {
    SpoolState spool;
    bool connected = false;     ///< the last exchange ended well
    TimestampMs last_sent = 0;  ///< when the collector last stored something; 0: never
    std::int64_t samples_sent = 0;
    std::string trouble;  ///< why the last exchange failed
    std::optional<ClockOffset::Estimate> clock;
    HostClock::State host_clock;
};

/// Delivers the spool to the collector. One thread writes the spool, one sends it: remote_write 1.0 and
/// documents, each deleted only after a 2xx. Data that the collector cannot take now, or refuses for a wrong
/// set-up (401, 403, 404, a certificate), stays and is tried again with growing pauses. Data that it refuses
/// as invalid is dropped, counted and logged.
class Delivery {
  public:
    /// Errors as Spool::open. An absent collector, or a certificate that cannot be read yet, is no error.
    static Expected<std::unique_ptr<Delivery>> open(DeliveryConfig config);
    ~Delivery();
    Delivery(const Delivery&) = delete;
    Delivery& operator=(const Delivery&) = delete;

    void start();
    /// Writes the spool and sends as much as it can within `grace`. A hung request stays behind.
    void stop(std::chrono::milliseconds grace);

    // Any thread. These never wait for the disk or the network.
    void add(std::vector<TimeSeries> series);
    void addDocument(const std::string& kind, std::string body);
    /// Tells the collector the types and helps of these families, once for each connection.
    void describe(const std::vector<prometheus::MetricFamily>& families);

    DeliveryState state() const;
    /// The collector's clock minus this host's; 0 while it is unknown.
    double clockOffset() const;

  private:
    struct Core;
    explicit Delivery(std::shared_ptr<Core> core);
    std::shared_ptr<Core> core_;
    std::thread writer_;
    std::thread sender_;
};

}  // namespace lapwing::agent
