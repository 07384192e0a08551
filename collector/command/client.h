#pragma once

#include <string>
#include <vector>

#include "collector/config/config.h"
#include "common/error.h"
#include "common/http/client.h"

namespace lapwing::collector {

/// Asks the running collector: at its admin socket, else at a loopback listener.
class Collector {
  public:
    explicit Collector(const Config& config);

    /// Any answer; an Error where none of them could be reached.
    Expected<http::Response> get(const std::string& path) const;

  private:
    std::vector<std::string> bases_;
};

/// What the collector says may come from a host that somebody broke into: no control characters reach the
/// terminal.
std::string plain(std::string text);

}  // namespace lapwing::collector
