#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "agent/probes/haproxy/parse.h"
#include "agent/probes/text.h"
#include "common/digest.h"
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
    {"act", kS, "active"},
    {"bck", kS, "backup"},
    {"chkfail", kS, "check_failures_total", true},
    {"chkdown", kB | kS, "check_up_down_total", true},
    {"lastchg", kB | kS, "check_last_change_seconds"},
    {"downtime", kB | kS, "downtime_seconds_total", true},
    {"qlimit", kS, "queue_limit"},
    {"throttle", kS, "current_throttle"},
    {"lbtot", kB | kS, "loadbalanced_total", true},
    {"rate", kF | kB | kS, "current_session_rate"},
    {"rate_lim", kF, "limit_session_rate"},
    {"rate_max", kF | kB | kS, "max_session_rate"},
    {"check_code", kS, "check_code"},
    {"check_duration", kS, "check_duration_seconds", false, kMs},
    {"req_rate_max", kF, "http_requests_rate_max"},
    {"req_tot", kF | kB | kS, "http_requests_total", true},
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

/// A field of the text, by its place: half the size of a string_view.
struct Field {
    std::uint32_t begin = 0;
    std::uint32_t length = 0;
};

/// Splits CSV (RFC 4180) into records: quoted fields may hold commas, doubled quotes and ends of lines.
/// Quoted fields are unquoted in place.
class Records {
  public:
    explicit Records(std::string& text) : text_(text) {}

    /// False at the end of the text, or if it ends within quotes (isCut() then).
    bool next(std::vector<Field>& fields);
    bool isCut() const { return cut_; }

  private:
    std::string& text_;
    std::size_t at_ = 0;
    bool cut_ = false;
};

bool Records::next(std::vector<Field>& fields) {
    fields.clear();
    if (at_ >= text_.size()) {
        return false;
    }
    while (true) {
        const std::size_t begin = at_;
        std::size_t end = at_;  // of the unquoted field
        if (at_ < text_.size() && text_[at_] == '"') {
            for (++at_;; ++at_) {
                if (at_ >= text_.size()) {
                    cut_ = true;
                    return false;
                }
                if (text_[at_] != '"') {
                    text_[end++] = text_[at_];
                } else if (at_ + 1 < text_.size() && text_[at_ + 1] == '"') {
                    text_[end++] = '"';
                    ++at_;
                } else {
                    ++at_;
                    break;
                }
            }
        }
        for (; at_ < text_.size() && text_[at_] != ',' && text_[at_] != '\n'; ++at_) {
            text_[end++] = text_[at_];
        }
        const bool last = at_ >= text_.size() || text_[at_] == '\n';
        if (last && end > begin && text_[end - 1] == '\r') {
            --end;
        }
        fields.push_back({static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(end - begin)});
        ++at_;
        if (last) {
            return true;
        }
    }
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

// The columns of texts, behind those of numbers.
enum Text : std::size_t {
    kProxy,
    kServer,
    kType,
    kStatus,
    kBackup,
    kTracked,
    kCheckStatus,
    kAddress,
    kAlgorithm,
    kMode,
    kTexts
};
constexpr std::array<std::string_view, kTexts> kTextColumns = {
    "# pxname", "svname", "type", "status", "bck", "tracked", "check_status", "addr", "algo", "mode"};
constexpr std::size_t kFirstClass = kColumns.size();
constexpr std::size_t kFirstText = kFirstClass + kClasses.size();
constexpr std::size_t kPlaces = kFirstText + kTexts;

constexpr std::string_view nameOfPlace(std::size_t place) {
    return place < kFirstClass  ? kColumns[place].name
           : place < kFirstText ? kClasses[place - kFirstClass]
                                : kTextColumns[place - kFirstText];
}

// The families of each kind of row, in their order: the columns, then these.
constexpr std::size_t kStatusFamily = kColumns.size();
constexpr std::size_t kResponsesFamily = kStatusFamily + 1;
constexpr std::size_t kFamiliesOfScope = kResponsesFamily + 1;
// Behind the families of all kinds.
constexpr std::size_t kCheckFamily = kFamiliesOfScope * kScopes.size();
constexpr std::size_t kServerInfoFamily = kCheckFamily + 1;
constexpr std::size_t kBackendInfoFamily = kCheckFamily + 2;
constexpr std::size_t kServersByStateFamily = kCheckFamily + 3;
constexpr std::size_t kServersByCheckFamily = kCheckFamily + 4;
constexpr std::size_t kFamilyCount = kCheckFamily + 5;

}  // namespace

