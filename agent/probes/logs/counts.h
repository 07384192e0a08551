#pragma once

#include <prometheus/metric_family.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/probes/logs/access_line.h"
#include "common/json.h"

namespace lapwing::agent::logs {

/// Upper bounds of the histograms in seconds: the default ones of Prometheus' client libraries, which
/// prometheus-nginxlog-exporter uses too.
inline constexpr std::array kBounds{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0};

/// The value of a label for everything beyond a limit.
inline constexpr const char* kOther = "other";

struct Histogram {
    std::array<std::uint64_t, kBounds.size()> buckets{};  ///< not cumulative
    std::uint64_t count = 0;
    std::uint64_t sum_us = 0;  ///< microseconds, so that sums stay exact

    void observe(double seconds);
};

/// The requests of one access log, counted since it was first followed. The number of labels is bounded
/// whatever the log holds; docs/limits.md has the bounds.
class AccessCounts {
  public:
    void add(const AccessLine& line);
    /// Appends to families of addFamilies().
    void report(const std::string& log, std::map<std::string, prometheus::MetricFamily>& out) const;

    void write(json::Writer& out) const;
    /// Of write(); numbers that are missing stay 0.
    void read(const json::Value& in);

  private:
    /// One server name; "" where the log has none.
    struct Server {
        std::map<std::string, std::map<std::string, std::uint64_t>> requests;  ///< by method, status
        std::optional<std::uint64_t> response_bytes;
        std::optional<std::uint64_t> request_bytes;
        Histogram times;
    };
    struct Upstream {
        std::map<std::string, std::uint64_t> responses;  ///< by status
        Histogram times;
    };

    Server& serverOf(const AccessLine& line);
    void addRequest(Server& server, const AccessLine& line);
    void addUpstreams(const AccessLine& line);
    Upstream& upstreamOf(std::string_view address);

    std::map<std::string, Server, std::less<>> servers_;
    std::map<std::string, Upstream, std::less<>> upstreams_;
    std::size_t kinds_ = 0;  ///< of requests: server name, method and status
};

/// The messages of one error log by level. A level that Nginx does not have counts as "other".
class ErrorCounts {
  public:
    /// False for a line that does not begin a message.
    bool add(std::string_view line);
    void report(const std::string& log, std::map<std::string, prometheus::MetricFamily>& out) const;

    void write(json::Writer& out) const;
    void read(const json::Value& in);

  private:
    static constexpr std::size_t kLevels = 9;
    std::array<std::uint64_t, kLevels> messages_{};
};

/// The families of report() and of the probe's own counters, by name, without metrics.
std::map<std::string, prometheus::MetricFamily> emptyFamilies();

}  // namespace lapwing::agent::logs
