#include <unistd.h>

#include <memory>
#include <set>
#include <string>
#include <utility>

#include "agent/probes/kind.h"
#include "agent/probes/logs/logs.h"
#include "agent/probes/switch.h"
#include "common/config/reader.h"

namespace lapwing::agent {

namespace {

using logs::Field;

constexpr const char* kNginxConf = "/etc/nginx/nginx.conf";

void readKeys(const config::Node& node, logs::LogFormat& out) {
    node.forEachPair([&](const std::string& name, const config::Node& key) {
        for (std::size_t i = 0; i < logs::kFields; ++i) {
            const auto field = static_cast<Field>(i);
            if (name == logs::nameOf(field)) {
                key.read(out.keys[field]);
                return;
            }
        }
        node.problem(node.path() + ": \"" + name + "\" is no variable of Nginx that is counted");
    });
}

logs::LogFormat readFormat(const config::Node& entry) {
    logs::LogFormat out;
    const auto node = entry["format"];
    std::string text = "combined";
    node.read(text);
    out.json = text == "json";
    if (!out.json && text != "combined") {
        out.text = text;
    }
    readKeys(entry["keys"], out);
    if (!out.json && !out.keys.empty()) {
        entry["keys"].problem(entry.path() + ".keys are for the format json");
    }
    if (text != "json" && text != "combined" && text.find('$') == std::string::npos) {
        node.problem(node.path() + " must be combined, json or a log_format of Nginx with its $variables");
    } else if (const auto reader = logs::readerOf(out); !reader) {
        node.problem(node.path() + ": " + reader.error().message);
    }
    return out;
}

void readEntry(const config::Node& entry, logs::LogSources& out, std::set<std::string>& paths) {
    entry.allow({"access", "error", "format", "keys"});
    if (!entry.isMap()) {
        return;
    }
    logs::LogSource source;
    source.is_error = entry["error"].present();
    if (source.is_error == entry["access"].present()) {
        entry.problem(entry.path() + " needs access or error: the path of a log");
        return;
    }
    entry[source.is_error ? "error" : "access"].read(source.path);
    if (!source.path.starts_with('/')) {
        entry.problem(entry.path() + ": \"" + source.path + "\" is not absolute");
    }
    if (!paths.insert(source.path).second) {
        entry.problem(entry.path() + ": " + source.path + " is named twice");
    }
    if (!source.is_error) {
        source.format = readFormat(entry);
    } else if (entry["format"].present()) {
        entry["format"].problem(entry.path() + ".format is for access logs");
    }
    out.logs.push_back(std::move(source));
}

void addSpec(const ProbeContext& context, std::function<logs::LogSources()> sources,
             std::vector<ProbeSpec>& out) {
    ProbeSpec spec;
    spec.job = "logs";
    spec.instance = context.host;
    spec.probe = std::make_unique<logs::LogsProbe>(std::move(sources));
    out.push_back(std::move(spec));
}

std::string configureLogs(const config::Node& node, const ProbeContext& context,
                          std::vector<ProbeSpec>& out) {
    const auto wanted = switchOf(node);
    if (wanted == Switch::off) {
        return "logs: off (configured)";
    }
    if (wanted == Switch::given) {
        logs::LogSources found;
        std::set<std::string> paths;
        node.forEach([&](const config::Node& entry) { readEntry(entry, found, paths); });
        if (found.logs.size() > logs::kMostLogs) {
            node.problem(node.path() + " names more than " + std::to_string(logs::kMostLogs) + " logs");
        }
        const auto count = std::to_string(found.logs.size());
        addSpec(
            context, [found] { return found; }, out);
        return "logs: on (configured, " + count + ")";
    }
    if (wanted == Switch::detect && ::access(kNginxConf, F_OK) != 0) {
        return std::string("logs: off (there is no ") + kNginxConf + ")";
    }
    addSpec(
        context, [] { return logs::logsOfNginx(kNginxConf, hostFiles()); }, out);
    return std::string("logs: on (the logs that ") + kNginxConf + " names)";
}

}  // namespace

ProbeKind logsProbe() {
    return {"logs", "Nginx: requests, times and errors, from its logs", &configureLogs};
}

}  // namespace lapwing::agent
