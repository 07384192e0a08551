#include <fmt/core.h>

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <optional>
#include <utility>

#include "collector/command/client.h"
#include "collector/command/command.h"
#include "collector/command/problems.h"
#include "collector/trust/identities.h"
#include "common/json.h"
#include "common/text.h"

namespace lapwing::collector {
namespace {

using json::Value;

/// Another machine or another agent uses the agent's name.
bool isMixedUp(const Value& agent) {
    const auto& warnings = json::items(json::member(agent, "warnings"));
    return std::any_of(warnings.begin(), warnings.end(), [](const auto& warning) {
        return member(warning, "kind") !=
               nameOf(trust::kIdentityWarningNames, trust::IdentityWarning::Kind::shared_machine_id);
    });
}

int printAgents(const Value& data, bool quiet) {
    bool all_well = true;
    for (const auto& agent : data.GetArray()) {
        const std::string state = member(agent, "state");
        all_well = all_well && state == "ok" && !isMixedUp(agent);
        if (quiet) {
            continue;
        }
        const std::string ago = member(agent, "last_seen_seconds");
        fmt::print("{}  {}  {}\n", shown(agent, "host"),
                   state == "ok"       ? "reports"
                   : state == "silent" ? "SILENT"
                                       : "NEVER REPORTED",
                   ago.empty() ? "" : "last heard " + ago + " s ago");
        for (const auto& warning : json::items(json::member(agent, "warnings"))) {
            fmt::print("  WARNING: {}\n", shown(warning, "text"));
        }
    }
    if (data.Empty() && !quiet) {
        fmt::print("no agents: lapwing-collector enrol HOST makes the first\n");
    }
    return all_well ? kFine : kDegraded;
}

/// The values of a label, and the sample of each, from an instant vector.
using ByLabel = std::vector<std::pair<std::string, std::string>>;

ByLabel byLabel(const Value& vector, const char* label) {
    ByLabel out;
    for (const auto& sample : vector.GetArray()) {
        out.emplace_back(member(sample["metric"], label), sample["value"][1].GetString());
    }
    return out;
}

/// The clocks that do not agree, one line each.
std::vector<std::string> clockLines(const Value& clocks) {
    std::vector<std::string> out;
    const auto& own = clocks["collector"];
    if (member(own, "judgement") == "wrong") {
        out.push_back(fmt::format("this machine's clock is wrong: {} of the site's time, {}",
                                  shown(own, "text"), shown(clocks, "time")));
    }
    if (member(own, "judgement") == "unconfirmed") {
        out.push_back(
            fmt::format("this machine's clock is {} of the end of the collector's last run, and no "
                        "other clock confirms it: retention does not follow it",
                        shown(own, "text")));
    }
    for (const auto& agent : json::items(json::member(clocks, "agents"))) {
        const auto judgement = member(agent, "judgement");
        if (judgement == "wrong") {
            out.push_back(
                fmt::format("{}: its clock is wrong, {}", shown(agent, "host"), shown(agent, "text")));
        } else if (judgement == "disputed") {
            out.push_back(fmt::format(
                "{}: its clock is {} of this machine's; either may be wrong, and what is more than "
                "30 min off waits in the agent's spool",
                shown(agent, "host"), shown(agent, "text")));
        }
    }
    return out;
}

/// Senders with most of the series that they may have, and senders whose new series are refused.
struct SeriesOffenders {
    ByLabel near;     ///< the part of their budget that they use
    ByLabel refused;  ///< samples within a quarter of an hour
};

/// What other limits have held up within a quarter of an hour.
struct Limited {
    ByLabel senders;    ///< requests answered 429
    ByLabel listeners;  ///< connections and requests, by the names of limit and listener
};

std::optional<Limited> askLimited(const Collector& collector, int& code) {
    // sum by (sender) (increase(lapwing_collector_ingest_limited_total[15m])) > 0
    const auto senders = ask(collector,
                             "/api/v1/query?query=sum%20by%20(sender)%20(increase("
                             "lapwing_collector_ingest_limited_total%5B15m%5D))%20%3E%200",
                             code);
    // label_join(sum by (listener, limit) (increase(lapwing_collector_connections_limited_total[15m])) > 0,
    //   "what", " at ", "limit", "listener")
    const auto listeners =
        ask(collector,
            "/api/v1/query?query=label_join(sum%20by%20(listener,limit)%20(increase("
            "lapwing_collector_connections_limited_total%5B15m%5D))%20%3E%200,%22what%22,%22%20at%20%22,"
            "%22limit%22,%22listener%22)",
            code);
    if (!senders || !listeners) {
        return std::nullopt;
    }
    return Limited{byLabel(senders->document["data"]["result"], "sender"),
                   byLabel(listeners->document["data"]["result"], "what")};
}

std::optional<SeriesOffenders> askOffenders(const Collector& collector, int& code) {
    // max by (sender) (lapwing_collector_active_series / on (instance) group_left ()
    //   lapwing_collector_series_limit{scope="agent"}) > 0.8, without what is no agent
    const auto near =
        ask(collector,
            "/api/v1/query?query=max%20by%20(sender)%20(lapwing_collector_active_series"
            "%7Bsender!~%22@.*%22%7D%20/%20on%20(instance)"
            "%20group_left%20()%20lapwing_collector_series_limit%7Bscope=%22agent%22%7D)%20%3E%200.8",
            code);
    // sum by (sender) (increase(lapwing_collector_series_limit_refused_total[15m])) > 0
    const auto refused = ask(collector,
                             "/api/v1/query?query=sum%20by%20(sender)%20(increase("
                             "lapwing_collector_series_limit_refused_total%5B15m%5D))%20%3E%200",
                             code);
    if (!near || !refused) {
        return std::nullopt;
    }
    return SeriesOffenders{byLabel(near->document["data"]["result"], "sender"),
                           byLabel(refused->document["data"]["result"], "sender")};
}

void putByLabel(json::Writer& out, const char* name, const ByLabel& list, const char* label,
                const char* value) {
    json::key(out, name);
    out.StartArray();
    for (const auto& [text, number] : list) {
        out.StartObject();
        json::put(out, label, text);
        json::putRaw(out, value, number);
        out.EndObject();
    }
    out.EndArray();
}

}  // namespace

int showAgents(const std::string& config_file, bool as_json) {
    return show(config_file, as_json, "/api/lapwing/v1/agents", printAgents);
}

int showStatus(const std::string& config_file, bool as_json) {
    const auto config = configOrComplain(config_file);
    if (!config) {
        return kWrongUsage;
    }
    const Collector collector(*config);
    int code = kFine;
    const auto agents = ask(collector, "/api/lapwing/v1/agents", code);
    if (!agents) {
        return code;
    }
    const auto alerts = ask(collector, "/api/v1/alerts", code);
    const auto findings = ask(collector, "/api/lapwing/v1/findings", code);
    const auto lags = ask(collector, "/api/v1/query?query=lapwing_forward_lag_seconds", code);
    const auto troubles = ask(collector, "/api/v1/query?query=lapwing_notification_trouble_info", code);
    const auto clocks = ask(collector, "/api/lapwing/v1/clocks", code);
    const auto salvages =
        ask(collector, "/api/v1/query?query=lapwing_collector_salvaged_timestamp_seconds", code);
    const auto offenders = askOffenders(collector, code);
    const auto limited = askLimited(collector, code);
    if (!alerts || !findings || !lags || !troubles || !offenders || !limited || !clocks || !salvages) {
        return code;
    }
    std::size_t well = 0;
    const auto& agent_list = agents->document["data"];
    for (const auto& agent : agent_list.GetArray()) {
        well += member(agent, "state") == "ok" ? 1 : 0;
    }
    std::size_t firing = 0;
    const auto& alert_list = alerts->document["data"]["alerts"];
    for (const auto& alert : alert_list.GetArray()) {
        firing += member(alert, "state") == "firing" ? 1 : 0;
    }
    const std::size_t agent_count = agent_list.Size();
    const auto& finding_list = findings->document["data"];
    const std::size_t finding_count = finding_list.Size();
    const auto accepted_count = static_cast<std::size_t>(std::count_if(
        finding_list.Begin(), finding_list.End(), [](const auto& one) { return isAccepted(one); }));
    const auto forwards = byLabel(lags->document["data"]["result"], "destination");
    const auto clock_lines = clockLines(clocks->document["data"]);
    const auto& trouble_list = troubles->document["data"]["result"];
    const auto& salvage_list = salvages->document["data"]["result"];
    const bool nobody_is_told = config->notify.receivers() == 0;
    if (as_json) {
        json::Writer out;
        out.StartObject();
        json::put(out, "agents", agent_count);
        json::put(out, "agents_reporting", well);
        json::put(out, "alerts_firing", firing);
        json::put(out, "findings", finding_count);
        json::put(out, "findings_accepted", accepted_count);
        putByLabel(out, "forward", forwards, "destination", "lag_seconds");
        putByLabel(out, "series_near_limit", offenders->near, "sender", "part");
        putByLabel(out, "series_refused", offenders->refused, "sender", "samples");
        putByLabel(out, "senders_limited", limited->senders, "sender", "requests");
        putByLabel(out, "connections_limited", limited->listeners, "limit", "number");
        json::key(out, "receivers_in_trouble");
        out.StartArray();
        for (const auto& trouble : trouble_list.GetArray()) {
            out.StartObject();
            for (const char* name : {"receiver", "state", "notification", "reason"}) {
                json::put(out, name, member(trouble["metric"], name));
            }
            out.EndObject();
        }
        out.EndArray();
        json::put(out, "nobody_is_told", nobody_is_told);
        json::put(out, "clocks_that_disagree", clock_lines);
        json::key(out, "salvaged");
        out.StartArray();
        for (const auto& salvage : salvage_list.GetArray()) {
            out.StartObject();
            json::put(out, "file", member(salvage["metric"], "file"));
            json::put(out, "lost", member(salvage["metric"], "lost"));
            out.EndObject();
        }
        out.EndArray();
        out.EndObject();
        fmt::print("{}\n", out.text());
    } else {
        fmt::print("agents     {} of {} report\nalerts     {} firing\nfindings   {}{}\n", well, agent_count,
                   firing, finding_count,
                   accepted_count == 0 ? "" : fmt::format(", {} of them accepted", accepted_count));
        for (const auto& line : clock_lines) {
            fmt::print("clock      {}\n", line);
        }
        for (const auto& salvage : salvage_list.GetArray()) {
            fmt::print(
                "database   was damaged and rebuilt; lost or unreadable: {}; the damaged file, to be "
                "removed: {}\n",
                shown(salvage["metric"], "lost"), shown(salvage["metric"], "file"));
        }
        for (const auto& [name, lag] : forwards) {
            fmt::print("forward    {}: {} s behind\n", printable(name), lag);
        }
        for (const auto& [sender, part] : offenders->near) {
            fmt::print("series     {} has {:.0f} % of the series that an agent may have\n", printable(sender),
                       100 * std::strtod(part.c_str(), nullptr));
        }
        for (const auto& [sender, samples] : offenders->refused) {
            fmt::print("series     new ones of {} are refused: {:.0f} samples within 15 minutes\n",
                       printable(sender), std::strtod(samples.c_str(), nullptr));
        }
        for (const auto& [sender, requests] : limited->senders) {
            fmt::print(
                "limit      {} sends more than its budget: {:.0f} requests refused within 15 minutes\n",
                printable(sender), std::strtod(requests.c_str(), nullptr));
        }
        for (const auto& [limit, number] : limited->listeners) {
            fmt::print("limit      {}: {:.0f} connections or requests within 15 minutes\n", printable(limit),
                       std::strtod(number.c_str(), nullptr));
        }
        if (nobody_is_told) {
            fmt::print(
                "receiver   none: nobody is told of an alert. Name one: sudo lapwing-collector notify add "
                "--help\n");
        }
        for (const auto& trouble : trouble_list.GetArray()) {
            const auto& labels = trouble["metric"];
            const auto notification = shown(labels, "notification");
            fmt::print("receiver   {} {}{}: {}\n", shown(labels, "receiver"),
                       member(labels, "state") == "failing" ? "takes no notification" : "refused",
                       notification.empty() ? "" : " " + notification, shown(labels, "reason"));
            for (const auto& line : notify::alternativesOf(config->notify, member(labels, "receiver"))) {
                fmt::print("           {}\n", line);
            }
        }
    }
    const bool fine = well == agent_count && firing == 0 && finding_count == accepted_count &&
                      trouble_list.Empty() && clock_lines.empty() && salvage_list.Empty();
    return fine ? kFine : kDegraded;
}

}  // namespace lapwing::collector
