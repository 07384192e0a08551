#include <fmt/core.h>

#include <cstdint>
#include <cstdio>
#include <filesystem>

#include "collector/command/command.h"
#include "collector/command/diagnose.h"
#include "collector/command/problems.h"
#include "collector/notify/dispatcher.h"
#include "collector/notify/routes.h"
#include "collector/rules/manager.h"
#include "common/doctor/named_files.h"
#include "common/files.h"
#include "common/model/clock.h"
#include "common/time_text.h"
#include "common/tls/identity.h"

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

/// A pattern that the configuration names, and no file matches. The default may have no files.
void judgeRules(const config::Node& node) {
    node.forEach([](const config::Node& pattern) {
        if (!unmatched({pattern.text()}).empty()) {
            pattern.problem(pattern.path() + ": no file matches " + pattern.text());
        }
    });
}

/// Browsers refuse an ended certificate.
void judgeEnd(const config::Node& root, const Config& config) {
    const auto pem = config.http.tls_cert.empty()
                         ? Expected<std::string>(fail(ErrorKind::not_found, "no certificate is configured"))
                         : files::readFile(config.http.tls_cert);
    const auto validity = pem ? tls::validityOf(*pem) : tl::unexpected(pem.error());
    if (validity && validity->ends < nowMs() / 1000) {
        root["http"]["tls"]["cert"].problem("http.tls.cert: the certificate ended at " +
                                            rfc3339(static_cast<std::int64_t>(validity->ends) * 1000));
    }
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

int checkConfig(const std::string& config_file, const std::string& user) {
    const auto config = configOrComplain(config_file);
    // Checks the configuration and the rules that it names, so that one run shows all problems.
    if (!config) {
        return kWrongUsage;
    }
    const auto account = user.empty() ? doctor::Account::ofService(
                                            config->admin.socket,
                                            doctor::unitOf("lapwing-collector.service",
                                                           std::filesystem::absolute(config_file).string()))
                                      : doctor::Account::named(user);
    if (!account && !user.empty()) {
        fmt::print(stderr, "{}\n", account.error().message);
        return kWrongUsage;
    }
    config::Reader reader;
    const auto root = reader.fileAndDirectory(config_file);
    const bool tried = account && doctor::judgeNamedFiles(root, *account);
    judgeRules(root["rules"]);
    judgeEnd(root, *config);
    auto rules = rules::checkFiles(config->rules);
    notify::judgeRoutes(root["notify"], config->notify,
                        rules.problems.empty() ? rules.alerts : std::vector<Labels>());
    if (!reader.ok()) {
        for (const auto& problem : reader.problems()) {
            fmt::print(stderr, "{}\n", problem.toString());
        }
        return kWrongUsage;
    }
    fmt::print("{}: fine{}\n", config_file, doctor::triedAs(account, tried, "collector"));
    return report(rules);
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
    if (receivers.receivers() == 0) {
        fmt::print(stderr, "{} has no receiver: lapwing-collector notify add names one\n", config_file);
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
