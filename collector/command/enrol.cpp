#include <fmt/core.h>

#include <filesystem>

#include "collector/command/command.h"
#include "collector/command/problems.h"
#include "collector/trust/authority.h"
#include "common/files.h"

namespace lapwing::collector {

int enrol(const std::string& config_file, const std::string& host, const std::string& bundle_file) {
    const auto config = configOrComplain(config_file);
    if (!config) {
        return kWrongUsage;
    }
    if (!trust::isValidHostName(host)) {
        fmt::print(stderr, "\"{}\" cannot be a host's name: at most 63 of a-z, 0-9, '.' and '-'\n", host);
        return kWrongUsage;
    }
    auto authority = trust::Authority::open(config->directory() + "/ca");
    if (!authority) {
        fmt::print(stderr, "{}\n", authority.error().message);
        if (authority.error().kind == ErrorKind::denied) {
            fmt::print(stderr, "Run it as root, or as the user of the collector.\n");
        }
        return kWrongUsage;
    }
    const std::string target = bundle_file.empty() ? host + ".pem" : bundle_file;
    // Checked before the certificate exists: a host must not count as enrolled if its bundle cannot be
    // written. An existing bundle stays until the new one is complete, because an agent may be using it.
    std::error_code ignored;
    if (std::filesystem::is_directory(target, ignored)) {
        fmt::print(stderr, "write {}: it is a directory\n", target);
        return kWrongUsage;
    }
    const std::string trial = target + ".new";
    if (auto writable = files::writeFile(trial, "", 0600); !writable) {
        fmt::print(stderr, "{}\n", writable.error().message);
        return kWrongUsage;
    }
    std::filesystem::remove(trial, ignored);
    const auto bundle = authority->enrol(host);
    if (!bundle) {
        fmt::print(stderr, "{}\n", bundle.error().message);
        return kWrongUsage;
    }
    if (auto written = files::writeFile(target, *bundle, 0600); !written) {
        fmt::print(stderr, "{}\n", written.error().message);
        return kWrongUsage;
    }
    fmt::print(
        "{} is enrolled. {} holds its certificate (valid for {} days; the agent renews it), its private key "
        "and "
        "the collector's CA.\n"
        "\n"
        "1. Carry the file to {} over a trusted channel, and delete it here: its holder can report as {}.\n"
        "2. On that host: install -m 0640 -o root -g lapwing {} /etc/lapwing/agent.pem\n"
        "3. In /etc/lapwing/agent.yaml:\n"
        "     host: {}\n"
        "     collector: {{ url: https://ADDRESS-OF-THIS-MACHINE:{}, ca: /etc/lapwing/agent.pem,\n"
        "                  cert: /etc/lapwing/agent.pem, key: /etc/lapwing/agent.pem }}\n"
        "4. systemctl restart lapwing-agent\n",
        host, target, trust::Authority::kAgentDays, host, host,
        std::filesystem::path(target).filename().string(), host,
        config->agents.listen.empty() ? 9766 : config->agents.listen.front().port);
    return kFine;
}

}  // namespace lapwing::collector
