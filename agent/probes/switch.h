#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "agent/probes/kind.h"
#include "common/config/reader.h"

namespace lapwing::agent {

/// What `probes.NAME` of the configuration says.
enum class Switch {
    detect,  ///< the key is absent
    off,
    on,     ///< with the defaults, even if nothing is detected
    given,  ///< a map or a list of maps
};

/// Reports a scalar that is neither `on` nor `off`; it counts as `off`.
inline Switch switchOf(const config::Node& node) {
    if (!node.present()) {
        return Switch::detect;
    }
    if (!node.isScalar()) {
        return Switch::given;
    }
    const auto text = node.text();
    if (text == "on" || text == "true" || text == "yes") {
        return Switch::on;
    }
    if (text != "off" && text != "false" && text != "no") {
        node.problem(node.path() + " must be on, off or a list of what to probe");
    }
    return Switch::off;
}

/// Adds a probe that every host has, unless it is switched off. Returns the line for the log.
inline std::string onEveryHost(const config::Node& node, const ProbeContext& context, const std::string& job,
                               std::unique_ptr<Probe> probe, std::vector<ProbeSpec>& out) {
    const auto wanted = switchOf(node);
    if (wanted == Switch::off) {
        return job + ": off (configured)";
    }
    if (wanted == Switch::given) {
        node.problem(node.path() + " must be on or off");
    }
    ProbeSpec spec;
    spec.job = job;
    spec.instance = context.host;
    spec.probe = std::move(probe);
    out.push_back(std::move(spec));
    return job + (wanted == Switch::on ? ": on (configured)" : ": on (every host has it)");
}

}  // namespace lapwing::agent
