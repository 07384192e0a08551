#include <array>
#include <string>
#include <string_view>

#include "agent/probes/haproxy/parse.h"
#include "agent/probes/text.h"
#include "common/endpoint.h"
#include "common/model/families.h"

namespace lapwing::agent::haproxy {
namespace {

struct Line {
    std::string_view key;
    const char* metric;
    bool counts = false;
};

constexpr auto kLines = std::to_array<Line>({
    {"Nbthread", "haproxy_process_nbthread"},
    {"Nbproc", "haproxy_process_nbproc"},
    {"Process_num", "haproxy_process_relative_process_id"},
    {"Uptime_sec", "haproxy_process_uptime_seconds"},
    {"Start_time_sec", "haproxy_process_start_time_seconds"},
    {"PoolFailed", "haproxy_process_pool_failures_total", true},
    {"Ulimit-n", "haproxy_process_max_fds"},
    {"Maxsock", "haproxy_process_max_sockets"},
    {"Maxconn", "haproxy_process_max_connections"},
    {"Hard_maxconn", "haproxy_process_hard_max_connections"},
    {"CurrConns", "haproxy_process_current_connections"},
    {"CumConns", "haproxy_process_connections_total", true},
    {"CumReq", "haproxy_process_requests_total", true},
    {"MaxSslConns", "haproxy_process_max_ssl_connections"},
    {"CurrSslConns", "haproxy_process_current_ssl_connections"},
    {"CumSslConns", "haproxy_process_ssl_connections_total", true},
    {"Maxpipes", "haproxy_process_max_pipes"},
    {"PipesUsed", "haproxy_process_pipes_used_total", true},
    {"PipesFree", "haproxy_process_pipes_free_total", true},
    {"ConnRate", "haproxy_process_current_connection_rate"},
    {"ConnRateLimit", "haproxy_process_limit_connection_rate"},
    {"MaxConnRate", "haproxy_process_max_connection_rate"},
    {"SessRate", "haproxy_process_current_session_rate"},
    {"SessRateLimit", "haproxy_process_limit_session_rate"},
    {"MaxSessRate", "haproxy_process_max_session_rate"},
    {"SslRate", "haproxy_process_current_ssl_rate"},
    {"SslRateLimit", "haproxy_process_limit_ssl_rate"},
    {"MaxSslRate", "haproxy_process_max_ssl_rate"},
    {"SslFrontendKeyRate", "haproxy_process_current_frontend_ssl_key_rate"},
    {"SslFrontendMaxKeyRate", "haproxy_process_max_frontend_ssl_key_rate"},
    {"SslFrontendSessionReuse_pct", "haproxy_process_frontend_ssl_reuse"},
    {"SslBackendKeyRate", "haproxy_process_current_backend_ssl_key_rate"},
    {"SslBackendMaxKeyRate", "haproxy_process_max_backend_ssl_key_rate"},
    {"SslCacheLookups", "haproxy_process_ssl_cache_lookups_total", true},
    {"SslCacheMisses", "haproxy_process_ssl_cache_misses_total", true},
    {"CompressBpsIn", "haproxy_process_http_comp_bytes_in_total", true},
    {"CompressBpsOut", "haproxy_process_http_comp_bytes_out_total", true},
    {"CompressBpsRateLim", "haproxy_process_limit_http_comp"},
    {"ZlibMemUsage", "haproxy_process_current_zlib_memory"},
    {"MaxZlibMemUsage", "haproxy_process_max_zlib_memory"},
    {"Tasks", "haproxy_process_current_tasks"},
    {"Run_queue", "haproxy_process_current_run_queue"},
    {"Idle_pct", "haproxy_process_idle_time_percent"},
    {"Stopping", "haproxy_process_stopping"},
    {"Jobs", "haproxy_process_jobs"},
    {"Unstoppable Jobs", "haproxy_process_unstoppable_jobs"},
    {"Listeners", "haproxy_process_listeners"},
    {"ActivePeers", "haproxy_process_active_peers"},
    {"ConnectedPeers", "haproxy_process_connected_peers"},
    {"DroppedLogs", "haproxy_process_dropped_logs_total", true},
    {"BusyPolling", "haproxy_process_busy_polling_enabled"},
    {"FailedResolutions", "haproxy_process_failed_resolutions", true},
    {"TotalBytesOut", "haproxy_process_bytes_out_total", true},
    {"TotalSplicedBytesOut", "haproxy_process_spliced_bytes_out_total", true},
    {"TotalSplicdedBytesOut", "haproxy_process_spliced_bytes_out_total", true},  // as 2.6 spells it
    {"BytesOutRate", "haproxy_process_bytes_out_rate"},
    {"CumRecvLogs", "haproxy_process_recv_logs_total", true},
    {"TotalWarnings", "haproxy_process_total_warnings", true},
    {"Memmax_bytes", "haproxy_process_max_memory_bytes"},
    {"PoolAlloc_bytes", "haproxy_process_pool_allocated_bytes"},
    {"PoolUsed_bytes", "haproxy_process_pool_used_bytes"},
});

std::string_view fieldNamed(std::string_view names, std::string_view values, std::string_view wanted) {
    for (auto name = nextField(names); !name.empty(); name = nextField(names)) {
        const auto value = nextField(values);
        if (name == wanted) {
            return value;
        }
    }
    return {};
}

}  // namespace

Answers splitAnswers(std::string_view text) {
    const auto start_of = [&](std::string_view head, std::size_t from) {
        for (auto at = text.find(head, from); at != std::string_view::npos; at = text.find(head, at + 1)) {
            if (at == 0 || text[at - 1] == '\n') {
                return at;
            }
        }
        return text.size();
    };
    const auto stats = start_of("# pxname,", 0);
    const auto state = start_of("# be_id ", stats);
    return {text.substr(0, stats), text.substr(stats, state - stats), text.substr(state)};
}

void parseInfo(std::string_view text, Families& out) {
    std::array<bool, kLines.size()> seen{};
    struct Text {
        std::string_view key;
        const char* metric;
        const char* label;
        bool seen = false;
    };
    std::array texts{Text{"Version", "haproxy_process_build_info", "version"},
                     Text{"node", "haproxy_process_node", "node"}};
    for (std::string_view line; nextLine(text, line);) {
        const auto colon = line.find(": ");
        if (colon == std::string_view::npos) {
            continue;
        }
        const auto key = line.substr(0, colon);
        const auto value = trimmed(line.substr(colon + 2));
        for (auto& text_line : texts) {
            if (key == text_line.key && !value.empty() && isValidUtf8(value) && !text_line.seen) {
                text_line.seen = true;
                out.push_back(gauge(text_line.metric, "1."));
                add(out.back(), {{text_line.label, std::string(value)}}, 1);
            }
        }
        for (std::size_t i = 0; i < kLines.size(); ++i) {
            if (kLines[i].key != key || seen[i]) {
                continue;
            }
            seen[i] = true;
            const auto number = toNumber(value);
            if (!number) {
                continue;
            }
            out.push_back(kLines[i].counts ? counter(kLines[i].metric, {}) : gauge(kLines[i].metric, {}));
            add(out.back(), {}, *number);
        }
    }
}

Addresses parseServersState(std::string_view text) {
    Addresses out;
    std::string_view names;
    for (std::string_view line; nextLine(text, line);) {
        if (line.substr(0, 2) == "# ") {
            names = line.substr(2);
            continue;
        }
        const auto backend = fieldNamed(names, line, "be_name");
        const auto server = fieldNamed(names, line, "srv_name");
        const auto address = fieldNamed(names, line, "srv_addr");
        const auto port = fieldNamed(names, line, "srv_port");
        if (backend.empty() || server.empty() || address.empty() || address == "-") {
            continue;
        }
        const Endpoint endpoint{std::string(address), parsePort(port).value_or(0)};
        out[{std::string(backend), std::string(server)}] = endpoint.toString();
    }
    return out;
}

}  // namespace lapwing::agent::haproxy
