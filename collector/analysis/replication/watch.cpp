#include "collector/analysis/replication/watch.h"

#include <array>
#include <initializer_list>
#include <set>

#include "common/metric_names.h"

namespace lapwing::analysis::replication {

namespace {

/// After a restart, verdicts that are no older than this still count as previous ones.
constexpr std::int64_t kRestoredMs = 300'000;
/// A silent replica is forgotten after this time: it has been removed.
constexpr std::int64_t kForgottenMs = 24LL * 3'600'000;
constexpr std::size_t kMostSamples = 100'000;

constexpr std::array kSampleMetrics{
    metric::kReplicationState,       metric::kReplicationCause,
    metric::kReplicationConfidence,  metric::kReplicationAdviceInfo,
    metric::kReplicationLagSeconds,  metric::kReplicationTransactionsBehind,
    metric::kReplicationBytesBehind, metric::kReplicationEvenInSeconds,
};

/// Collects the samples of one verdict.
class SampleWriter {
  public:
    SampleWriter(const Verdict& verdict, const Labels& sample_labels, TimestampMs now,
                 std::vector<TimeSeries>& out)
        : base_(sample_labels), now_(now), out_(out) {
        base_.set("replica", verdict.replica);
        base_.set("primary", verdict.primary);
        base_.set("channel", verdict.channel);
    }

    void add(const char* metric, double value, std::initializer_list<Label> more = {}) {
        auto labels = base_;
        labels.set("__name__", metric);
        for (const auto& label : more) {
            labels.set(label.name, label.value);
        }
        out_.push_back({std::move(labels), {{now_, value}}});
    }

    void addIfKnown(const char* metric, const std::optional<double>& value) {
        if (value) {
            add(metric, *value);
        }
    }

  private:
    Labels base_;
    TimestampMs now_;
    std::vector<TimeSeries>& out_;
};

void addSamples(const Verdict& verdict, const Labels& sample_labels, TimestampMs now,
                std::vector<TimeSeries>& out) {
    SampleWriter samples(verdict, sample_labels, now, out);
    const auto* cause = causeName(verdict.cause);
    samples.add(metric::kReplicationState, 1, {{"state", stateName(verdict.state)}});
    samples.add(metric::kReplicationCause, 1, {{"cause", cause}});
    samples.add(
        metric::kReplicationConfidence, 1,
        {{"confidence", confidenceName(verdict.confidence)}, {"source", lagSourceName(verdict.lag_source)}});
    if (!verdict.next_step.empty()) {
        samples.add(metric::kReplicationAdviceInfo, 1,
                    {{"cause", cause}, {"summary", verdict.summary}, {"next_step", verdict.next_step}});
    }
    samples.addIfKnown(metric::kReplicationLagSeconds, verdict.lag_seconds);
    samples.addIfKnown(metric::kReplicationTransactionsBehind, verdict.transactions_behind);
    samples.addIfKnown(metric::kReplicationBytesBehind, verdict.bytes_behind);
    samples.addIfKnown(metric::kReplicationEvenInSeconds, verdict.even_in_seconds);
}

/// A regular expression that matches the names of all stored series.
std::string sampleMetricsPattern() {
    std::string pattern;
    for (const auto* name : kSampleMetrics) {
        pattern += (pattern.empty() ? "" : "|") + std::string(name);
    }
    return pattern;
}

}  // namespace

Watch::Watch(storage::Store& store, Site site, Labels sample_labels)
    : store_(store),
      site_(std::move(site)),
      sample_labels_(std::move(sample_labels)),
      reader_(store),
      current_(std::make_shared<const std::vector<Verdict>>()) {}

/// Reads the series and the verdicts from before a restart, so that the series end when they no longer hold.
void Watch::restore(TimestampMs now) {
    restored_ = true;
    auto matcher =
        storage::Matcher::create(storage::Matcher::Type::regex, "__name__", sampleMetricsPattern());
    if (!matcher) {
        return;
    }
    const auto found = store_.select({std::move(*matcher)}, now - kRestoredMs, now, kMostSamples);
    if (!found) {
        return;
    }
    for (const auto& series : *found) {
        if (isStaleNaN(series.samples.back().value)) {
            continue;
        }
        const auto& labels = *series.labels;
        standing_.restore(labels);
        auto& previous = previous_[{std::string(labels.get("replica")), std::string(labels.get("channel"))}];
        previous.at = now;
        previous.verdict.primary = labels.get("primary");
        if (labels.metricName() == metric::kReplicationState) {
            previous.verdict.state = parseState(labels.get("state")).value_or(State::unknown);
        } else if (labels.metricName() == metric::kReplicationCause) {
            previous.verdict.cause = parseCause(labels.get("cause")).value_or(Cause::unknown);
        }
    }
}

/// Keeps the verdicts for the next update. While a replica is silent, its last known state stays.
void Watch::remember(const std::vector<Verdict>& verdicts, TimestampMs now) {
    std::set<ChannelKey> present;
    for (const auto& verdict : verdicts) {
        const ChannelKey key{verdict.replica, verdict.channel};
        present.insert(key);
        auto& previous = previous_[key];
        previous.verdict.primary = verdict.primary;
        previous.verdict.cause = verdict.cause;
        if (verdict.state != State::unknown || verdict.cause == Cause::unknown) {
            previous.verdict.state = verdict.state;
        }
        if (verdict.state != State::unknown || previous.at == 0) {
            previous.at = now;
        }
    }
    std::erase_if(previous_, [&](const auto& previous) {
        return !present.contains(previous.first) || now - previous.second.at > kForgottenMs;
    });
}

Expected<void> Watch::writeSamples(const std::vector<Verdict>& verdicts, TimestampMs now) {
    std::vector<TimeSeries> samples;
    for (const auto& verdict : verdicts) {
        addSamples(verdict, sample_labels_, now, samples);
    }
    return standing_.write(store_, std::move(samples), now);
}

Expected<void> Watch::update(TimestampMs now) {
    if (!restored_) {
        restore(now);
    }
    auto databases = reader_.read(now);
    if (!databases) {
        return tl::unexpected(databases.error());
    }
    Inputs inputs{std::move(*databases), site_.replication, {}};
    for (const auto& [key, remembered] : previous_) {
        inputs.previous.emplace(key, remembered.verdict);
    }
    auto verdicts = std::make_shared<const std::vector<Verdict>>(judge(inputs));
    remember(*verdicts, now);
    auto written = writeSamples(*verdicts, now);
    const MutexLock lock(mutex_);
    current_ = std::move(verdicts);
    return written;
}

std::shared_ptr<const std::vector<Verdict>> Watch::verdicts() const {
    const MutexLock lock(mutex_);
    return current_;
}

}  // namespace lapwing::analysis::replication
