#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "agent/probes/haproxy/parse.h"
#include "agent/probes/text.h"
#include "common/metric_names.h"
#include "common/model/families.h"

namespace lapwing::agent::haproxy {
namespace {

using LabelList = std::vector<prometheus::ClientMetric::Label>;

// The column `type` of the CSV.
enum class Row { frontend = 0, backend = 1, server = 2 };
constexpr std::array<const char*, 3> kScopes = {"haproxy_frontend_", "haproxy_backend_", "haproxy_server_"};
constexpr unsigned kF = 1;
constexpr unsigned kB = 2;
constexpr unsigned kS = 4;

struct Column {
    std::string_view name;
    unsigned rows;  ///< where the native exporter has it
    const char* metric;
    bool counts = false;
    double factor = 1;
};

constexpr double kMs = 0.001;
constexpr auto kColumns = std::to_array<Column>({
    {"qcur", kB | kS, "current_queue"},
    {"qmax", kB | kS, "max_queue"},
    {"scur", kF | kB | kS, "current_sessions"},
    {"smax", kF | kB | kS, "max_sessions"},
    {"slim", kF | kB | kS, "limit_sessions"},
    {"stot", kF | kB | kS, "sessions_total", true},
    {"bin", kF | kB | kS, "bytes_in_total", true},
    {"bout", kF | kB | kS, "bytes_out_total", true},
    {"dreq", kF | kB, "requests_denied_total", true},
    {"dresp", kF | kB | kS, "responses_denied_total", true},
    {"ereq", kF, "request_errors_total", true},
    {"econ", kB | kS, "connection_errors_total", true},
    {"eresp", kB | kS, "response_errors_total", true},
    {"wretr", kB | kS, "retry_warnings_total", true},
    {"wredis", kB | kS, "redispatch_warnings_total", true},
    {"weight", kB | kS, "weight"},
    {"act", kB, "active_servers"},
    {"bck", kB, "backup_servers"},
    {"chkfail", kS, "check_failures_total", true},
    {"chkdown", kB | kS, "check_up_down_total", true},
    {"lastchg", kB | kS, "check_last_change_seconds"},
    {"downtime", kB | kS, "downtime_seconds_total", true},
    {"qlimit", kS, "queue_limit"},
    {"throttle", kS, "current_throttle"},
    {"lbtot", kB | kS, "loadbalanced_total", true},
    {"rate_lim", kF, "limit_session_rate"},
    {"rate_max", kF | kB | kS, "max_session_rate"},
    {"check_code", kS, "check_code"},
    {"check_duration", kS, "check_duration_seconds", false, kMs},
    {"req_rate_max", kF, "http_requests_rate_max"},
    {"req_tot", kF | kB, "http_requests_total", true},
    {"cli_abrt", kB | kS, "client_aborts_total", true},
    {"srv_abrt", kB | kS, "server_aborts_total", true},
    {"comp_in", kF | kB, "http_comp_bytes_in_total", true},
    {"comp_out", kF | kB, "http_comp_bytes_out_total", true},
    {"comp_byp", kF | kB, "http_comp_bytes_bypassed_total", true},
    {"comp_rsp", kF | kB, "http_comp_responses_total", true},
    {"lastsess", kB | kS, "last_session_seconds"},
    {"qtime", kB | kS, "queue_time_average_seconds", false, kMs},
    {"ctime", kB | kS, "connect_time_average_seconds", false, kMs},
    {"rtime", kB | kS, "response_time_average_seconds", false, kMs},
    {"ttime", kB | kS, "total_time_average_seconds", false, kMs},
    {"conn_rate_max", kF, "connections_rate_max"},
    {"conn_tot", kF, "connections_total", true},
    {"intercepted", kF, "intercepted_requests_total", true},
    {"dcon", kF, "denied_connections_total", true},
    {"dses", kF, "denied_sessions_total", true},
    {"wrew", kF | kB | kS, "failed_header_rewriting_total", true},
    {"connect", kB | kS, "connection_attempts_total", true},
    {"reuse", kB | kS, "connection_reuses_total", true},
    {"cache_lookups", kF | kB, "http_cache_lookups_total", true},
    {"cache_hits", kF | kB, "http_cache_hits_total", true},
    {"srv_icur", kS, "idle_connections_current"},
    {"src_ilim", kS, "idle_connections_limit"},
    {"qtime_max", kB | kS, "max_queue_time_seconds", false, kMs},
    {"ctime_max", kB | kS, "max_connect_time_seconds", false, kMs},
    {"rtime_max", kB | kS, "max_response_time_seconds", false, kMs},
    {"ttime_max", kB | kS, "max_total_time_seconds", false, kMs},
    {"eint", kF | kB | kS, "internal_errors_total", true},
    {"idle_conn_cur", kS, "unsafe_idle_connections_current"},
    {"safe_conn_cur", kS, "safe_idle_connections_current"},
    {"used_conn_cur", kS, "used_connections_current"},
    {"need_conn_est", kS, "need_connections_current"},
    {"uweight", kB | kS, "uweight"},
});

constexpr std::array<std::string_view, 6> kClasses = {"hrsp_1xx", "hrsp_2xx", "hrsp_3xx",
                                                      "hrsp_4xx", "hrsp_5xx", "hrsp_other"};
constexpr std::array<std::string_view, 5> kServerStates = {"UP", "DOWN", "MAINT", "DRAIN", "NOLB"};

// More than any real HAProxy has, so that a hostile page does not become a million series.
constexpr std::size_t kMostRows = 20'000;

/// One line of CSV (RFC 4180): quoted fields may hold commas, doubled quotes and ends of lines. False at the
/// end of the text, or if it ends within quotes (`cut` is set then).
bool nextRecord(std::string_view& rest, std::vector<std::string>& fields, bool& cut) {
    if (rest.empty()) {
        return false;
    }
    std::size_t count = 0;
    const auto field = [&]() -> std::string& {
        if (count == fields.size()) {
            fields.emplace_back();
        }
        fields[count].clear();
        return fields[count++];
    };
    std::size_t i = 0;
    while (true) {
        auto& out = field();
        if (i < rest.size() && rest[i] == '"') {
            for (++i;; ++i) {
                if (i >= rest.size()) {
                    cut = true;
                    return false;
                }
                if (rest[i] != '"') {
                    out += rest[i];
                } else if (i + 1 < rest.size() && rest[i + 1] == '"') {
                    out += '"';
                    ++i;
                } else {
                    ++i;
                    break;
                }
            }
        }
        const auto end = std::min(rest.find_first_of(",\n", i), rest.size());
        out.append(rest.substr(i, end - i));
        i = end;
        if (i >= rest.size() || rest[i] == '\n') {
            break;
        }
        ++i;
    }
    if (!fields[count - 1].empty() && fields[count - 1].back() == '\r') {
        fields[count - 1].pop_back();
    }
    rest.remove_prefix(std::min(i + 1, rest.size()));
    fields.resize(count);
    return true;
}

/// "UP 1/3" is up and going down, "DOWN 1/2" is down and coming up, "MAINT (via a/b)" is in maintenance; a
/// server without a check counts as up, as HAProxy itself treats it. "" for texts that no known version
/// prints.
std::string_view serverState(std::string_view status) {
    if (status == "no check") {
        return "UP";
    }
    for (const auto state : kServerStates) {
        if (status.substr(0, state.size()) != state) {
            continue;
        }
        if (status.size() == state.size() || status[state.size()] == ' ') {
            return state;
        }
    }
    return {};
}

/// How a server is checked, from its last check's result. A check that asks the application fails as early as
/// the connection (L4CON, L4TOUT): only L4OK and L6OK, and any result of layer 7, show how far a check goes.
/// "" otherwise.
std::string_view checkKind(std::string_view status, std::string_view tracked, std::string_view result) {
    if (!tracked.empty()) {
        return "tracked";
    }
    if (status == "no check") {
        return "none";
    }
    if (result.substr(0, 4) == "PROC") {
        return "external";
    }
    const auto layer = result.substr(0, 2);
    if (layer == "L7" || result == "L4OK" || result == "L6OK") {
        return layer;
    }
    return {};
}

/// The rows of a CSV, turned into families.
class Table {
  public:
    explicit Table(const std::vector<std::string>& names) {
        const auto find = [&](std::string_view name) -> std::size_t {
            const auto at = std::find(names.begin(), names.end(), name);
            return static_cast<std::size_t>(at - names.begin());
        };
        for (std::size_t i = 0; i < kColumns.size(); ++i) {
            places_[i] = find(kColumns[i].name);
        }
        for (std::size_t i = 0; i < kClasses.size(); ++i) {
            classes_[i] = find(kClasses[i]);
        }
        proxy_ = find("# pxname");
        server_ = find("svname");
        type_ = find("type");
        status_ = find("status");
        backup_ = find("bck");
        tracked_ = find("tracked");
        check_status_ = find("check_status");
        address_ = find("addr");
        algorithm_ = find("algo");
        mode_ = find("mode");
        for (std::size_t scope = 0; scope < kScopes.size(); ++scope) {
            const std::string prefix = kScopes[scope];
            for (const auto& column : kColumns) {
                auto name = prefix + column.metric;
                values_[scope].push_back(column.counts ? counter(std::move(name), {})
                                                       : gauge(std::move(name), {}));
            }
            status_families_[scope] = gauge(prefix + "status", "1 for the present state, 0 for the others.");
            responses_[scope] = counter(prefix + "http_responses_total", "Responses by class.");
        }
    }

