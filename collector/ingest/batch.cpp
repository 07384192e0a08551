#include "collector/ingest/batch.h"

#include <algorithm>

#include "common/model/label_text.h"

namespace lapwing::ingest {
namespace {

/// Why a series with these labels is refused, from any sender; "" if it is not.
std::string wrongLabels(const Labels& labels) {
    for (const auto& label : labels) {
        if (!isValidUtf8(label.name) || !isValidUtf8(label.value)) {
            return "a label is not UTF-8";
        }
    }
    if (labels.metricName().empty()) {
        return shortText(labels) + ": a series without a metric name";
    }
    return {};
}

}  // namespace

Batch::Batch(const std::string& agent, std::span<const WrittenSeries> written,
             const RemoteWriteLimits& limits, Claims& claims, TimestampMs latest)
    : agent_(agent), written_(written), limits_(limits), claims_(claims), latest_(latest) {}

void Batch::recognize(std::span<const KnownSeries::Known> known) {
    series_.reserve(written_.size());
    origins_.reserve(written_.size());
    for (std::size_t i = 0; i < written_.size(); ++i) {
        const WrittenSeries& written = written_[i];
        const Labels* labels = known[i].ref == 0 ? readLabels(written) : nullptr;
        if (known[i].ref == 0 && labels == nullptr) {
            continue;
        }
        const auto samples = withoutFuture(written, labels);
        if (samples.empty()) {
            continue;
        }
        series_.push_back({known[i].ref, labels, samples});
        origins_.push_back({i, known[i].key});
    }
}

const Labels* Batch::readLabels(const WrittenSeries& series) {
    auto labels = decodeLabels(series.labels, limits_);
    if (!labels) {
        refusals_.add(series.samples.size(), labels.error().message);
        return nullptr;
    }
    if (!agent_.empty()) {
        const auto claimed = labels->get("agent");
        if (!claimed.empty() && claimed != agent_ && forbidden_.empty()) {
            forbidden_ = shortText(*labels) + ": claims another agent than " + agent_;
        }
        labels->set("agent", agent_);
    }
    if (const auto wrong = wrongLabels(*labels); !wrong.empty()) {
        refusals_.add(series.samples.size(), wrong);
        return nullptr;
    }
    if (const auto wrong = agent_.empty() ? "" : claims_.problem(agent_, *labels); !wrong.empty()) {
        refusals_.addForeign(series.samples.size(), wrong);
        return nullptr;
    }
    return &labels_.emplace_back(std::move(*labels));
}

std::span<const Sample> Batch::withoutFuture(const WrittenSeries& series, const Labels* labels) {
    const auto ahead = [this](const Sample& sample) { return sample.timestamp > latest_; };
    const auto count = std::count_if(series.samples.begin(), series.samples.end(), ahead);
    if (count == 0) {
        return series.samples;
    }
    if (labels == nullptr) {
        labels = readLabels(series);
    }
    if (labels == nullptr) {
        return {};
    }
    refusals_.addTimes(static_cast<std::size_t>(count),
                       shortText(*labels) + ": a time too far in the future: is the clock right?");
    auto& rest = spared_.emplace_back(series.samples.begin(), series.samples.end());
    std::erase_if(rest, ahead);
    return rest;
}

Expected<storage::AppendResult> Batch::store(storage::Store& store) {
    const std::string& sender = agent_.empty() ? storage::kLocalSender : agent_;
    auto stored = store.append(series_, sender);
    if (stored && !stored->gone.empty()) {
        // These series have been deleted since they were remembered: they are created again.
        std::vector<storage::BatchSeries> again;
        std::vector<std::size_t> places;
        for (const auto place : stored->gone) {
            const auto* labels = readLabels(written_[origins_[place].position]);
            if (labels == nullptr) {
                continue;
            }
            again.push_back({0, labels, series_[place].samples});
            places.push_back(place);
        }
        auto more = store.append(again, sender);
        if (!more) {
            return more;
        }
        stored->stored += more->stored;
        stored->duplicates += more->duplicates;
        stored->refused += more->refused;
        stored->refused_times += more->refused_times;
        if (stored->first_refusal.empty()) {
            stored->first_refusal = std::move(more->first_refusal);
        }
        for (std::size_t i = 0; i < again.size(); ++i) {
            series_[places[i]].labels = again[i].labels;
            series_[places[i]].ref = again[i].ref;
        }
    }
    if (stored) {
        for (std::size_t i = 0; i < series_.size(); ++i) {
            if (series_[i].labels != nullptr) {
                learnt_.push_back({origins_[i].key, series_[i].ref});
            }
        }
    }
    return stored;
}

std::vector<std::span<const WrittenSeries>> batchesOf(std::span<const WrittenSeries> series,
                                                      std::span<const KnownSeries::Known> known) {
    constexpr std::size_t most_series = 8192;
    constexpr std::size_t most_label_bytes = 256U << 10;
    std::vector<std::span<const WrittenSeries>> out;
    std::size_t begin = 0;
    std::size_t label_bytes = 0;
    for (std::size_t i = 0; i < series.size(); ++i) {
        const std::size_t more = known[i].ref == 0 ? series[i].labels.size() : 0;
        if (i - begin == most_series || (i > begin && label_bytes + more > most_label_bytes)) {
            out.push_back(series.subspan(begin, i - begin));
            begin = i;
            label_bytes = 0;
        }
        label_bytes += more;
    }
    if (begin < series.size()) {
        out.push_back(series.subspan(begin));
    }
    return out;
}

}  // namespace lapwing::ingest
