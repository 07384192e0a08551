#include <array>
#include <string>
#include <string_view>
#include <utility>

#include "agent/probes/haproxy/parse.h"
#include "agent/probes/text.h"
#include "common/model/families.h"

namespace lapwing::agent::haproxy {

namespace {

struct Counter {
    std::string_view key;
    const char* metric;  ///< a gauge, as the native exporter has it
};

constexpr auto kCounters = std::to_array<Counter>({
    {"sent", "haproxy_resolver_sent"},
    {"snd_error", "haproxy_resolver_send_error"},
    {"valid", "haproxy_resolver_valid"},
    {"update", "haproxy_resolver_update"},
    {"cname", "haproxy_resolver_cname"},
    {"cname_error", "haproxy_resolver_cname_error"},
    {"any_err", "haproxy_resolver_any_err"},
    {"nx", "haproxy_resolver_nx"},
    {"timeout", "haproxy_resolver_timeout"},
    {"refused", "haproxy_resolver_refused"},
    {"other", "haproxy_resolver_other"},
    {"invalid", "haproxy_resolver_invalid"},
    {"too_big", "haproxy_resolver_too_big"},
    {"truncated", "haproxy_resolver_truncated"},
    {"outdated", "haproxy_resolver_outdated"},
});

/// The text between two others; "" if the line is not of this form.
std::string_view between(std::string_view line, std::string_view before, std::string_view after) {
    const bool fits =
        line.size() > before.size() + after.size() && line.starts_with(before) && line.ends_with(after);
    return fits ? line.substr(before.size(), line.size() - before.size() - after.size()) : std::string_view();
}

}  // namespace

void parseResolvers(std::string_view text, Families& out) {
    std::array<prometheus::MetricFamily, kCounters.size()> families;
    for (std::size_t i = 0; i < kCounters.size(); ++i) {
        families[i] = gauge(kCounters[i].metric, "Of the nameserver, since HAProxy started.");
    }
    std::string resolver;
    std::string nameserver;
    for (std::string_view line; nextLine(text, line);) {
        if (const auto name = between(line, "Resolvers section ", ""); !name.empty()) {
            resolver = name;
            nameserver.clear();
        } else if (const auto server = between(line, " nameserver ", ":"); !server.empty()) {
            nameserver = server;
        }
        const auto colon = line.find(':');
        if (resolver.empty() || nameserver.empty() || !line.starts_with("  ") ||
            colon == std::string_view::npos) {
            continue;
        }
        const auto value = toNumber(trimmed(line.substr(colon + 1)));
        for (std::size_t i = 0; value && i < kCounters.size(); ++i) {
            if (kCounters[i].key == trimmed(line.substr(0, colon))) {
                add(families[i], {{"resolver", resolver}, {"nameserver", nameserver}}, *value);
            }
        }
    }
    for (auto& family : families) {
        if (!family.metric.empty()) {
            out.push_back(std::move(family));
        }
    }
}

}  // namespace lapwing::agent::haproxy
