#include "collector/analysis/evidence/attempts.h"

#include <tuple>

#include "common/metric_names.h"

namespace lapwing::analysis::evidence {

namespace {

constexpr std::string_view kHttp = "http_";

/// An agent, a peer and a family: an answer over IPv4 does not explain silence over IPv6.
using Path = std::tuple<std::string, std::string, bool>;

Path pathOf(const Observation& attempt, std::string_view address) {
    return {attempt.observer, attempt.instance(), address.find(':') != std::string_view::npos};
}

/// The labels that the series of one attempt share.
using AttemptKey = std::tuple<std::string, std::string, std::string, std::string, std::string>;

AttemptKey keyOf(const Observation& attempt) {
    return {attempt.observer, attempt.instance(), attempt.get("address"), attempt.get("port"),
            attempt.get("source")};
}

bool isSecond(const Observation& attempt) {
    return attempt.labels->get("source_kind") == "second";
}

class AttemptReader {
  public:
    explicit AttemptReader(Reader& reader) : reader_(reader) {}

    Attempts run() {
        controls();
        attempts();
        canaries();
        return std::move(out_);
    }

  private:
    void controls() {
        for (const auto& control : reader_.fresh(metric::kAttemptControlOk)) {
            if (control.isOn()) {
                answered_.insert(pathOf(control, control.get("address")));
            }
            if (const int port = control.number("port"); port != 0) {
                out_.control_ports[control.instance()].insert(port);
            }
        }
    }

    std::map<AttemptKey, TimestampMs> times(const char* metric) {
        std::map<AttemptKey, TimestampMs> out;
        for (const auto& time : reader_.fresh(metric)) {
            out[keyOf(time)] = reader_.timeOf(time);
        }
        return out;
    }

    void attempts() {
        const auto at = times(metric::kAttemptTimestampSeconds);
        std::map<AttemptKey, std::string> greetings;
        for (const auto& greeting : reader_.fresh(metric::kAttemptGreetingInfo)) {
            greetings[keyOf(greeting)] = greeting.get("greeting");
        }
        for (const auto& result : reader_.fresh(metric::kAttemptResult)) {
            Attempt attempt;
            attempt.from = result.observer;
            attempt.address = result.get("address");
            attempt.port = result.number("port");
            attempt.service = result.get("service");
            attempt.source = result.get("source");
            attempt.second = isSecond(result);
            attempt.result = parseConnectResult(result.get("result"));
            if (const auto greeting = greetings.find(keyOf(result)); greeting != greetings.end()) {
                attempt.greeting = parseGreeting(greeting->second);
                attempt.http_status =
                    greeting->second.starts_with(kHttp) ? greeting->second.substr(kHttp.size()) : "";
            }
            const auto when = at.find(keyOf(result));
            attempt.at = when == at.end() ? result.at : when->second;
            attempt.control_ok = answered_.contains(pathOf(result, attempt.address));
            out_.attempts[result.instance()].push_back(std::move(attempt));
        }
    }

    void canaries() {
        const auto at = times(metric::kCanaryTimestampSeconds);
        for (const auto& result : reader_.fresh(metric::kCanaryResult)) {
            Canary canary;
            canary.from = result.observer;
            canary.source = result.get("source");
            canary.second = isSecond(result);
            canary.result = parseConnectResult(result.get("result"));
            const auto when = at.find(keyOf(result));
            canary.at = when == at.end() ? result.at : when->second;
            canary.control_ok = answered_.contains(pathOf(result, canary.source));
            out_.canaries[result.instance()].push_back(std::move(canary));
        }
    }

    Reader& reader_;
    std::set<Path> answered_;
    Attempts out_;
};

}  // namespace

Greeting parseGreeting(std::string_view name) {
    const auto otherwise = name.starts_with(kHttp) ? Greeting::http_other : Greeting::unknown;
    return valueOf(kGreetingNames, name).value_or(otherwise);
}

Attempts readAttempts(Reader& reader) {
    return AttemptReader(reader).run();
}

}  // namespace lapwing::analysis::evidence
