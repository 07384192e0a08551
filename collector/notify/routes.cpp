#include "collector/notify/routes.h"

#include <algorithm>
#include <set>

#include "collector/notify/dispatcher.h"
#include "collector/notify/matchers.h"
#include "common/config/reader.h"

namespace lapwing::notify {
namespace {

using config::Node;
using storage::Matcher;
using Type = Matcher::Type;

bool contains(const std::vector<std::string>& names, const std::string& name) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

void readTargets(const Node& node, const std::vector<std::string>& known, std::vector<std::string>& out) {
    node.forEach([&](const Node& entry) {
        std::string name;
        entry.read(name);
        if (name.empty()) {
            return;
        }
        if (!contains(known, name)) {
            std::string all;
            for (const auto& each : known) {
                all += (all.empty() ? "" : ", ") + each;
            }
            entry.problem(entry.path() + ": there is no receiver \"" + name + "\"; there is " +
                          (all.empty() ? "none" : all));
        } else if (!contains(out, name)) {
            out.push_back(std::move(name));
        }
    });
}

Route readRoute(const Node& node, const std::vector<std::string>& known) {
    Route route;
    node.allow({"match", "to", "alternative", "alternative_after", "continue"});
    if (node["match"].present()) {
        route.match = readMatcherList(node, "match");
    }
    readTargets(node["to"], known, route.to);
    readTargets(node["alternative"], known, route.alternative);
    if (!node["to"].present()) {
        node.problem(node.path() + " needs `to`, the names of receivers");
    }
    for (const auto& name : route.alternative) {
        if (contains(route.to, name)) {
            node["alternative"].problem(node.path() + ".alternative: " + name + " is in `to` as well");
        }
    }
    node["alternative_after"].readDuration(route.alternative_after_ms);
    if (node["alternative_after"].present() && route.alternative.empty()) {
        node["alternative_after"].problem(node.path() + ".alternative_after needs an alternative");
    }
    constexpr std::int64_t most_ms = 86'400'000;
    if (route.alternative_after_ms < 1000 || route.alternative_after_ms > most_ms) {
        node["alternative_after"].problem(node.path() + ".alternative_after must be between 1s and 1d");
    }
    node["continue"].read(route.continues);
    return route;
}

/// Whether every alert that meets all of `match` meets `condition`, as far as the texts show.
bool implies(const storage::Matchers& match, const Matcher& condition) {
    return std::any_of(match.begin(), match.end(), [&](const Matcher& each) {
        if (each.name() != condition.name()) {
            return false;
        }
        return each.type() == Type::equal
                   ? condition.matches(each.value())
                   : each.type() == condition.type() && each.value() == condition.value();
    });
}

/// Why no alert takes the route at `at`; "" if one may.
std::string neverTaken(const std::vector<Route>& routes, std::size_t at, const std::vector<Labels>& alerts) {
    const auto& match = routes[at].match;
    for (const auto& one : match) {
        for (const auto& other : match) {
            if (one.type() == Type::equal && one.name() == other.name() && !other.matches(one.value())) {
                return toString(one) + " and " + toString(other) + " exclude each other";
            }
        }
    }
    for (std::size_t i = 0; i < at; ++i) {
        const auto& earlier = routes[i];
        if (!earlier.continues && std::all_of(earlier.match.begin(), earlier.match.end(),
                                              [&](const Matcher& each) { return implies(match, each); })) {
            return "notify.routes[" + std::to_string(i) + "] takes all of its alerts";
        }
    }
    const auto may = [&](const Labels& alert) {
        return std::all_of(match.begin(), match.end(), [&](const Matcher& each) {
            return !alert.has(each.name()) || each.matches(alert.get(each.name()));
        });
    };
    if (!alerts.empty() && std::none_of(alerts.begin(), alerts.end(), may)) {
        return "no rule has an alert that matches";
    }
    return "";
}

}  // namespace

std::vector<const Route*> routesOf(const std::vector<Route>& routes, const Labels& alert) {
    std::vector<const Route*> out;
    for (const auto& route : routes) {
        if (!matchesAll(route.match, alert)) {
            continue;
        }
        out.push_back(&route);
        if (!route.continues) {
            break;
        }
    }
    return out;
}

Part partOf(const std::vector<Route>& routes, const std::string& receiver, const Labels& alert) {
    Part out;
    const auto taken = routesOf(routes, alert);
    out.addressed = taken.empty();
    for (const auto* route : taken) {
        out.addressed = out.addressed || contains(route->to, receiver);
        if (contains(route->alternative, receiver)) {
            out.stands_in.push_back(route);
        }
    }
    return out;
}

std::string describe(const storage::Matchers& match) {
    std::string out;
    for (const auto& each : match) {
        out += (out.empty() ? "" : ", ") + toString(each);
    }
    return out.empty() ? "every alert" : out;
}

std::vector<std::string> alternativesOf(const Config& config, const std::string& receiver) {
    const auto name = receiver.substr(0, receiver.find(' '));
    std::vector<std::string> out;
    for (const auto& route : config.routes) {
        if (route.alternative.empty() || !contains(route.to, name)) {
            continue;
        }
        std::string names;
        for (const auto& each : route.alternative) {
            names += (names.empty() ? "" : ", ") + each;
        }
        out.push_back(names + " is told instead after " + config::formatDuration(route.alternative_after_ms) +
                      ": " + describe(route.match));
    }
    return out;
}

void readRoutes(const Node& node, Config& out) {
    const auto known = receiverNames(out);
    node.forEach([&](const Node& entry) { out.routes.push_back(readRoute(entry, known)); });
}

void judgeRoutes(const Node& node, const Config& config, const std::vector<Labels>& alerts) {
    std::set<std::string> used;
    bool catches_all = false;
    std::size_t at = 0;
    node["routes"].forEach([&](const Node& entry) {
        const auto& route = config.routes[at];
        if (const auto why = neverTaken(config.routes, at, alerts); !why.empty()) {
            entry.problem(entry.path() + " is never taken: " + why);
        }
        used.insert(route.to.begin(), route.to.end());
        used.insert(route.alternative.begin(), route.alternative.end());
        catches_all = catches_all || route.match.empty();
        ++at;
    });
    if (!catches_all) {
        return;
    }
    for (const auto& name : receiverNames(config)) {
        if (!used.contains(name)) {
            node["routes"].problem("notify.routes: no route leads to " + name + ", and none is left over");
        }
    }
}

}  // namespace lapwing::notify