/// The rows of a CSV, of which it makes one family at a time.
class Stats::Table {
  public:
    Table(std::string csv, Addresses known) : csv_(std::move(csv)), known_(std::move(known)) {}

    Expected<void> read(std::size_t most_rows);
    bool next(prometheus::MetricFamily& out);
    bool addressesKnown() const { return addresses_known_; }

  private:
    struct Line {
        std::size_t scope = 0;
        std::array<Field, kPlaces> fields{};
    };

    void add(const std::vector<Field>& fields, const std::array<std::size_t, kPlaces>& places);
    std::string_view at(const Line& line, std::size_t place) const {
        return std::string_view(csv_).substr(line.fields[place].begin, line.fields[place].length);
    }
    std::string_view text(const Line& line, Text column) const { return at(line, kFirstText + column); }
    std::string addressOf(const Line& line) const;
    static std::string_view resultOf(std::string_view check_status);
    LabelList labelsOf(const Line& line) const;

    prometheus::MetricFamily family(std::size_t number) const;
    void addValue(const Line& line, std::size_t column, prometheus::MetricFamily& out) const;
    void addResponses(const Line& line, prometheus::MetricFamily& out) const;
    void addStatus(const Line& line, prometheus::MetricFamily& out) const;
    void addCheck(const Line& line, prometheus::MetricFamily& out) const;
    void addServerInfo(const Line& line, prometheus::MetricFamily& out) const;
    void addBackendInfo(const Line& line, prometheus::MetricFamily& out) const;
    void addServerCounts(bool by_check, prometheus::MetricFamily& out) const;

    std::string csv_;
    const Addresses known_;
    std::vector<Line> lines_;
    std::unordered_set<std::uint64_t> seen_;
    std::size_t next_ = 0;
    bool addresses_known_ = true;
};

namespace {

void addWith(prometheus::MetricFamily& family, LabelList labels, const char* name, std::string_view value,
             double number) {
    if (!value.empty()) {
        labels.push_back({name, std::string(value)});
    }
    lapwing::add(family, std::move(labels), number);
}

}  // namespace

Expected<void> Stats::Table::read(std::size_t most_rows) {
    Records records(csv_);
    std::vector<Field> fields;
    if (!csv_.starts_with("# pxname,") || !records.next(fields)) {
        return fail(ErrorKind::protocol, "the answer is not HAProxy's statistics as CSV");
    }
    const std::size_t columns = fields.size();
    std::array<std::size_t, kPlaces> places{};
    for (std::size_t i = 0; i < kPlaces; ++i) {
        const auto found = std::find_if(fields.begin(), fields.end(), [&](const Field& field) {
            return std::string_view(csv_).substr(field.begin, field.length) == nameOfPlace(i);
        });
        places[i] = static_cast<std::size_t>(found - fields.begin());
    }
    std::size_t rows = 0;
    while (records.next(fields)) {
        if (fields.size() == 1 && fields[0].length == 0) {
            break;  // the empty line that ends an answer
        }
        // A complete line ends with a comma, as the first one does: a shorter line was cut off.
        if (fields.size() < columns) {
            return fail(ErrorKind::protocol, "HAProxy's statistics end in the middle of a line");
        }
        if (++rows > most_rows) {
            return fail(ErrorKind::exhausted, "HAProxy's statistics have more than " +
                                                  std::to_string(most_rows) + " rows (max_rows)");
        }
        add(fields, places);
    }
    if (records.isCut()) {
        return fail(ErrorKind::protocol, "HAProxy's statistics end in the middle of a line");
    }
    if (rows == 0) {
        return fail(ErrorKind::protocol, "HAProxy's statistics have no rows");
    }
    return {};
}

void Stats::Table::add(const std::vector<Field>& fields, const std::array<std::size_t, kPlaces>& places) {
    Line line;
    for (std::size_t i = 0; i < kPlaces; ++i) {
        line.fields[i] = places[i] < fields.size() ? fields[places[i]] : Field{};
    }
    const auto type = toNumber(text(line, kType));
    const auto proxy = text(line, kProxy);
    const auto server = text(line, kServer);
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
    line.scope = static_cast<std::size_t>(row);
    auto name = fnv1a(proxy, fnv1a(kScopes[line.scope]));
    if (row == Row::server) {
        name = fnv1a(server, fnv1a(std::string_view("\0", 1), name));
        addresses_known_ = addresses_known_ && !addressOf(line).empty();
    }
    if (seen_.insert(name).second) {
        lines_.push_back(line);
    }
}

