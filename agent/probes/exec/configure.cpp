#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "agent/probes/exec/commands.h"
#include "agent/probes/exec/exec.h"
#include "agent/probes/kind.h"
#include "agent/probes/switch.h"
#include "common/config/reader.h"
#include "common/digest.h"

namespace lapwing::agent {

namespace {

/// Besides the command's own time: systemd starts the helper.
constexpr std::chrono::milliseconds kStart{3000};
/// The most that a first run waits.
constexpr std::chrono::milliseconds kSpread{60'000};

/// Spreads the commands of one interval, which would else begin together. The same on every host.
std::chrono::milliseconds offsetOf(const std::string& name, std::chrono::milliseconds interval) {
    const auto window = static_cast<std::uint64_t>(std::min(interval, kSpread).count());
    return std::chrono::milliseconds(fnv1a(name) % window);
}

std::string configureExec(const config::Node& node, const ProbeContext& context,
                          std::vector<ProbeSpec>& out) {
    const auto wanted = switchOf(node);
    if (wanted == Switch::on) {
        node.problem(node.path() + " must be a list of commands");
    }
    if (wanted != Switch::given) {
        return wanted == Switch::off ? "exec: off (configured)" : "exec: off (no command is configured)";
    }
    auto commands = exec::readCommands(node);
    for (auto& command : commands) {
        ProbeSpec spec;
        spec.job = "exec";
        spec.instance = context.host;
        spec.labels.set("command", command.name);
        spec.deadline = std::chrono::milliseconds(command.timeout_ms) + kStart;
        spec.interval = std::max(std::chrono::milliseconds(command.interval_ms), spec.deadline);
        spec.offset = offsetOf(command.name, spec.interval);
        spec.probe = std::make_unique<exec::ExecProbe>(std::move(command));
        out.push_back(std::move(spec));
    }
    return "exec: on (configured, " + std::to_string(commands.size()) + ")";
}

}  // namespace

ProbeKind execProbe() {
    return {"exec", "Nagios plugins and scripts that root configured, run as another user", &configureExec};
}

}  // namespace lapwing::agent
