#include <unistd.h>

#include <array>
#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "agent/probes/kind.h"
#include "agent/probes/nginx/nginx.h"
#include "agent/probes/switch.h"
#include "common/config/reader.h"

namespace lapwing::agent {
namespace {

constexpr std::array<const char*, 5> kUsualPlaces = {
    "http://127.0.0.1/nginx_status", "http://127.0.0.1/stub_status", "http://127.0.0.1/basic_status",
    "http://127.0.0.1:8080/stub_status", "http://127.0.0.1:8080/nginx_status"};
constexpr std::chrono::milliseconds kDetectTimeout(300);

void addSpec(std::string instance, std::vector<HttpTarget> places, std::vector<ProbeSpec>& out) {
    ProbeSpec spec;
    spec.job = "nginx";
    spec.instance = std::move(instance);
    spec.probe = std::make_unique<nginx::NginxProbe>(std::move(places));
    out.push_back(std::move(spec));
}

std::vector<HttpTarget> usualPlaces() {
    std::vector<HttpTarget> out;
    for (const char* url : kUsualPlaces) {
        if (auto target = parseTarget(url)) {
            out.push_back(std::move(*target));
        }
    }
    return out;
}

void configureEntry(const config::Node& entry, const ProbeContext& context, std::vector<ProbeSpec>& out) {
    entry.allow({"instance", "url", "server_name", "user", "password_file", "ca"});
    if (!entry.isMap()) {
        return;
    }
    auto target = readTarget(entry);
    if (!target) {
        return;
    }
    if (auto instance = readInstance(entry, context, target->isLocal())) {
        addSpec(std::move(*instance), {std::move(*target)}, out);
    }
}

std::string detect(const ProbeContext& context, std::vector<ProbeSpec>& out) {
    bool nginx_answers = false;
    for (const auto& place : usualPlaces()) {
        const auto seen = nginx::requestStatus(place, kDetectTimeout);
        if (seen.status) {
            addSpec(context.host, {place}, out);
            return "nginx: on (" + place.url + ")";
        }
        nginx_answers = nginx_answers || seen.nginx;
    }
    if (nginx_answers) {
        return "nginx: off (Nginx answers, but has no stub_status page: see "
               "/usr/share/doc/lapwing-agent/probes/nginx.md)";
    }
    if (::access("/usr/sbin/nginx", X_OK) != 0) {
        return "nginx: off (not installed, and no status page)";
    }
    // Installed and silent: Nginx may be down, which is worth watching.
    addSpec(context.host, usualPlaces(), out);
    return "nginx: on (installed, but does not answer now)";
}

std::string configureNginx(const config::Node& node, const ProbeContext& context,
                           std::vector<ProbeSpec>& out) {
    const auto wanted = switchOf(node);
    if (auto line = configureEntries(node, "nginx", context, out, wanted, configureEntry)) {
        return std::move(*line);
    }
    if (wanted == Switch::detect) {
        return detect(context, out);
    }
    addSpec(context.host, usualPlaces(), out);
    return "nginx: on (configured)";
}

}  // namespace

ProbeKind nginxProbe() {
    return {"nginx", "Nginx: connections and requests, from stub_status", &configureNginx};
}

}  // namespace lapwing::agent