LabelList Stats::Table::labelsOf(const Line& line) const {
    LabelList labels = {{"proxy", std::string(text(line, kProxy))}};
    if (static_cast<Row>(line.scope) == Row::server) {
        labels.push_back({"server", std::string(text(line, kServer))});
    }
    return labels;
}

prometheus::MetricFamily Stats::Table::family(std::size_t number) const {
    if (number == kCheckFamily) {
        return gauge("haproxy_server_check_status", "1 for the last check's result.");
    }
    if (number == kServerInfoFamily) {
        return gauge(metric::kHaproxyServerInfo, "1 for each server.");
    }
    if (number == kBackendInfoFamily) {
        return gauge(metric::kHaproxyBackendInfo, "1 for each backend.");
    }
    if (number == kServersByStateFamily) {
        return gauge("haproxy_backend_agg_server_status", "Servers of the backend by state.");
    }
    if (number == kServersByCheckFamily) {
        return gauge("haproxy_backend_agg_check_status",
                     "Servers of the backend by their last check's result.");
    }
    const std::string prefix = kScopes[number / kFamiliesOfScope];
    const auto column = number % kFamiliesOfScope;
    if (column == kStatusFamily) {
        return gauge(prefix + "status", "1 for the present state, 0 for the others.");
    }
    if (column == kResponsesFamily) {
        return counter(prefix + "http_responses_total", "Responses by class.");
    }
    const auto name = prefix + kColumns[column].metric;
    return kColumns[column].counts ? counter(name, {}) : gauge(name, {});
}

bool Stats::Table::next(prometheus::MetricFamily& out) {
    for (; next_ < kFamilyCount; ++next_) {
        out = family(next_);
        if (next_ >= kServersByStateFamily) {
            addServerCounts(next_ == kServersByCheckFamily, out);
            if (out.metric.empty()) {
                continue;
            }
            ++next_;
            return true;
        }
        const auto scope = next_ < kCheckFamily          ? next_ / kFamiliesOfScope
                           : next_ == kBackendInfoFamily ? static_cast<std::size_t>(Row::backend)
                                                         : static_cast<std::size_t>(Row::server);
        const auto column = next_ % kFamiliesOfScope;
        for (const auto& line : lines_) {
            if (line.scope != scope) {
                continue;
            }
            if (next_ == kCheckFamily) {
                addCheck(line, out);
            } else if (next_ == kServerInfoFamily) {
                addServerInfo(line, out);
            } else if (next_ == kBackendInfoFamily) {
                addBackendInfo(line, out);
            } else if (column == kStatusFamily) {
                addStatus(line, out);
            } else if (column == kResponsesFamily) {
                addResponses(line, out);
            } else {
                addValue(line, column, out);
            }
        }
        if (!out.metric.empty()) {
            ++next_;
            return true;
        }
    }
    return false;
}

void Stats::Table::addValue(const Line& line, std::size_t column, prometheus::MetricFamily& out) const {
    if ((kColumns[column].rows & (1U << line.scope)) == 0) {
        return;
    }
    const auto value = toNumber(at(line, column));
    // "lastsess" and similar columns have -1 for never.
    if (value && *value >= 0) {
        lapwing::add(out, labelsOf(line), *value * kColumns[column].factor);
    }
}

void Stats::Table::addResponses(const Line& line, prometheus::MetricFamily& out) const {
    for (std::size_t i = 0; i < kClasses.size(); ++i) {
        if (const auto value = toNumber(at(line, kFirstClass + i))) {
            addWith(out, labelsOf(line), "code", kClasses[i].substr(5), *value);
        }
    }
}

void Stats::Table::addStatus(const Line& line, prometheus::MetricFamily& out) const {
    const auto status = text(line, kStatus);
    if (static_cast<Row>(line.scope) == Row::server) {
        const auto present = serverState(status);
        if (present.empty()) {
            return;
        }
        for (const auto state : kServerStates) {
            addWith(out, labelsOf(line), "state", state, state == present ? 1 : 0);
        }
        return;
    }
    // Frontends are OPEN, FULL, STOP or PAUSED, backends UP or DOWN.
    const bool up = status == "OPEN" || status == "FULL" || status == "UP";
    if (!up && status != "STOP" && status != "PAUSED" && status != "DOWN") {
        return;
    }
    addWith(out, labelsOf(line), "state", "UP", up ? 1 : 0);
    addWith(out, labelsOf(line), "state", "DOWN", up ? 0 : 1);
}

