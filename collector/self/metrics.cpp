#include "collector/self/metrics.h"

#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <fstream>
#include <set>

#include "common/metric_names.h"
#include "common/model/families.h"

namespace lapwing::self {
namespace {

using prometheus::MetricFamily;

void addProcess(std::vector<MetricFamily>& out) {
    std::ifstream statm("/proc/self/statm");
    std::uint64_t pages = 0;
    std::uint64_t resident = 0;
    if (statm >> pages >> resident) {
        auto family = gauge("process_resident_memory_bytes", "Resident memory size in bytes.");
        add(family, {}, static_cast<double>(resident) * static_cast<double>(::sysconf(_SC_PAGESIZE)));
        out.push_back(std::move(family));
    }
    struct rusage usage {};
    if (::getrusage(RUSAGE_SELF, &usage) == 0) {
        auto family =
            counter("process_cpu_seconds_total", "Total user and system CPU time spent in seconds.");
        add(family, {},
            static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6);
        out.push_back(std::move(family));
    }
    static const double start = static_cast<double>(std::time(nullptr));
    auto family =
        gauge("process_start_time_seconds", "Start time of the process since unix epoch in seconds.");
    add(family, {}, start);
    out.push_back(std::move(family));
}

void addFileSystem(std::vector<MetricFamily>& out, const std::string& file) {
    struct statvfs info {};
    if (::statvfs(file.c_str(), &info) != 0) {
        return;
    }
    auto size = gauge(metric::kCollectorDataSizeBytes, "Size of the file system that holds the data.");
    add(size, {}, static_cast<double>(info.f_blocks) * static_cast<double>(info.f_frsize));
    out.push_back(std::move(size));
    auto available = gauge(metric::kCollectorDataAvailBytes, "What the collector may still use of it.");
    add(available, {}, static_cast<double>(info.f_bavail) * static_cast<double>(info.f_frsize));
    out.push_back(std::move(available));
}

MetricFamily single(MetricFamily family, double value) {
    add(family, {}, value);
    return family;
}

/// The active series by sender, and their limits.
void addSeries(const storage::StoreStats& stats, const storage::SeriesLimits& limits,
               std::vector<MetricFamily>& out) {
    auto active = gauge(metric::kCollectorActiveSeries, "Series with a sample within the last hour.");
    auto bytes = gauge(metric::kCollectorActiveLabelBytes, "The length of the labels of these series.");
    auto refused = counter(metric::kCollectorSeriesLimitRefusedTotal,
                           "Samples of new series beyond a limit that were refused.");
    for (const auto& [sender, series] : stats.senders) {
        if (series.series == 0 && series.refused == 0) {
            continue;
        }
        const std::vector<prometheus::ClientMetric::Label> labels{{"sender", sender}};
        add(active, labels, static_cast<double>(series.series));
        add(bytes, labels, static_cast<double>(series.label_bytes));
        add(refused, labels, static_cast<double>(series.refused));
    }
    auto series_limit = gauge(metric::kCollectorSeriesLimit, "Limits on the number of series.");
    for (const auto& [scope, limit] :
         {std::pair("active", limits.series), std::pair("agent", limits.agent_series),
          std::pair("own", limits.own_series), std::pair("kept", limits.kept_series)}) {
        add(series_limit, {{"scope", scope}}, static_cast<double>(limit));
    }
    auto bytes_limit =
        gauge(metric::kCollectorLabelBytesLimit, "Limits on the length of the labels of active series.");
    add(bytes_limit, {{"scope", "active"}}, static_cast<double>(limits.label_bytes));
    add(bytes_limit, {{"scope", "agent"}}, static_cast<double>(limits.agent_label_bytes));
    out.push_back(single(gauge(metric::kCollectorSeries, "Series in the store, active or not."),
                         static_cast<double>(stats.series)));
    for (auto* family : {&active, &bytes, &refused, &series_limit, &bytes_limit}) {
        if (!family->metric.empty()) {
            out.push_back(std::move(*family));
        }
    }
}

void addDocuments(const storage::StoreStats& stats, std::vector<MetricFamily>& out) {
    auto bytes = gauge(metric::kCollectorDocumentBytes, "Bytes of the documents of a sender, as stored.");
    auto dropped = counter(metric::kCollectorDocumentsDroppedTotal,
                           "Documents deleted for newer ones of their sender, beyond its budget.");
    for (const auto& [sender, documents] : stats.documents) {
        add(bytes, {{"sender", sender}}, static_cast<double>(documents.bytes));
        add(dropped, {{"sender", sender}}, static_cast<double>(documents.dropped));
    }
    for (auto* family : {&bytes, &dropped}) {
        if (!family->metric.empty()) {
            out.push_back(std::move(*family));
        }
    }
}

void addStore(const storage::StoreStats& stats, const storage::SeriesLimits& limits,
              std::vector<MetricFamily>& out) {
    addSeries(stats, limits, out);
    addDocuments(stats, out);
    out.push_back(single(counter(metric::kCollectorSamplesStoredTotal, "Samples stored since the start."),
                         static_cast<double>(stats.samples)));
    out.push_back(single(counter(metric::kCollectorOwnSamplesRefusedTotal,
                                 "Samples of the collector itself that the store refused."),
                         static_cast<double>(stats.own_refused)));
    out.push_back(single(gauge(metric::kCollectorDbBytes, "The database with its write-ahead log."),
                         static_cast<double>(stats.file_bytes)));
    out.push_back(single(gauge(metric::kCollectorWalBytes, "The write-ahead log alone."),
                         static_cast<double>(stats.wal_bytes)));
    out.push_back(single(gauge(metric::kCollectorStoreTrouble,
                               "1 while writing, syncing, compaction or retention of the store fails."),
                         stats.trouble.empty() ? 0 : 1));
    out.push_back(single(counter(metric::kCollectorRetentionSizeDroppedTotal,
                                 "Samples that were deleted early because of retention.size."),
                         static_cast<double>(stats.size_dropped_samples)));
    out.push_back(single(
        counter(metric::kCollectorAgeDroppedTotal, "Samples that were deleted because of retention.time."),
        static_cast<double>(stats.age_dropped_samples)));
    out.push_back(single(gauge(metric::kCollectorDamagedBlocks, "Blocks of the database found damaged."),
                         static_cast<double>(stats.damaged_blocks)));
    if (stats.salvaged) {
        constexpr std::size_t longest = 1000;
        std::string lost;
        for (const auto& loss : stats.salvaged->losses) {
            lost += (lost.empty() ? "" : "; ") + loss;
        }
        if (lost.size() > longest) {
            lost.resize(longest);
            lost += "...";
        }
        auto salvaged = gauge(metric::kCollectorSalvagedTimestampSeconds,
                              "When the damaged database was rebuilt; until the damaged file is removed.");
        add(salvaged, {{"file", stats.salvaged->file}, {"lost", lost.empty() ? "nothing" : lost}},
            static_cast<double>(stats.salvaged->at) / 1000);
        out.push_back(std::move(salvaged));
    }
}

}  // namespace

void Metrics::answered(const std::string& listener, int status) {
    const MutexLock lock(mutex_);
    ++answers_[{listener, status}];
}

std::vector<MetricFamily> Metrics::collect(TimestampMs now) {
    std::vector<MetricFamily> out;
    out.push_back(single(gauge("up", "1: the collector observes itself."), 1));
    auto info = gauge(metric::kCollectorInfo, "The running version.");
    add(info, {{"version", LAPWING_VERSION}}, 1);
    out.push_back(std::move(info));
    addStore(store_.stats(), options_.limits, out);
    out.push_back(single(counter(metric::kCollectorSamplesRefusedTotal, "Samples refused since the start."),
                         static_cast<double>(refused_.load())));
    addFileSystem(out, options_.data_file);
    auto seen = gauge(metric::kAgentLastSeenSeconds,
                      "Seconds since the agent last wrote; absent before its first write.");
    for (const auto& agent : agents_.list(now)) {
        if (agent.last_write) {
            add(seen, {{"host", agent.host}},
                static_cast<double>(std::max<TimestampMs>(0, now - *agent.last_write)) / 1000);
        }
    }
    if (!seen.metric.empty()) {
        out.push_back(std::move(seen));
    }
    auto expected = gauge(metric::kReplicationExpected, "1 for each declared pair of primary and replica.");
    for (const auto& pair : options_.replication) {
        add(expected, {{"primary", pair.primary}, {"replica", pair.replica}}, 1);
    }
    if (!expected.metric.empty()) {
        out.push_back(std::move(expected));
    }
    auto answers = counter(metric::kCollectorHttpRequestsTotal, "Answers by listener and status.");
    {
        const MutexLock lock(mutex_);
        for (const auto& [what, count] : answers_) {
            add(answers, {{"listener", what.first}, {"code", std::to_string(what.second)}},
                static_cast<double>(count));
        }
    }
    if (!answers.metric.empty()) {
        out.push_back(std::move(answers));
    }
    for (const auto& source : sources_) {
        source(out);
    }
    addProcess(out);
    return out;
}

Expected<void> Metrics::storeSamples(TimestampMs now) {
    std::vector<TimeSeries> batch;
    const auto families = collect(now);
    appendFamilies(families, Labels{{"job", "collector"}, {"instance", options_.instance}}, now, batch);
    if (options_.describe) {
        std::vector<MetricMetadata> metadata;
        metadata.reserve(families.size());
        for (const auto& family : families) {
            metadata.push_back(lapwing::describe(family));
        }
        options_.describe(metadata);
    }
    std::vector<Labels> present;
    present.reserve(batch.size());
    for (const auto& series : batch) {
        present.push_back(series.labels);
    }
    std::sort(present.begin(), present.end());
    for (auto& gone : stored_series_) {
        if (!std::binary_search(present.begin(), present.end(), gone)) {
            batch.push_back({std::move(gone), {{now, staleNaN()}}});
        }
    }
    stored_series_ = std::move(present);
    if (auto stored = store_.appendOwn(batch); !stored) {
        return fail(stored.error());
    }
    return {};
}

}  // namespace lapwing::self
