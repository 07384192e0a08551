#pragma once

#include <chrono>
#include <map>
#include <string>

#include "collector/notify/delivery_table.h"
#include "collector/notify/dispatcher.h"
#include "common/error.h"

namespace lapwing::notify {

/// The target of a request and its credentials. Errors name only scheme, host and port of the URL: the rest
/// may be a secret.
struct HttpTarget {
    std::string url;
    std::string url_file;  ///< a file whose first line is the URL; read for each request
    std::string ca_file;
    std::string token_file;
    std::string path;  ///< appended to the URL
    std::string method = "POST";
    std::map<std::string, std::string> headers = {};       ///< Content-Type is JSON unless it is here
    std::map<std::string, std::string> header_files = {};  ///< names, and the files with their values
};

/// Follows the redirects that keep method and body (307, 308), but never from https to http; the token and
/// the headers go to the first server only. A failure holds the first line of the receiver's answer.
Delivered postJson(const HttpTarget& target, std::string body, std::chrono::milliseconds deadline);
Delivered sendHeartbeat(const HeartbeatConfig& config, std::chrono::milliseconds deadline);

/// The first line of a file with a secret. Errors: `not_found`, `denied` (also if others may read the
/// file), `invalid` (empty).
Expected<std::string> readSecret(const std::string& path);

/// Whether notifications can be sent to a URL: http or https, with a host, without credentials. Error
/// `invalid`, which does not repeat the URL.
Expected<void> checkUrl(const std::string& url);
/// Whether a header is Content-Type.
bool isContentType(const std::string& header);
/// Whether others can read requests to this URL on the way: http, and not to the loopback.
bool sendsInClear(const std::string& url);

}  // namespace lapwing::notify