/// "* L4OK": the next check is under way.
std::string_view Stats::Table::resultOf(std::string_view check_status) {
    return check_status.starts_with("* ") ? check_status.substr(2) : check_status;
}

void Stats::Table::addCheck(const Line& line, prometheus::MetricFamily& out) const {
    const auto result = resultOf(text(line, kCheckStatus));
    if (!result.empty() && isValidUtf8(result)) {
        addWith(out, labelsOf(line), "state", result, 1);
    }
}

std::string Stats::Table::addressOf(const Line& line) const {
    std::string address(text(line, kAddress));
    if (address.empty()) {
        const auto found = known_.find({std::string(text(line, kProxy)), std::string(text(line, kServer))});
        if (found != known_.end()) {
            address = found->second;
        }
    }
    return isValidUtf8(address) ? address : std::string();
}

void Stats::Table::addServerInfo(const Line& line, prometheus::MetricFamily& out) const {
    auto info = labelsOf(line);
    info.push_back({"address", addressOf(line)});
    info.push_back({"role", text(line, kBackup) == "1" ? "backup" : "active"});
    addWith(out, std::move(info), "check",
            checkKind(text(line, kStatus), text(line, kTracked), resultOf(text(line, kCheckStatus))), 1);
}

void Stats::Table::addBackendInfo(const Line& line, prometheus::MetricFamily& out) const {
    auto labels = labelsOf(line);
    if (const auto mode = text(line, kMode); !mode.empty()) {
        labels.push_back({"mode", std::string(mode)});
    }
    addWith(out, std::move(labels), "algorithm", text(line, kAlgorithm), 1);
}

/// For each backend with servers, in the order of their first ones. A server of an unknown state makes the
/// numbers of its backend unknown.
void Stats::Table::addServerCounts(bool by_check, prometheus::MetricFamily& out) const {
    struct Counts {
        bool known = true;
        std::map<std::string_view, std::size_t> servers;
    };
    std::map<std::string_view, Counts> backends;
    for (const auto& line : lines_) {
        if (static_cast<Row>(line.scope) != Row::server) {
            continue;
        }
        auto& counts = backends[text(line, kProxy)];
        const auto word = by_check ? resultOf(text(line, kCheckStatus)) : serverState(text(line, kStatus));
        // INI, UNK and CHECKED are no results.
        const bool counted = !word.empty() && isValidUtf8(word) &&
                             !(by_check && (word == "INI" || word == "UNK" || word == "CHECKED"));
        counts.known = counts.known && (by_check || counted);
        counts.servers[word] += counted ? 1 : 0;
    }
    for (const auto& [proxy, counts] : backends) {
        const auto add = [&, name = proxy](std::string_view state, std::size_t servers) {
            addWith(out, {{"proxy", std::string(name)}}, "state", state, static_cast<double>(servers));
        };
        for (const auto state : kServerStates) {
            const auto found = counts.servers.find(state);
            if (!by_check && counts.known) {
                add(state, found == counts.servers.end() ? 0 : found->second);
            }
        }
        for (const auto& [result, servers] : counts.servers) {
            if (by_check && servers > 0) {
                add(result, servers);
            }
        }
    }
}

Stats::Stats(std::unique_ptr<Table> table) : table_(std::move(table)) {}
Stats::Stats(Stats&&) noexcept = default;
Stats& Stats::operator=(Stats&&) noexcept = default;
Stats::~Stats() = default;

Expected<Stats> Stats::parse(std::string csv, Addresses known, std::size_t most_rows) {
    auto table = std::make_unique<Table>(std::move(csv), std::move(known));
    if (auto read = table->read(most_rows); !read) {
        return tl::unexpected(read.error());
    }
    return Stats(std::move(table));
}

bool Stats::addressesKnown() const {
    return table_->addressesKnown();
}

bool Stats::next(prometheus::MetricFamily& out) {
    return table_->next(out);
}

Expected<Families> parseStats(std::string csv, Addresses known) {
    auto stats = Stats::parse(std::move(csv), std::move(known));
    if (!stats) {
        return tl::unexpected(stats.error());
    }
    Families out;
    for (prometheus::MetricFamily family; stats->next(family);) {
        out.push_back(std::move(family));
    }
    return out;
}

}  // namespace lapwing::agent::haproxy
