#include <fmt/core.h>

#include "collector/command/client.h"
#include "collector/command/command.h"
#include "collector/command/problems.h"
#include "common/json.h"
#include "common/text.h"

namespace lapwing::collector {
namespace {

constexpr const char* kPath = "/api/lapwing/v1/invitations";

}  // namespace

int invite(const std::string& config_file, const InviteRequest& request) {
    const auto config = configOrComplain(config_file);
    if (!config) {
        return kWrongUsage;
    }
    if (request.host.empty() == request.many.empty()) {
        fmt::print(
            stderr,
            "name one host, as in `invite web-01`, or a time for several, as in `invite --many 10m`\n");
        return kWrongUsage;
    }
    std::string path = kPath + (request.many.empty() ? "?host=" + percentEncode(request.host)
                                                     : "?valid=" + percentEncode(request.many));
    for (const auto& address : request.addresses) {
        path += "&address=" + percentEncode(address);
    }
    int code = kFine;
    const auto answer = Collector(*config).administer(path);
    if (!isAnswered(answer, 200, code)) {
        return code;
    }
    const auto document = json::parse(answer->body);
    const auto& made = json::member(document, "data");
    fmt::print(
        stderr, "Run this on {}, until {} (the collector is reached at {}):\n\n",
        request.many.empty() ? printable(request.host) + ", once" : "each server that has no certificate yet",
        shown(made, "ends"), joined(json::texts(made, "addresses")));
    fmt::print("sudo lapwing-agent join '{}'\n", shown(made, "join"));
    return kFine;
}

int listInvitations(const std::string& config_file, bool as_json) {
    const auto config = configOrComplain(config_file);
    if (!config) {
        return kWrongUsage;
    }
    int code = kFine;
    const auto answer = Collector(*config).get(kPath);
    if (!isAnswered(answer, 200, code)) {
        return code;
    }
    if (as_json) {
        fmt::print("{}\n", answer->body);
        return kFine;
    }
    fmt::print("{:<24} {:<8} {:<20} {}\n", "HOST", "STATE", "ENDS", "JOINED");
    const auto document = json::parse(answer->body);
    for (const auto& each : json::items(json::member(document, "data"))) {
        const auto host = shown(each, "host");
        fmt::print("{:<24} {:<8} {:<20} {}\n", host.empty() ? "any" : host, shown(each, "state"),
                   shown(each, "ends"), joined(json::texts(each, "joined")));
    }
    return kFine;
}

int revokeInvitation(const std::string& config_file, const std::string& host) {
    const auto config = configOrComplain(config_file);
    if (!config) {
        return kWrongUsage;
    }
    int code = kFine;
    const auto answer = Collector(*config).administer(std::string(kPath) + "/revoke" +
                                                      (host == "any" ? "" : "?host=" + percentEncode(host)));
    if (isAnswered(answer, 204, code)) {
        fmt::print("The invitation for {} has ended.\n", host == "any" ? "any host" : printable(host));
    }
    return code;
}

}  // namespace lapwing::collector
