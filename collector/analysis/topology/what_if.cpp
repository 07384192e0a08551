#include "collector/analysis/topology/what_if.h"

#include <algorithm>
#include <array>

#include "collector/analysis/judgement.h"

namespace lapwing::analysis::topology {

namespace {

constexpr std::array kAddable{ComponentKind::haproxy, ComponentKind::web, ComponentKind::mysql,
                              ComponentKind::watchdog};

std::string addableNames() {
    std::vector<std::string> names;
    names.reserve(kAddable.size());
    for (const auto kind : kAddable) {
        names.emplace_back(componentKindName(kind));
    }
    return joined(names);
}

/// Components that stop with the failed ones: programs of a host, hosts of a group or of a machine.
std::set<std::string> stoppedWith(const Model& model, const std::set<std::string>& failed) {
    auto all = failed;
    for (bool more = true; more;) {
        more = false;
        for (const auto& edge : model.edges) {
            if ((edge.kind == EdgeKind::runs_on || edge.kind == EdgeKind::shares) && all.contains(edge.to)) {
                more = all.insert(edge.from).second || more;
            }
        }
    }
    for (const auto& each : failed) {
        all.erase(each);
    }
    return all;
}

}  // namespace

Expected<Addition> parseAddition(const std::string& text) {
    const auto at = text.find('@');
    const auto kind = valueOf(kComponentKindNames, text.substr(0, at));
    const bool addable = kind && std::find(kAddable.begin(), kAddable.end(), *kind) != kAddable.end();
    if (!addable || at == std::string::npos || at + 1 == text.size()) {
        return fail(
            ErrorKind::invalid,
            "\"" + text + "\" cannot be added: write KIND@HOST, where KIND is one of " + addableNames());
    }
    return Addition{*kind, text.substr(at + 1)};
}

Expected<WhatIf> whatIf(const Moment& moment, const std::vector<std::string>& failed,
                        const std::vector<Addition>& additions) {
    const auto model = moment.suppose(additions);
    WhatIf out;
    out.failed = {failed.begin(), failed.end()};
    for (const auto& each : out.failed) {
        if (!model.components.contains(each)) {
            std::vector<std::string> names;
            for (const auto& [id, component] : model.components) {
                names.push_back(id);
            }
            return fail(ErrorKind::not_found,
                        "there is no component \"" + each + "\"; there are " + joined(names));
        }
    }
    out.stopped = stoppedWith(model, out.failed);
    States healthy;
    auto present = model.states();
    // What runs on a failed host needs the host: it stops without a state of its own.
    for (const auto& each : out.failed) {
        healthy[each] = Truth::no;
        present[each] = Truth::no;
    }
    for (const auto& service : model.services) {
        const auto* known = moment.model.service(service.kind);
        out.outcomes.push_back(
            {service.kind, service.title, known == nullptr ? Truth::unknown : known->now.works,
             evaluate(service.at_present, present), failuresOf(service.by_design, healthy)});
    }
    return out;
}

}  // namespace lapwing::analysis::topology
