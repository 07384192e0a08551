#include <fmt/core.h>

#include "collector/command/client.h"
#include "collector/command/command.h"
#include "collector/command/problems.h"
#include "common/json.h"
#include "common/text.h"

namespace lapwing::collector {
namespace {

using json::Value;

std::string pathOf(const WhatIfRequest& request) {
    std::string out = "/api/lapwing/v1/whatif";
    char before = '?';
    for (const auto& [name, values] :
         {std::pair("component", &request.components), std::pair("add", &request.additions)}) {
        for (const auto& value : *values) {
            out += before + std::string(name) + "=" + percentEncode(value);
            before = '&';
        }
    }
    return out;
}

std::string list(const Value& values) {
    std::string out;
    for (const auto& value : values.GetArray()) {
        out += (out.empty() ? "" : ", ") + printable(value.GetString());
    }
    return out;
}

std::string singles(const Value& sets) {
    std::string out;
    for (const auto& set : sets.GetArray()) {
        if (set["components"].Size() == 1) {
            const bool sure = std::string_view(set["confidence"].GetString()) == "confirmed";
            out += (out.empty() ? "" : ", ") + list(set["components"]) + (sure ? "" : " (suspected)");
        }
    }
    return out.empty() ? "none" : out;
}

/// Returns the exit code: degraded if a service stops or may stop.
int print(const Value& data, bool quiet) {
    bool stops = false;
    if (!quiet && !data["stopped"].Empty()) {
        fmt::print("Stops with it: {}\n", list(data["stopped"]));
    }
    for (const auto& service : data["services"].GetArray()) {
        const std::string before = service["before"].GetString();
        const std::string after = service["after"].GetString();
        stops = stops || after != "yes";
        if (quiet) {
            continue;
        }
        const char* verdict = after == "yes"  ? "still works"
                              : after == "no" ? (before == "no" ? "does not work now" : "STOPS")
                                              : "unknown";
        fmt::print("{}: {}\n", printable(service["title"].GetString()), verdict);
        if (after != "no") {
            fmt::print("  single points then: {}\n", singles(service["design"]));
        }
    }
    return stops ? kDegraded : kFine;
}

}  // namespace

int whatIf(const std::string& config_file, const WhatIfRequest& request) {
    if (request.components.empty() && request.additions.empty()) {
        fmt::print(stderr, "name the components that fail, or add some with --add\n");
        return kWrongUsage;
    }
    const auto config = configOrComplain(config_file);
    if (!config) {
        return kWrongUsage;
    }
    const auto response = Collector(*config).get(pathOf(request));
    if (!response) {
        fmt::print(stderr, "cannot reach the collector: {}\n", response.error().message);
        return kUnreachable;
    }
    const auto answer = json::parse(response->body);
    if (!answer.IsObject()) {
        fmt::print(stderr, "the collector answered {}\n", response->status);
        return kUnreachable;
    }
    if (response->status == 400 && answer.HasMember("error")) {
        fmt::print(stderr, "{}\n", printable(answer["error"].GetString()));
        return kWrongUsage;
    }
    if (response->status != 200 || !answer.HasMember("data")) {
        fmt::print(stderr, "the collector answered {}\n", response->status);
        return kUnreachable;
    }
    if (request.json) {
        fmt::print("{}\n", response->body);
    }
    return print(answer["data"], request.json);
}

}  // namespace lapwing::collector
