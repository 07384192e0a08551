#include <algorithm>

#include "collector/analysis/redundancy/redundancy.h"

namespace lapwing::analysis::redundancy {

void judgeMonitoring(const Context& context, Judgement& out) {
    const auto* service = context.moment->model.service(topology::ServiceKind::monitoring);
    if (service == nullptr) {
        return;
    }
    const auto& host = context.moment->setup.collector_host;
    const FindingKey key{"R11", topology::idOf(topology::ComponentKind::collector, host)};
    if (context.moment->setup.watchdog) {
        out.judged.insert(key);
        return;
    }
    const auto machine = context.moment->model.machineOf(host);
    std::vector<std::string> shared;
    for (const auto& other : context.moment->model.services) {
        const bool shares = std::any_of(other.design.sets.begin(), other.design.sets.end(),
                                        [&](const auto& set) { return set.components.contains(machine); });
        if (&other != service && shares) {
            shared.push_back(other.title);
        }
    }
    Finding finding;
    finding.severity = shared.empty() ? Severity::medium : Severity::high;
    finding.confidence = Confidence::confirmed;
    const auto singles = service->design.singles(false);
    finding.evidence = {{"notify.heartbeat", "nobody outside is told that the collector still watches"},
                        {"collector", "if " + eitherOf(singles) + " fails, nobody is told of anything"}};
    if (!shared.empty()) {
        finding.title = "The collector fails together with what it watches";
        finding.evidence.push_back(
            {"host of the collector", host + " is needed for " + joined(shared) + " too"});
    } else {
        finding.title = "If the collector stops, nobody is told";
    }
    finding.remedy =
        "Set notify.heartbeat in collector.yaml to the URL of a service outside the site that raises an "
        "alarm when the calls stop" +
        std::string(shared.empty() ? "." : ", and run the collector on a host of its own.") +
        "\nThen somebody is told if the collector itself fails.";
    finding.not_assessed = {
        "whether the collector's notifications reach anybody: lapwing-collector notify test",
        "what else watches this site"};
    conclude(out, key, std::move(finding));
}

void judgeReceivers(const Context& context, Judgement& out) {
    const auto& setup = context.moment->setup;
    if (setup.collector_host.empty() || !setup.receivers) {
        return;
    }
    const FindingKey key{"R19", topology::idOf(topology::ComponentKind::collector, setup.collector_host)};
    if (*setup.receivers > 0) {
        out.judged.insert(key);
        return;
    }
    Finding finding;
    finding.severity = Severity::low;
    finding.confidence = Confidence::confirmed;
    finding.title = "Nobody is told of alerts";
    finding.evidence = {
        {"configuration of the collector",
         "notify names no receiver: alerts are shown on the page and in `lapwing-collector alerts` only"}};
    finding.remedy =
        "Name a receiver, by mail, or by Slack, ntfy and others (see --help):\n"
        "sudo lapwing-collector notify add mail --to ops@example.org --from lapwing@example.org --smtp "
        "localhost:25\n"
        "sudo systemctl restart lapwing-collector\n"
        "sudo lapwing-collector notify test";
    finding.not_assessed = {"what else reads the alerts: the API, Grafana, a forwarded copy"};
    conclude(out, key, std::move(finding));
}

}  // namespace lapwing::analysis::redundancy
