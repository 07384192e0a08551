#include <fmt/core.h>

#include <algorithm>

#include "collector/command/command.h"
#include "collector/command/problems.h"
#include "collector/notify/routes.h"
#include "collector/rules/manager.h"
#include "common/config/reader.h"
#include "common/text.h"

namespace lapwing::collector {
namespace {

std::string joined(const std::vector<std::string>& names) {
    std::string out;
    for (const auto& name : names) {
        out += (out.empty() ? "" : ", ") + name;
    }
    return out;
}

/// The labels that the command line names; nothing, with a message, for a word that is not NAME=VALUE.
std::optional<Labels> labelsOf(const RouteRequest& request) {
    Labels out{{"alertname", request.alert}};
    for (const auto& word : request.labels) {
        const auto equal = word.find('=');
        if (equal == std::string::npos || equal == 0) {
            fmt::print(stderr, "\"{}\" is not a label: NAME=VALUE, such as instance=web-01\n",
                       printable(word));
            return std::nullopt;
        }
        out.set(word.substr(0, equal), word.substr(equal + 1));
    }
    return out;
}

/// The alerts that the command means: those of the rules of that name, which bring their own labels, such as
/// the severity, unless the command line names another value.
std::vector<Labels> meant(const Labels& asked, const std::vector<Labels>& alerts) {
    std::vector<Labels> out;
    for (const auto& alert : alerts) {
        if (std::any_of(alert.begin(), alert.end(), [&](const Label& label) {
                return asked.has(label.name) && asked.get(label.name) != label.value;
            })) {
            continue;
        }
        Labels merged = alert;
        for (const auto& label : asked) {
            merged.set(label.name, label.value);
        }
        if (std::find(out.begin(), out.end(), merged) == out.end()) {
            out.push_back(std::move(merged));
        }
    }
    return out;
}

void print(const notify::Config& config, const Labels& alert) {
    fmt::print("{}\n", printable(alert.toString()));
    const auto taken = notify::routesOf(config.routes, alert);
    if (taken.empty()) {
        fmt::print("  {}: every receiver: {}\n",
                   config.routes.empty() ? "without routes" : "no route matches",
                   joined(notify::receiverNames(config)));
    }
    for (const auto* route : taken) {
        fmt::print("  notify.routes[{}] ({}): {}{}\n", route - config.routes.data(),
                   printable(notify::describe(route->match)), joined(route->to),
                   route->alternative.empty()
                       ? ""
                       : fmt::format("; if one of them fails for {}: {}",
                                     config::formatDuration(route->alternative_after_ms),
                                     joined(route->alternative)));
    }
}

}  // namespace

int showRoute(const std::string& config_file, const RouteRequest& request) {
    const auto config = configOrComplain(config_file);
    const auto asked = labelsOf(request);
    if (!config || !asked) {
        return kWrongUsage;
    }
    if (notify::receiverNames(config->notify).empty()) {
        fmt::print("nobody is told of an alert: {} has no receiver (notify)\n", config_file);
        return kDegraded;
    }
    const auto rules = rules::checkFiles(config->rules);
    auto alerts = meant(*asked, rules.alerts);
    if (alerts.empty()) {
        fmt::print(stderr, "no rule has such an alert; the labels are taken as they are\n");
        alerts.push_back(*asked);
    }
    for (const auto& alert : alerts) {
        print(config->notify, alert);
    }
    return kFine;
}

}  // namespace lapwing::collector
