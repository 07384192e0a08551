#include "agent/probes/scrape/scrape.h"

#include <fmt/format.h>

#include "common/metric_names.h"
#include "common/model/clock.h"
#include "common/model/families.h"
#include "common/text.h"

namespace lapwing::agent::scrape {

namespace {

/// OpenMetrics first, as Prometheus prefers it. Names beyond [a-zA-Z0-9_:] come with underscores.
constexpr const char* kAccept =
    "application/openmetrics-text;version=1.0.0;escaping=underscores;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1";

constexpr std::size_t kMostNoteBytes = 2000;
constexpr std::size_t kMostCitedBytes = 100;

std::string cited(std::string_view text) {
    return std::string(
        utf8Prefix(asUtf8(printable(std::string(text.substr(0, 4 * kMostCitedBytes)))), kMostCitedBytes));
}

Error unwelcome(const http::Response& response) {
    auto words = unexpectedStatus(response);
    const auto location = response.header("Location");
    if (response.status / 100 == 3 && !location.empty()) {
        words += ": redirects are not followed; it names " + cited(location);
    }
    return {kindOfStatus(response.status), std::move(words)};
}

}  // namespace

Expected<http::Request> ScrapeProbe::request(const Deadline& deadline) const {
    auto out = target_.http.request();
    if (!out) {
        return out;
    }
    out->max_response_bytes = target_.max_bytes;
    out->headers.emplace_back("Accept", kAccept);
    out->headers.emplace_back("X-Prometheus-Scrape-Timeout-Seconds",
                              fmt::format("{:.3f}", static_cast<double>(deadline.budget().count()) / 1000));
    out->headers.insert(out->headers.end(), target_.headers.begin(), target_.headers.end());
    for (const auto& [name, file] : target_.header_files) {
        auto value = readSecret(file);
        if (!value) {
            return tl::unexpected(value.error());
        }
        out->headers.emplace_back(name, std::move(*value));
    }
    return out;
}

Expected<std::shared_ptr<Page>> ScrapeProbe::read(const Deadline& deadline) {
    const auto wanted = request(deadline);
    if (!wanted) {
        return tl::unexpected(wanted.error());
    }
    if (!client_) {
        auto client = http::Client::create(target_.http.base, target_.http.tls());
        if (!client) {
            return tl::unexpected(client.error());
        }
        client_.emplace(std::move(*client));
    }
    auto response = client_->request(*wanted, deadline.budget());
    if (!response) {
        return tl::unexpected(response.error());
    }
    if (response->status != 200) {
        const auto error = unwelcome(*response);
        return fail(error.kind, target_.http.url + ": " + error.message);
    }
    const std::string type(response->header("Content-Type"));
    auto page =
        Page::read(std::move(response->body), formatOf(type), target_.selection, nowMs(), target_.limits);
    if (!page) {
        const bool html = lower(type).starts_with("text/html");
        return fail(page.error().kind,
                    target_.http.url + ": " +
                        (html ? "it is a web page (text/html), not a page of metrics: " : "") +
                        page.error().message);
    }
    return page;
}

Expected<ProbeResult> ScrapeProbe::collect(const Deadline& deadline) {
    ProbeResult result;
    auto kept = gauge(exporter::kScrapeSamplesPostMetricRelabeling,
                      "Samples of the last scrape that `keep` and `drop` let through.");
    const auto page = read(deadline);
    if (page) {
        result.scraped = (*page)->scraped();
        result.note = std::string(utf8Prefix((*page)->note(), kMostNoteBytes));
        result.more = [page = *page](prometheus::MetricFamily& family) { return page->next(family); };
        add(kept, {}, static_cast<double>((*page)->kept()));
    } else {
        result.scraped = 0;
        result.failure = page.error();
        add(kept, {}, 0);
    }
    result.families.push_back(std::move(kept));
    return result;
}

}  // namespace lapwing::agent::scrape
