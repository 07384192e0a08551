#include <re2/re2.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "agent/probes/app/app.h"
#include "agent/probes/http_target.h"
#include "agent/probes/kind.h"
#include "agent/probes/switch.h"
#include "common/config/reader.h"

namespace lapwing::agent {
namespace {

void readStatuses(const config::Node& node, std::vector<int>& out) {
    node.forEach([&](const config::Node& entry) {
        int status = 0;
        entry.read(status, 100, 999);
        if (status != 0) {
            out.push_back(status);
        }
    });
}

void readBodyPattern(const config::Node& node, app::Check& check) {
    if (!node.present()) {
        return;
    }
    std::string pattern;
    node.read(pattern);
    re2::RE2::Options options;
    options.set_log_errors(false);
    options.set_max_mem(1 << 20);
    auto compiled = std::make_shared<re2::RE2>(pattern, options);
    if (!compiled->ok()) {
        node.problem(node.path() + " is no regular expression: " + compiled->error());
        return;
    }
    check.expect_body = std::move(compiled);
}

void configureEntry(const config::Node& entry, const ProbeContext& context, std::vector<ProbeSpec>& out) {
    entry.allow({"url", "instance", "method", "expect_status", "expect_body", "headers", "follow_redirects",
                 "timeout", "ca", "server_name", "user", "password_file"});
    if (!entry.isMap()) {
        return;
    }
    auto target = readTarget(entry);
    if (!target) {
        return;
    }
    if (target->host.empty()) {
        entry["url"].problem(entry["url"].path() + " must be an http or https URL");
        return;
    }
    app::Check check;
    std::string instance;
    std::int64_t timeout = 0;
    check.url = target->url;
    check.user = target->user;
    check.password_file = target->password_file;
    check.ca_file = target->ca_file;
    check.server_name = target->server_name;
    entry["instance"].read(instance);
    entry["method"].read(check.method);
    entry["follow_redirects"].read(check.follow_redirects);
    entry["timeout"].readDuration(timeout);
    readStatuses(entry["expect_status"], check.expect_status);
    readBodyPattern(entry["expect_body"], check);
    readHeaders(entry["headers"], check.headers);
    if (check.method != "GET" && check.method != "HEAD" && check.method != "POST" &&
        check.method != "OPTIONS") {
        entry["method"].problem(entry["method"].path() + " must be GET, HEAD, POST or OPTIONS");
        return;
    }
    if (timeout < 0 || timeout > 9'000) {
        entry["timeout"].problem(entry["timeout"].path() + " must be at most 9s: the probe runs every 10s");
        return;
    }
    check.timeout = std::chrono::milliseconds(timeout);
    ProbeSpec spec;
    spec.job = "app";
    spec.instance = instance.empty() ? context.host : instance;
    spec.labels = {{"url", check.url}};
    spec.deadline = std::max(spec.deadline, check.timeout + std::chrono::milliseconds(200));
    spec.probe = std::make_unique<app::AppProbe>(std::move(check));
    out.push_back(std::move(spec));
}

std::string configureApp(const config::Node& node, const ProbeContext& context, std::vector<ProbeSpec>& out) {
    const auto wanted = switchOf(node);
    if (auto line = configureEntries(node, "app", context, out, wanted, configureEntry)) {
        return std::move(*line);
    }
    if (wanted == Switch::detect) {
        return "app: off (nothing is configured: an application's URL cannot be guessed)";
    }
    node.problem(node.path() + " needs a list of URLs: [ { url: http://127.0.0.1:8000/healthz } ]");
    return "app: off (no URL)";
}

}  // namespace

ProbeKind appProbe() {
    return {"app", "an HTTP request: its answer, the expected content, the time it takes", &configureApp};
}

}  // namespace lapwing::agent
