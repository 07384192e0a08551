#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "agent/probes/mysql/parse.h"
#include "agent/probes/mysql/variables.h"
#include "agent/probes/text.h"
#include "common/model/families.h"

namespace lapwing::agent::mysql {
namespace {

/// "0.0003/0.0005/0.002/0.0004/12": least, mean and greatest latency, its deviation, and the number of
/// samples.
void addLatency(std::string_view text, Families& out) {
    constexpr std::array<const char*, 5> parts = {"min_seconds", "avg_seconds", "max_seconds", "stdev",
                                                  "sample_size"};
    std::array<double, parts.size()> values{};
    for (std::size_t i = 0; i < parts.size(); ++i) {
        const auto end = text.find('/');
        const auto value = toNumber(text.substr(0, end));
        const bool last = i + 1 == parts.size();
        if (!value || (end == std::string_view::npos) != last) {
            return;
        }
        values[i] = *value;
        text.remove_prefix(last ? text.size() : end + 1);
    }
    for (std::size_t i = 0; i < parts.size(); ++i) {
        out.push_back(gauge(std::string("mysql_galera_evs_repl_latency_") + parts[i],
                            "The latency of group communication."));
        add(out.back(), {}, values[i]);
    }
}

/// The bytes of "gcache.size = 128M" among the options of the provider.
std::optional<double> cacheSize(std::string_view options) {
    constexpr std::string_view key = "gcache.size = ";
    const auto at = options.find(key);
    if (at == std::string_view::npos) {
        return std::nullopt;
    }
    auto text = options.substr(at + key.size());
    text = trimmed(text.substr(0, text.find(';')));
    double unit = 1;
    constexpr auto units =
        std::to_array<std::pair<char, double>>({{'K', 0x1p10}, {'M', 0x1p20}, {'G', 0x1p30}});
    for (const auto& [letter, bytes] : units) {
        if (!text.empty() && text.back() == letter) {
            text.remove_suffix(1);
            unit = bytes;
        }
    }
    const auto number = toNumber(text);
    return number ? std::optional(*number * unit) : std::nullopt;
}

}  // namespace

void addGalera(const Table& status, const Table& variables, Families& out) {
    if (auto node = variableText(status, "wsrep_local_state_uuid"); !node.empty()) {
        out.push_back(gauge("mysql_galera_status_info", "The Galera cluster's state."));
        add(out.back(),
            {{"wsrep_cluster_state_uuid", variableText(status, "wsrep_cluster_state_uuid")},
             {"wsrep_local_state_uuid", std::move(node)},
             {"wsrep_provider_version", variableText(status, "wsrep_provider_version")}},
            1);
    }
    if (auto name = variableText(variables, "wsrep_cluster_name"); !name.empty()) {
        out.push_back(gauge("mysql_galera_variables_info", "The Galera cluster's name."));
        add(out.back(), {{"wsrep_cluster_name", std::move(name)}}, 1);
    }
    addLatency(variable(status, "wsrep_evs_repl_latency"), out);
    if (const auto bytes = cacheSize(variable(variables, "wsrep_provider_options"))) {
        out.push_back(gauge("mysql_galera_gcache_size_bytes", "The size of Galera's cache of write sets."));
        add(out.back(), {}, *bytes);
    }
}

}  // namespace lapwing::agent::mysql
