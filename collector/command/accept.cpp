#include <fmt/core.h>

#include <algorithm>

#include "collector/command/client.h"
#include "collector/command/command.h"
#include "collector/command/problems.h"
#include "collector/command/terminal.h"
#include "common/config/reader.h"
#include "common/json.h"
#include "common/model/clock.h"
#include "common/text.h"
#include "common/time_text.h"

namespace lapwing::collector {
namespace {

constexpr const char* kPath = "/api/lapwing/v1/acceptances";

/// A day, or a duration from now. Error `invalid`, in words for a person.
Expected<TimestampMs> parseUntil(const std::string& text) {
    if (const auto day = parseDay(text)) {
        return *day;
    }
    const auto length = config::parseDuration(text);
    if (!length) {
        return fail(ErrorKind::invalid, "--until takes a day, as 2027-06-01, or a time from now, as 30d");
    }
    return nowMs() + *length;
}

bool isNamed(const std::string& id, const std::string& subject) {
    if (!id.empty() && !subject.empty()) {
        return true;
    }
    fmt::print(stderr,
               "name the finding as `lapwing-collector findings` shows it: its id and its subject, as in "
               "R1 haproxy@lb-01\n");
    return false;
}

}  // namespace

int accept(const std::string& config_file, const AcceptRequest& request) {
    if (!isNamed(request.id, request.subject)) {
        return kWrongUsage;
    }
    if (request.until.empty() || request.reason.empty()) {
        fmt::print(stderr, "an acceptance needs an end and a reason: --until DATE --reason TEXT\n");
        return kWrongUsage;
    }
    const auto until = parseUntil(request.until);
    if (!until) {
        fmt::print(stderr, "{}\n", until.error().message);
        return kWrongUsage;
    }
    const auto config = configOrComplain(config_file);
    if (!config) {
        return kWrongUsage;
    }
    json::Writer body;
    body.StartObject();
    json::put(body, "finding", request.id);
    json::put(body, "subject", request.subject);
    json::put(body, "until", rfc3339(*until));
    json::put(body, "reason", request.reason);
    json::put(body, "by", userName());
    body.EndObject();
    int code = kFine;
    const auto answer = Collector(*config).administer(kPath, "POST", body.text());
    if (!isAnswered(answer, 200, code)) {
        return code;
    }
    fmt::print(
        "{} on {} is accepted until {}. Nobody is told of it until then, unless it becomes worse.\n"
        "To end it before: lapwing-collector accept --end {} {}\n",
        printable(request.id), printable(request.subject), dateAndTime(*until), printable(request.id),
        printable(request.subject));
    return kFine;
}

int listAcceptances(const std::string& config_file, bool as_json) {
    const auto config = configOrComplain(config_file);
    if (!config) {
        return kWrongUsage;
    }
    int code = kFine;
    const auto answer = Collector(*config).administer(kPath, "GET");
    if (!isAnswered(answer, 200, code)) {
        return code;
    }
    if (as_json) {
        fmt::print("{}\n", answer->body);
        return kFine;
    }
    const auto document = json::parse(answer->body);
    const auto list = json::items(json::member(document, "data"));
    for (const auto& each : list) {
        fmt::print("{} {}  {} until {}  by {}: {}\n", shown(each, "finding"), shown(each, "subject"),
                   shown(each, "state"), whenText(member(each, "until"), nowMs()), shown(each, "by"),
                   shown(each, "reason"));
        if (const auto worse = shown(each, "worse"); !worse.empty()) {
            fmt::print("  It is worse than what was accepted: {}\n", worse);
        }
    }
    if (list.Empty()) {
        fmt::print("nothing is accepted\n");
    }
    return kFine;
}

int endAcceptance(const std::string& config_file, const std::string& id, const std::string& subject) {
    if (!isNamed(id, subject)) {
        return kWrongUsage;
    }
    const auto config = configOrComplain(config_file);
    if (!config) {
        return kWrongUsage;
    }
    int code = kFine;
    const auto answer = Collector(*config).administer(
        std::string(kPath) + "?finding=" + percentEncode(id) + "&subject=" + percentEncode(subject),
        "DELETE");
    if (isAnswered(answer, 204, code)) {
        fmt::print("{} on {} is no longer accepted.\n", printable(id), printable(subject));
    }
    return code;
}

}  // namespace lapwing::collector
