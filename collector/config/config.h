#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "collector/analysis/site.h"
#include "collector/forward/config.h"
#include "collector/notify/dispatcher.h"
#include "common/config/reader.h"
#include "common/endpoint.h"

namespace lapwing::collector {

/// Reads an address to listen on: "127.0.0.1:9765", "[::1]:9765", "localhost:9765". The result's host is
/// numeric; port 0 lets the system choose (for tests). Error `invalid`, in words for a person.
Expected<Endpoint> parseListener(const std::string& text);

/// The configuration of the collector, `collector.yaml`. An empty file means the defaults of all members.
struct Config {
    std::string host;  ///< the name of the collector's machine; if the file has none, the system's host name
    std::string data = "/var/lib/lapwing-collector/lapwing.db";

    struct Http {
        std::vector<Endpoint> listen = {{"127.0.0.1", 9765}};
        bool tls_auto = false;  ///< a certificate from the collector's own CA
        std::string tls_cert;
        std::string tls_key;
        std::string users_file;          ///< lines `user:crypt-hash`
        std::vector<std::string> names;  ///< further names by which browsers may address a loopback listener
        std::string
            external_url;  ///< where people reach the page, without a slash at the end; "": a listener

        bool tls() const { return tls_auto || !tls_cert.empty(); }
        bool offLoopback() const;
    } http;

    struct Agents {
        std::vector<Endpoint> listen = {{"0.0.0.0", 9766}};  ///< empty for `none`
        std::vector<std::string> names;                      ///< for the server's certificate
    } agents;

    struct Admin {
        std::string socket = "/run/lapwing-collector/admin.sock";  ///< "" for `none`
    } admin;

    struct Ingest {
        bool local = false;
        std::int64_t out_of_order_ms = 3'600'000;
        // Beyond these, new series are refused: docs/limits.md.
        int max_series = 1'000'000;  ///< active, of all senders; about 300 bytes of memory each
        std::int64_t max_label_bytes = 512'000'000;  ///< of the labels of these
        int max_own_series = 200'000;                ///< active, of the collector itself
        int max_kept_series = 10'000'000;            ///< active or not
        struct Agent {
            int max_series = 100'000;
            std::int64_t max_label_bytes = 64'000'000;
            int max_samples_per_second = 50'000;            ///< on average
            std::int64_t max_document_bytes = 128'000'000;  ///< kept, as stored
            int max_observed = 64;                          ///< other instances that one agent may observe
        } agent;
        int max_labels_per_series = 64;
        std::int64_t max_label_length = 4096;  ///< of a name or a value, in bytes
    } ingest;

    std::int64_t retention_ms = 90LL * 86'400'000;  ///< 0 keeps everything
    std::int64_t retention_bytes = 0;               ///< of the database and its log; 0: no limit

    struct PromQl {
        int compat = 3;
        std::int64_t lookback_ms = 300'000;
        int max_samples = 5'000'000;            ///< limit on the samples that one query loads; 16 bytes each
        std::int64_t max_memory = 160'000'000;  ///< of a query with its answer, in bytes
        int max_concurrent = 4;                 ///< queries that are evaluated at once
        std::int64_t timeout_ms = 120'000;
    } promql;

    std::vector<std::string> rules = {"/etc/lapwing/rules/*.yml"};
    std::int64_t rules_interval_ms = 10'000;
    struct HoldAlerts {
        std::int64_t silent_ms = 86'400'000;  ///< while the data of an alert's only source are missing
        std::int64_t partial_ms = 600'000;    ///< while some inputs of an aggregate are missing
    } hold_alerts;
    analysis::Site site;
    notify::Config notify;
    std::vector<forward::Destination> forward;

    /// The directory that holds the data, the CA and the collector's other files.
    std::string directory() const;
    /// The URL of the page, with which links in notifications begin.
    std::string externalUrl() const;
};

/// Reads a file's root node; afterwards, the node's reader holds all problems.
Config readConfig(const config::Node& root);
/// The same from a file. Files that it names (users, certificates) must be readable.
Config loadConfig(const std::string& file, config::Reader& reader);

}  // namespace lapwing::collector
