#include <fmt/core.h>

#include <cstdio>

#include "collector/command/command.h"
#include "collector/command/problems.h"
#include "collector/notify/dispatcher.h"
#include "collector/rules/manager.h"

namespace lapwing::collector {
namespace {

const char* plural(std::size_t count) {
    return count == 1 ? "" : "s";
}

int report(const rules::CheckResult& result) {
    for (const auto& problem : result.problems) {
        fmt::print(stderr, "{}\n", problem.toString());
    }
    for (auto warning : result.warnings) {
        warning.message = "warning: " + warning.message;
        fmt::print(stderr, "{}\n", warning.toString());
    }
    if (!result.problems.empty()) {
        return kWrongUsage;
    }
    fmt::print("{} rule file{}, {} group{}, {} rule{}: fine\n", result.files, plural(result.files),
               result.groups, plural(result.groups), result.rules, plural(result.rules));
    return kFine;
}

}  // namespace

std::optional<Config> configOrComplain(const std::string& file) {
    config::Reader reader;
    auto config = loadConfig(file, reader);
    if (reader.ok()) {
        return config;
    }
    for (const auto& problem : reader.problems()) {
        fmt::print(stderr, "{}\n", problem.toString());
    }
    return std::nullopt;
}

int checkConfig(const std::string& config_file) {
    const auto config = configOrComplain(config_file);
    // Checks the configuration and the rules that it names, so that one run shows all problems.
    if (!config) {
        return kWrongUsage;
    }
    fmt::print("{}: fine\n", config_file);
    return report(rules::checkFiles(config->rules));
}

int checkRules(const std::vector<std::string>& files) {
    return report(rules::checkFiles(files));
}

int testNotify(const std::string& config_file) {
    auto config = configOrComplain(config_file);
    if (!config) {
        return kWrongUsage;
    }
    auto& receivers = config->notify;
    receivers.external_url = config->externalUrl();
    if (receivers.webhook.empty() && receivers.email.empty() && receivers.alertmanager.empty()) {
        fmt::print(stderr,
                   "{} has no receiver: add a webhook, an e-mail address or an Alertmanager under notify\n",
                   config_file);
        return kWrongUsage;
    }
    int code = kFine;
    for (const auto& outcome : notify::sendTest(receivers)) {
        if (outcome.result) {
            fmt::print("{}: accepted\n", outcome.receiver);
        } else {
            fmt::print(stderr, "{}: {}\n", outcome.receiver, outcome.result.error().message);
            code = kUnreachable;
        }
    }
    return code;
}

}  // namespace lapwing::collector
