#include <fmt/core.h>

#include <optional>

#include "collector/command/client.h"
#include "collector/command/command.h"
#include "collector/command/problems.h"
#include "collector/trust/authority.h"
#include "common/json.h"
#include "common/text.h"

namespace lapwing::collector {
namespace {

using Stage = trust::Authority::Rollover::Stage;

constexpr const char* kRestart = "Now restart the service: systemctl restart lapwing-collector\n";

std::optional<trust::Authority> authorityOrComplain(const Config& config) {
    auto authority = trust::Authority::open(config.directory() + "/ca");
    if (authority) {
        return std::move(*authority);
    }
    fmt::print(stderr, "{}\n", authority.error().message);
    if (authority.error().kind == ErrorKind::denied) {
        fmt::print(stderr, "Run it as root, or as the user of the collector.\n");
    }
    return std::nullopt;
}

int failed(const Error& error) {
    fmt::print(stderr, "{}\n", error.message);
    return kWrongUsage;
}

bool isEnrolled(const trust::Authority& authority, const std::string& host) {
    for (const auto& each : authority.enrolled()) {
        if (each.host == host) {
            return true;
        }
    }
    return false;
}

int showRollover(const trust::Authority::Rollover& rollover) {
    switch (rollover.stage) {
        case Stage::none:
            fmt::print(
                "One CA signs, and no roll-over has begun. `lapwing-collector ca begin` makes a second "
                "one.\n");
            break;
        case Stage::begun:
            fmt::print(
                "A second CA is trusted and does not sign yet. Next: `lapwing-collector ca switch`.\n");
            break;
        case Stage::switched:
            fmt::print(
                "The second CA signs, and the first is still trusted. Next: `lapwing-collector ca "
                "finish`.\n");
            break;
    }
    if (!rollover.waiting.empty()) {
        fmt::print("The next step would lock out agents that have not renewed their certificates: {}\n",
                   joined(rollover.waiting));
    }
    return kFine;
}

}  // namespace

int revoke(const std::string& config_file, const std::string& host) {
    const auto config = configOrComplain(config_file);
    auto authority = config ? authorityOrComplain(*config) : std::nullopt;
    if (!authority) {
        return kWrongUsage;
    }
    if (!isEnrolled(*authority, host)) {
        fmt::print(stderr, "no host \"{}\" is enrolled: `lapwing-collector agents` lists them\n",
                   printable(host));
        return kWrongUsage;
    }
    if (const auto done = authority->revoke(host); !done) {
        return failed(done.error());
    }
    fmt::print(
        "All certificates of {} are refused from now on, by the running collector too.\n"
        "To take it back: lapwing-collector enrol {}. To remove its data and alerts: lapwing-collector "
        "forget {}\n",
        host, host, host);
    return kFine;
}

int forget(const std::string& config_file, const std::string& host) {
    const auto config = configOrComplain(config_file);
    if (!config) {
        return kWrongUsage;
    }
    if (!trust::isValidHostName(host)) {
        fmt::print(stderr, "\"{}\" cannot be a host's name: at most 63 of a-z, 0-9, '.' and '-'\n",
                   printable(host));
        return kWrongUsage;
    }
    const auto answer = Collector(*config).administer("/api/lapwing/v1/agents/forget?host=" + host);
    if (!answer) {
        fmt::print(stderr, "cannot reach the collector, which forgets its samples: {}\n",
                   answer.error().message);
        return kUnreachable;
    }
    if (answer->status != 204) {
        const auto reason = json::text(json::parse(answer->body), "error");
        fmt::print(stderr, "the collector refuses: {}\n",
                   reason.empty() ? "HTTP " + std::to_string(answer->status) : printable(reason));
        return kWrongUsage;
    }
    fmt::print("{} is forgotten: its certificates are revoked, its samples deleted, and its alerts end.\n",
               host);
    return kFine;
}

int rollCa(const std::string& config_file, CaStep step, bool anyway) {
    const auto config = configOrComplain(config_file);
    auto authority = config ? authorityOrComplain(*config) : std::nullopt;
    if (!authority) {
        return kWrongUsage;
    }
    const auto present = authority->rollover();
    if (!present) {
        return failed(present.error());
    }
    if (step == CaStep::show) {
        return showRollover(*present);
    }
    const bool waits = step != CaStep::begin && !present->waiting.empty();
    if (waits && !anyway) {
        fmt::print(
            stderr,
            "this would lock out agents that have not renewed their certificates: {}\n"
            "They do so within minutes once they are heard. `forget` hosts that are gone, or give --anyway\n",
            joined(present->waiting));
        return kWrongUsage;
    }
    const auto done = step == CaStep::begin         ? authority->beginRollover()
                      : step == CaStep::switch_over ? authority->switchRollover()
                                                    : authority->finishRollover();
    if (!done) {
        return failed(done.error());
    }
    const auto reached = authority->rollover();
    if (!reached) {
        return failed(reached.error());
    }
    showRollover(*reached);
    fmt::print("{}", kRestart);
    return kFine;
}

}  // namespace lapwing::collector