    void add(const std::vector<std::string>& fields, const Addresses& known) {
        const auto type = toNumber(at(fields, type_));
        const std::string proxy(at(fields, proxy_));
        const std::string server(at(fields, server_));
        if (!type || *type < 0 || *type > 2 || proxy.empty()) {
            return;  // 3 is a listener
        }
        if (!isValidUtf8(proxy) || !isValidUtf8(server)) {
            return;
        }
        const auto row = static_cast<Row>(static_cast<int>(*type));
        if (row == Row::server && server.empty()) {
            return;
        }
        const auto scope = static_cast<std::size_t>(row);
        if (!seen_.insert({scope, proxy, row == Row::server ? server : std::string()}).second) {
            return;
        }
        LabelList labels = {{"proxy", proxy}};
        if (row == Row::server) {
            labels.push_back({"server", server});
        }

        for (std::size_t i = 0; i < kColumns.size(); ++i) {
            if ((kColumns[i].rows & (1U << scope)) == 0) {
                continue;
            }
            const auto value = toNumber(at(fields, places_[i]));
            // "lastsess" and similar columns have -1 for never.
            if (value && *value >= 0) {
                lapwing::add(values_[scope][i], labels, *value * kColumns[i].factor);
            }
        }
        for (std::size_t i = 0; i < kClasses.size(); ++i) {
            const auto value = toNumber(at(fields, classes_[i]));
            if (value) {
                addWith(responses_[scope], labels, "code", kClasses[i].substr(5), *value);
            }
        }
        addStatus(row, at(fields, status_), labels);
        if (row == Row::server) {
            addServer(fields, known, labels);
        }
        if (row == Row::backend) {
            if (const auto mode = at(fields, mode_); !mode.empty()) {
                labels.push_back({"mode", std::string(mode)});
            }
            addWith(backend_info_, labels, "algorithm", at(fields, algorithm_), 1);
        }
    }

