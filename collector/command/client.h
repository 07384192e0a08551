#pragma once

#include <string>
#include <vector>

#include "collector/config/config.h"
#include "common/error.h"
#include "common/http/client.h"

namespace lapwing::collector {

/// Asks the running collector, at its admin socket or else at a loopback listener.
class Collector {
  public:
    explicit Collector(const Config& config);

    /// Any answer; an Error if no address could be reached.
    Expected<http::Response> get(const std::string& path) const;

    /// POST at the admin socket.
    Expected<http::Response> administer(const std::string& path) const;

  private:
    std::string admin_;  ///< "" without a socket
    std::vector<std::string> bases_;
};

/// printable() of a text of several lines, which keeps them: the collector's answers may contain text from a
/// compromised host. Each line ends with a newline.
std::string plainLines(const std::string& text);

}  // namespace lapwing::collector
