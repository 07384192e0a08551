#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "collector/storage/queryable.h"
#include "common/http/client.h"

namespace lapwing::config {
class Node;
}

namespace lapwing::forward {

/// `forward[]`: a system that samples are sent to by remote_write.
struct Destination {
    /// Names the cursor and the labels of metrics. Default: the URL's host and port.
    std::string name;
    std::string url;
    std::vector<storage::Matchers> match;  ///< series that meet any of them are sent; empty: all series
    Labels external_labels;                ///< added to series that have no label of that name
    std::vector<std::pair<std::string, std::string>> headers;
    std::string bearer_token_file;
    std::string user;
    std::string password_file;
    http::ClientTls tls;
    std::int64_t keep_ms = 24LL * 3'600'000;  ///< how long samples wait while the destination fails
    std::int64_t keep_bytes = 2'000'000'000;  ///< of the arrival log
};

/// Reads the `forward:` section of collector.yaml. Mistakes become Problems of the node's reader. The files
/// that the section names must be readable, and files with secrets accessible to their owner only.
void readConfig(const config::Node& node, std::vector<Destination>& out);

}  // namespace lapwing::forward
