#include <fmt/core.h>

#include <algorithm>
#include <set>
#include <string_view>

#include "collector/command/client.h"
#include "collector/command/command.h"
#include "collector/command/problems.h"
#include "collector/command/terminal.h"
#include "collector/notify/matchers.h"
#include "collector/notify/payload.h"
#include "common/config/reader.h"
#include "common/json.h"
#include "common/text.h"
#include "common/time_text.h"

namespace lapwing::collector {
namespace {

/// Asks the administrators' socket. Without the answer 200, prints the reason and sets the exit code.
std::optional<std::string> ask(const Config& config, const std::string& method, const std::string& path,
                               const std::string& body, int& code) {
    const auto answer = Collector(config).administer(path, method, body);
    return isAnswered(answer, 200, code) ? std::optional(answer->body) : std::nullopt;
}

/// The matchers and the duration of a new silence. Error `invalid`, in words for a person.
Expected<std::pair<storage::Matchers, std::int64_t>> parseRequest(const SilenceRequest& request) {
    storage::Matchers matchers;
    const bool host = request.target_and_duration.size() == 2;
    if (!host && (request.target_and_duration.empty() || request.matchers.empty())) {
        return fail(ErrorKind::invalid,
                    "a silence needs a host or a matcher, and a duration: silence HOST 30m, or silence 30m "
                    "--matcher NAME=VALUE");
    }
    if (host) {
        auto matcher = storage::Matcher::create(storage::Matcher::Type::equal, "instance",
                                                request.target_and_duration.front());
        if (!matcher) {
            return fail(matcher.error());
        }
        matchers.push_back(std::move(*matcher));
    }
    for (const auto& text : request.matchers) {
        auto matcher = notify::parseMatcher(text);
        if (!matcher) {
            return fail(matcher.error());
        }
        matchers.push_back(std::move(*matcher));
    }
    const auto length = config::parseDuration(request.target_and_duration.back());
    if (!length) {
        return fail(length.error());
    }
    if (*length <= 0) {
        return fail(ErrorKind::invalid, "the duration must be positive, as in silence HOST 30m");
    }
    return std::pair{std::move(matchers), *length};
}

/// The values of a label that series, alerting rules and agents have. Empty if the collector does not answer.
std::set<std::string> knownValues(const Collector& collector, const std::string& label) {
    std::set<std::string> out;
    const auto data = [&](const std::string& path) {
        const auto answer = collector.get(path);
        return answer && answer->status == 200 ? json::parse(answer->body) : json::Document();
    };
    const auto values = data("/api/v1/label/" + percentEncode(label) + "/values");
    for (const auto& value : json::texts(values, "data")) {
        out.insert(value);
    }
    const auto rules = data("/api/v1/rules?type=alert&exclude_alerts=true");
    for (const auto& group : json::items(json::member(json::member(rules, "data"), "groups"))) {
        for (const auto& rule : json::items(json::member(group, "rules"))) {
            out.insert(label == "alertname" ? json::text(rule, "name")
                                            : json::text(json::member(rule, "labels"), label));
        }
    }
    if (label == "instance") {
        const auto agents = data("/api/lapwing/v1/agents");
        for (const auto& agent : json::items(json::member(agents, "data"))) {
            out.insert(json::text(agent, "host"));
        }
    }
    out.erase("");
    return out;
}

/// Tells of each condition that no known host, alert or series meets: a name may be misspelt.
void tellUnknown(const Collector& collector, const storage::Matchers& matchers) {
    for (const auto& matcher : matchers) {
        if (matcher.matches(std::string_view())) {
            continue;
        }
        const auto known = knownValues(collector, matcher.name());
        if (std::any_of(known.begin(), known.end(),
                        [&](const auto& value) { return matcher.matches(value); })) {
            continue;
        }
        const auto meant = config::nearest(matcher.value(), {known.begin(), known.end()});
        fmt::print(stderr,
                   "Nothing that the collector knows has {}: until something has, this silences nothing.{}\n",
                   printable(notify::toString(matcher)),
                   meant ? " Did you mean " + printable(*meant) + "?" : "");
    }
}

}  // namespace

int silence(const std::string& config_file, const SilenceRequest& request) {
    const auto parsed = parseRequest(request);
    if (!parsed) {
        fmt::print(stderr, "{}\n", parsed.error().message);
        return kWrongUsage;
    }
    const auto config = configOrComplain(config_file);
    if (!config) {
        return kWrongUsage;
    }
    const TimestampMs now = nowMs();
    json::Writer body;
    body.StartObject();
    json::key(body, "matchers");
    notify::writeMatchers(body, parsed->first);
    json::put(body, "startsAt", rfc3339Milliseconds(now));
    json::put(body, "endsAt", rfc3339Milliseconds(now + parsed->second));
    json::put(body, "createdBy", userName());
    json::put(body, "comment", request.comment);
    body.EndObject();
    int code = kFine;
    const auto answer = ask(*config, "POST", "/api/v2/silences", body.text(), code);
    if (!answer) {
        return code;
    }
    std::string matchers;
    for (const auto& matcher : parsed->first) {
        matchers += (matchers.empty() ? "" : ", ") + notify::toString(matcher);
    }
    fmt::print("{}: silent until {}: {}\n", shown(json::parse(*answer), "silenceID"),
               whenText(rfc3339(now + parsed->second), now), matchers);
    tellUnknown(Collector(*config), parsed->first);
    if (!config->notify.alertmanager.empty()) {
        fmt::print("Alertmanager still gets these alerts: it has silences of its own.\n");
    }
    return kFine;
}

int listSilences(const std::string& config_file, bool as_json) {
    const auto config = configOrComplain(config_file);
    if (!config) {
        return kWrongUsage;
    }
    int code = kFine;
    const auto answer = ask(*config, "GET", "/api/v2/silences", "", code);
    if (!answer) {
        return code;
    }
    if (as_json) {
        fmt::print("{}\n", *answer);
        return kFine;
    }
    const auto document = json::parse(*answer);
    if (!document.IsArray()) {
        fmt::print(stderr, "the collector's answer cannot be read\n");
        return kUnreachable;
    }
    for (const auto& entry : document.GetArray()) {
        std::string matchers;
        if (const auto read = notify::readMatchers(json::member(entry, "matchers"))) {
            for (const auto& matcher : *read) {
                matchers += (matchers.empty() ? "" : ", ") + notify::toString(matcher);
            }
        }
        const std::string comment = shown(entry, "comment");
        fmt::print("{}  {}  until {}  {}  by {}{}\n", shown(entry, "id"),
                   shown(json::member(entry, "status"), "state"), whenText(member(entry, "endsAt"), nowMs()),
                   matchers, shown(entry, "createdBy"), comment.empty() ? "" : ": " + comment);
    }
    if (document.Empty()) {
        fmt::print("no silences\n");
    }
    return kFine;
}

int expireSilence(const std::string& config_file, const std::string& id) {
    const auto config = configOrComplain(config_file);
    if (!config) {
        return kWrongUsage;
    }
    int code = kFine;
    const bool plain =
        std::all_of(id.begin(), id.end(), [](unsigned char c) { return std::isalnum(c) != 0 || c == '-'; });
    if (id.empty() || !plain) {
        fmt::print(stderr, "not the id of a silence; lapwing-collector silence list shows the ids\n");
        return kWrongUsage;
    }
    if (ask(*config, "DELETE", "/api/v2/silence/" + id, "", code)) {
        fmt::print("{}: ended\n", id);
    }
    return code;
}

}  // namespace lapwing::collector
