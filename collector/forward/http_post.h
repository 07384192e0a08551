#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "collector/forward/config.h"

namespace lapwing::forward {

/// Makes one attempt to deliver a body that encodeRemoteWrite() made. The attempt ends within the deadline.
/// Errors name the URL's scheme, host and port, and no secret. Not synchronised.
using Post = std::function<Expected<http::Response>(const std::string& body)>;

/// Posts to the destination over a connection that is kept alive. Reads secrets and certificates again after
/// each failure.
Post httpPost(const Destination& destination, std::chrono::milliseconds deadline);

}  // namespace lapwing::forward