    Stats take() {
        Stats out;
        out.addresses_known = addresses_known_;
        for (std::size_t scope = 0; scope < kScopes.size(); ++scope) {
            for (auto& family : values_[scope]) {
                keep(family, out.families);
            }
            keep(status_families_[scope], out.families);
            keep(responses_[scope], out.families);
        }
        for (auto* family : {&check_, &server_info_, &backend_info_}) {
            keep(*family, out.families);
        }
        return out;
    }

  private:
    static std::string_view at(const std::vector<std::string>& fields, std::size_t place) {
        return place < fields.size() ? std::string_view(fields[place]) : std::string_view();
    }

    static void keep(prometheus::MetricFamily& family, Families& out) {
        if (!family.metric.empty()) {
            out.push_back(std::move(family));
        }
    }

    static void addWith(prometheus::MetricFamily& family, LabelList labels, const char* name,
                        std::string_view value, double number) {
        if (!value.empty()) {
            labels.push_back({name, std::string(value)});
        }
        lapwing::add(family, std::move(labels), number);
    }

    void addStatus(Row row, std::string_view status, const LabelList& labels) {
        auto& family = status_families_[static_cast<std::size_t>(row)];
        if (row == Row::server) {
            const auto present = serverState(status);
            if (present.empty()) {
                return;
            }
            for (const auto state : kServerStates) {
                addWith(family, labels, "state", state, state == present ? 1 : 0);
            }
            return;
        }
        // Frontends are OPEN, FULL, STOP or PAUSED, backends UP or DOWN.
        const bool up = status == "OPEN" || status == "FULL" || status == "UP";
        if (!up && status != "STOP" && status != "PAUSED" && status != "DOWN") {
            return;
        }
        addWith(family, labels, "state", "UP", up ? 1 : 0);
        addWith(family, labels, "state", "DOWN", up ? 0 : 1);
    }

