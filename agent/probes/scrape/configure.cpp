#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "agent/probes/kind.h"
#include "agent/probes/scrape/scrape.h"
#include "agent/probes/switch.h"
#include "common/characters.h"
#include "common/config/reader.h"

namespace lapwing::agent {
namespace {

using scrape::Selection;
using scrape::Target;

constexpr std::int64_t kLeastIntervalMs = 1'000;
/// Queries look five minutes back: a lost scrape must leave no gap.
constexpr std::int64_t kMostIntervalMs = 120'000;
constexpr std::int64_t kMostBytes = 16U << 20;
constexpr int kMostSamples = 50'000;
constexpr std::size_t kMostNameBytes = 64;

bool isName(const std::string& name) {
    return !name.empty() && name.size() <= kMostNameBytes &&
           std::all_of(name.begin(), name.end(),
                       [](char c) { return isWordPart(c) || c == '-' || c == '.' || c == '/'; });
}

void readPattern(const std::string& label, const config::Node& node, Selection::Rule& out) {
    auto pattern = scrape::makePattern(label, node.text());
    if (!node.isScalar() || !pattern) {
        node.problem(node.path() + " is no regular expression" +
                     (pattern ? "" : ": " + pattern.error().message));
        return;
    }
    out.push_back(std::move(*pattern));
}

void readRules(const config::Node& node, std::vector<Selection::Rule>& out) {
    node.forEach([&](const config::Node& entry) {
        Selection::Rule rule;
        if (entry.isMap()) {
            entry.forEachPair([&](const std::string& label, const config::Node& regex) {
                readPattern(label, regex, rule);
            });
        } else {
            readPattern("__name__", entry, rule);
        }
        if (!rule.empty()) {
            out.push_back(std::move(rule));
        }
    });
}

bool readTimes(const config::Node& entry, ProbeSpec& spec) {
    std::int64_t interval = spec.interval.count();
    entry["interval"].readDuration(interval);
    if (interval < kLeastIntervalMs || interval > kMostIntervalMs) {
        entry["interval"].problem(entry["interval"].path() + " must be 1s to 2m");
        return false;
    }
    std::int64_t timeout = std::min(spec.deadline.count(), interval);
    entry["timeout"].readDuration(timeout);
    if (timeout < 1 || timeout > interval) {
        entry["timeout"].problem(entry["timeout"].path() + " must be at most the interval");
        return false;
    }
    spec.interval = std::chrono::milliseconds(interval);
    spec.deadline = std::chrono::milliseconds(timeout);
    return true;
}

bool readLimits(const config::Node& entry, Target& out) {
    auto bytes = static_cast<std::int64_t>(out.max_bytes);
    auto samples = static_cast<int>(out.limits.samples);
    entry["max_bytes"].readBytes(bytes);
    entry["max_samples"].read(samples, 1, kMostSamples);
    if (bytes < 1 || bytes > kMostBytes) {
        entry["max_bytes"].problem(entry["max_bytes"].path() + " must be at most 16MiB");
        return false;
    }
    out.max_bytes = static_cast<std::size_t>(bytes);
    out.limits.samples = static_cast<std::size_t>(samples);
    return true;
}

/// "http://127.0.0.1:9100" means its page /metrics.
void completePath(HttpTarget& target) {
    const auto authority = target.url.find("://");
    const bool has_path = authority == std::string::npos
                              ? target.url.find(":/", 5) != std::string::npos
                              : target.url.find_first_of("/?", authority + 3) != std::string::npos;
    if (!has_path) {
        target.path = "/metrics";
    }
}

void configureEntry(const config::Node& entry, const ProbeContext& context, std::vector<ProbeSpec>& out) {
    entry.allow({"name", "url", "interval", "timeout", "headers", "header_files", "user", "password_file",
                 "ca", "server_name", "keep", "drop", "max_bytes", "max_samples"});
    if (!entry.isMap()) {
        return;
    }
    auto http = readTarget(entry);
    if (!http) {
        return;
    }
    completePath(*http);
    ProbeSpec spec;
    Target target;
    target.http = std::move(*http);
    entry["name"].read(spec.job);
    if (!isName(spec.job)) {
        entry.problem(entry.path() +
                      " needs a name of at most 64 letters, digits, _ - . /: it becomes the label job");
        return;
    }
    if (std::any_of(out.begin(), out.end(), [&](const auto& each) { return each.job == spec.job; })) {
        entry["name"].problem(entry["name"].path() + ": there is another target \"" + spec.job + "\"");
        return;
    }
    readHeaders(entry["headers"], target.headers);
    readHeaders(entry["header_files"], target.header_files);
    readRules(entry["keep"], target.selection.keep);
    readRules(entry["drop"], target.selection.drop);
    if (!readTimes(entry, spec) || !readLimits(entry, target)) {
        return;
    }
    spec.instance = context.host;
    spec.probe = std::make_unique<scrape::ScrapeProbe>(std::move(target));
    out.push_back(std::move(spec));
}

std::string configureScrape(const config::Node& node, const ProbeContext& context,
                            std::vector<ProbeSpec>& out) {
    const auto wanted = switchOf(node);
    if (auto line = configureEntries(node, "scrape", context, out, wanted, configureEntry)) {
        return std::move(*line);
    }
    if (wanted == Switch::detect) {
        return "scrape: off (nothing is configured)";
    }
    node.problem(node.path() +
                 " needs a list of targets: [ { name: redis, url: http://127.0.0.1:9121/metrics } ]");
    return "scrape: off (no target)";
}

}  // namespace

ProbeKind scrapeProbe() {
    return {"scrape", "metrics of Prometheus exporters and of applications, over HTTP", &configureScrape};
}

}  // namespace lapwing::agent
