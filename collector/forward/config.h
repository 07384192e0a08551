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

/// `forward[]`: one place that samples are sent to by remote_write.
struct Destination {
    /// Names its cursor and its metrics; not in the file: the URL's host and port.
    std::string name;
    std::string url;
    std::vector<storage::Matchers> match;  ///< a series that meets any of them is sent; empty: every series
    Labels external_labels;                ///< added to series that have no label of that name
    std::vector<std::pair<std::string, std::string>> headers;
    std::string bearer_token_file;
    std::string user;
    std::string password_file;
    http::ClientTls tls;
    std::int64_t keep_ms = 24LL * 3'600'000;  ///< how long samples wait for a destination that fails
    std::int64_t keep_bytes = 2'000'000'000;  ///< of the arrival log
};

/// Reads the `forward:` section of collector.yaml; what is wrong becomes a Problem of the node's reader. The
/// files that it names must be readable, and those with secrets their owner's alone.
void readConfig(const config::Node& node, std::vector<Destination>& out);

}  // namespace lapwing::forward
