#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "agent/probes/http_target.h"
#include "agent/probes/probe.h"
#include "agent/probes/scrape/page.h"
#include "agent/probes/scrape/selection.h"
#include "common/http/client.h"

namespace lapwing::agent::scrape {

/// One entry of `probes.scrape`.
struct Target {
    HttpTarget http;
    http::Headers headers;
    http::Headers header_files;  ///< names of headers, and the files with their values
    Selection selection;
    std::size_t max_bytes = 4U << 20;
    PageLimits limits;
};

/// Requests a page of metrics, as Prometheus does. A page that cannot be read as a whole counts as a failure,
/// and no sample of it is reported.
class ScrapeProbe : public Probe {
  public:
    explicit ScrapeProbe(Target target) : target_(std::move(target)) {}
    Expected<ProbeResult> collect(const Deadline& deadline) override;

  private:
    Expected<http::Request> request(const Deadline& deadline) const;
    Expected<std::shared_ptr<Page>> read(const Deadline& deadline);

    Target target_;
    std::optional<http::Client> client_;
};

}  // namespace lapwing::agent::scrape