    void addServer(const std::vector<std::string>& fields, const Addresses& known, const LabelList& labels) {
        auto result = at(fields, check_status_);
        // "* L4OK": the next check is under way.
        if (result.substr(0, 2) == "* ") {
            result.remove_prefix(2);
        }
        if (!result.empty() && isValidUtf8(result)) {
            addWith(check_, labels, "state", result, 1);
        }

        std::string address(at(fields, address_));
        if (address.empty()) {
            const auto found =
                known.find({std::string(at(fields, proxy_)), std::string(at(fields, server_))});
            if (found != known.end()) {
                address = found->second;
            }
        }
        if (!isValidUtf8(address)) {
            address.clear();
        }
        addresses_known_ = addresses_known_ && !address.empty();
        auto info = labels;
        info.push_back({"address", address});
        info.push_back({"role", at(fields, backup_) == "1" ? "backup" : "active"});
        addWith(server_info_, std::move(info), "check",
                checkKind(at(fields, status_), at(fields, tracked_), result), 1);
    }

    std::array<std::size_t, kColumns.size()> places_{};
    std::array<std::size_t, kClasses.size()> classes_{};
    std::size_t proxy_ = 0, server_ = 0, type_ = 0, status_ = 0, backup_ = 0, tracked_ = 0, check_status_ = 0,
                address_ = 0, algorithm_ = 0, mode_ = 0;
    std::array<Families, 3> values_;
    std::array<prometheus::MetricFamily, 3> status_families_;
    std::array<prometheus::MetricFamily, 3> responses_;
    prometheus::MetricFamily check_ = gauge("haproxy_server_check_status", "1 for the last check's result.");
    prometheus::MetricFamily server_info_ = gauge(metric::kHaproxyServerInfo, "1 for each server.");
    prometheus::MetricFamily backend_info_ = gauge(metric::kHaproxyBackendInfo, "1 for each backend.");
    std::set<std::tuple<std::size_t, std::string, std::string>> seen_;
    bool addresses_known_ = true;
};

}  // namespace

Expected<Stats> parseStats(std::string_view csv, const Addresses& known) {
    std::vector<std::string> fields;
    bool cut = false;
    if (csv.substr(0, 9) != "# pxname," || !nextRecord(csv, fields, cut)) {
        return fail(ErrorKind::protocol, "the answer is not HAProxy's statistics as CSV");
    }
    Table table(fields);
    const auto columns = fields.size();
    std::size_t rows = 0;
    while (nextRecord(csv, fields, cut)) {
        if (fields.size() == 1 && fields[0].empty()) {
            break;  // the empty line that ends an answer
        }
        // A complete line ends with a comma, as the first one does: a shorter line was cut off.
        if (fields.size() < columns) {
            return fail(ErrorKind::protocol, "HAProxy's statistics end in the middle of a line");
        }
        if (++rows > kMostRows) {
            return fail(ErrorKind::exhausted, "HAProxy's statistics have too many rows");
        }
        table.add(fields, known);
    }
    if (cut) {
        return fail(ErrorKind::protocol, "HAProxy's statistics end in the middle of a line");
    }
    if (rows == 0) {
        return fail(ErrorKind::protocol, "HAProxy's statistics have no rows");
    }
    return table.take();
}

}  // namespace lapwing::agent::haproxy
