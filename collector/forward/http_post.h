#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "collector/forward/config.h"

namespace lapwing::forward {

/// Makes one attempt to deliver a body that encodeRemoteWrite() made. It ends within the deadline; errors
/// name no secret, and of the URL scheme, host and port only. Not synchronised.
using Post = std::function<Expected<http::Response>(const std::string& body)>;

/// Posts to the destination over a connection that is kept. Secrets and certificates are read anew after each
/// failure.
Post httpPost(const Destination& destination, std::chrono::milliseconds deadline);

}  // namespace lapwing::forward
