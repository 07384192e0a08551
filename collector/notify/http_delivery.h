#pragma once

#include <chrono>
#include <string>

#include "collector/notify/dispatcher.h"
#include "common/error.h"

namespace lapwing::notify {

/// Where a POST goes to, and how it proves who sends it. No error names more of the URL than scheme, host and
/// port: the rest may be a secret.
struct HttpTarget {
    std::string url;
    std::string url_file;  ///< its first line is the URL; read for each request
    std::string ca_file;
    std::string token_file;
    std::string path;  ///< appended to the URL
};

Expected<void> postJson(const HttpTarget& target, std::string body, std::chrono::milliseconds deadline);
Expected<void> sendHeartbeat(const HeartbeatConfig& config, std::chrono::milliseconds deadline);

/// The first line of a file with a secret. Errors: `not_found`, `denied` (also where others may read it),
/// `invalid` (empty).
Expected<std::string> readSecret(const std::string& path);

/// Whether a notification can be sent there: http or https, a host, no credentials. Error `invalid`, which
/// does not repeat the URL.
Expected<void> checkUrl(const std::string& url);
/// Whether what is sent there can be read on the way: http, and not to this machine itself.
bool sendsInClear(const std::string& url);

}  // namespace lapwing::notify
