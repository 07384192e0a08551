#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/probes/kind.h"
#include "common/config/reader.h"

namespace lapwing::agent {

/// The form of `probes.NAME` in the configuration.
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

/// Configures a probe that is switched off or that has a list of entries. `read(entry, context, out)` reads
/// an entry. Returns the line for the log, or nothing for `detect` and `on`, which each probe handles itself.
template <class ReadEntry>
std::optional<std::string> configureEntries(const config::Node& node, const std::string& job,
                                            const ProbeContext& context, std::vector<ProbeSpec>& out,
                                            Switch wanted, ReadEntry read) {
    if (wanted == Switch::off) {
        return job + ": off (configured)";
    }
    if (wanted != Switch::given) {
        return std::nullopt;
    }
    const auto before = out.size();
    node.forEach([&](const config::Node& entry) { read(entry, context, out); });
    return job + ": on (configured, " + std::to_string(out.size() - before) + ")";
}

/// "localhost" and loopback addresses: a server there is this host's own.
inline bool isLoopback(std::string_view host) {
    return host == "localhost" || host == "::1" || host.starts_with("127.");
}

/// Reads `instance`: by default this host, if the entry names a server of this host's own (`local`). Nothing,
/// and a problem of the entry, where it is missing.
inline std::optional<std::string> readInstance(const config::Node& entry, const ProbeContext& context,
                                               bool local) {
    std::string instance;
    entry["instance"].read(instance);
    if (instance.empty() && !local) {
        entry.problem(entry.path() + " needs an instance: the name of the host that it observes");
        return std::nullopt;
    }
    return instance.empty() ? context.host : instance;
}

/// Adds a probe that every host has, unless it is switched off. Returns the line for the log. `has_settings`:
/// the probe may be given a map, which the caller has read.
inline std::string onEveryHost(const config::Node& node, const ProbeContext& context, const std::string& job,
                               std::unique_ptr<Probe> probe, std::vector<ProbeSpec>& out,
                               bool has_settings = false) {
    const auto wanted = switchOf(node);
    if (wanted == Switch::off) {
        return job + ": off (configured)";
    }
    if (wanted == Switch::given && !(has_settings && node.isMap())) {
        node.problem(node.path() + " must be on or off");
    }
    ProbeSpec spec;
    spec.job = job;
    spec.instance = context.host;
    spec.probe = std::move(probe);
    out.push_back(std::move(spec));
    return job + (wanted == Switch::detect ? ": on (every host has it)" : ": on (configured)");
}

}  // namespace lapwing::agent
