#include "collector/analysis/replication/watch.h"

#include "common/metric_names.h"

namespace lapwing::analysis::replication {

namespace {

/// What was said before a restart is taken up again if it was not long ago.
constexpr std::int64_t kRemembered = 300'000;
/// A replica that nobody has heard of for so long has been taken away.
constexpr std::int64_t kForgotten = 24LL * 3'600'000;
constexpr std::size_t kMostSamples = 100'000;

class Batch {
  public:
    Batch(const Verdict& verdict, const Labels& sample_labels, TimestampMs now, std::vector<TimeSeries>& out)
        : base_(sample_labels), now_(now), out_(out) {
        base_.set("replica", verdict.replica);
        base_.set("primary", verdict.primary);
        base_.set("channel", verdict.channel);
    }
    void add(const char* name, double value, std::initializer_list<Label> more = {}) {
        auto labels = base_;
        labels.set("__name__", std::string("lapwing_replication_") + name);
        for (const auto& label : more) {
            labels.set(label.name, label.value);
        }
        out_.push_back({std::move(labels), {{now_, value}}});
    }
    void add(const char* name, const std::optional<double>& value) {
        if (value) {
            add(name, *value, {});
        }
    }

  private:
    Labels base_;
    TimestampMs now_;
    std::vector<TimeSeries>& out_;
};

void addSamples(const Verdict& verdict, const Labels& sample_labels, TimestampMs now,
                std::vector<TimeSeries>& out) {
    Batch batch(verdict, sample_labels, now, out);
    batch.add("state", 1, {{"state", verdict.state}});
    batch.add("cause", 1, {{"cause", verdict.cause}});
    batch.add("confidence", 1,
              {{"confidence", confidenceName(verdict.confidence)}, {"source", verdict.lag_source}});
    if (!verdict.next_step.empty()) {
        batch.add("advice_info", 1,
                  {{"cause", verdict.cause}, {"summary", verdict.summary}, {"next_step", verdict.next_step}});
    }
    batch.add("lag_seconds", verdict.lag_seconds);
    batch.add("transactions_behind", verdict.transactions_behind);
    batch.add("bytes_behind", verdict.bytes_behind);
    batch.add("even_in_seconds", verdict.even_in_seconds);
}

}  // namespace

Watch::Watch(storage::Store& store, Site site, Labels sample_labels)
    : store_(store),
      site_(std::move(site)),
      sample_labels_(std::move(sample_labels)),
      gatherer_(store, site_),
      current_(std::make_shared<const std::vector<Verdict>>()) {}

/// Which series stand from before, so that they end when they are no longer true; and what was last said.
void Watch::restore(TimestampMs now) {
    restored_ = true;
    auto matcher = storage::Matcher::create(storage::Matcher::Type::regex, "__name__",
                                            "lapwing_replication_(state|cause|confidence|advice_info|lag_"
                                            "seconds|transactions_behind|bytes_behind|even_in_seconds)");
    if (!matcher) {
        return;
    }
    const auto found = store_.select({std::move(*matcher)}, now - kRemembered, now, kMostSamples);
    if (!found) {
        return;
    }
    for (const auto& series : *found) {
        if (isStaleNaN(series.samples.back().value)) {
            continue;
        }
        standing_.insert(*series.labels);
        auto& previous = previous_[{std::string(series.labels->get("replica")),
                                    std::string(series.labels->get("channel"))}];
        previous.at = now;
        previous.fact.primary = series.labels->get("primary");
        if (series.labels->metricName() == metric::kReplicationState) {
            previous.fact.state = series.labels->get("state");
        } else if (series.labels->metricName() == metric::kReplicationCause) {
            previous.fact.cause = series.labels->get("cause");
        }
    }
}

/// A cause that is held, because nothing is known any more, keeps the state that it had.
void Watch::remember(const std::vector<Verdict>& verdicts, TimestampMs now) {
    for (const auto& verdict : verdicts) {
        auto& previous = previous_[{verdict.replica, verdict.channel}];
        previous.fact.primary = verdict.primary;
        previous.fact.cause = verdict.cause;
        if (verdict.state != "unknown" || verdict.cause == "unknown") {
            previous.fact.state = verdict.state;
        }
        if (verdict.state != "unknown" || previous.at == 0) {
            previous.at = now;
        }
    }
    std::set<std::pair<std::string, std::string>> shown;
    for (const auto& verdict : verdicts) {
        shown.insert({verdict.replica, verdict.channel});
    }
    std::erase_if(previous_, [&](const auto& previous) {
        return !shown.contains(previous.first) || now - previous.second.at > kForgotten;
    });
}

Expected<void> Watch::writeSamples(const std::vector<Verdict>& verdicts, TimestampMs now) {
    std::vector<TimeSeries> batch;
    for (const auto& verdict : verdicts) {
        addSamples(verdict, sample_labels_, now, batch);
    }
    std::set<Labels> fresh;
    for (const auto& series : batch) {
        fresh.insert(series.labels);
    }
    for (const auto& labels : standing_) {
        if (!fresh.contains(labels)) {
            batch.push_back({labels, {{now, staleNaN()}}});
        }
    }
    if (!batch.empty()) {
        if (auto stored = store_.append(batch); !stored) {
            return tl::unexpected(stored.error());
        }
    }
    standing_ = std::move(fresh);
    return {};
}

Expected<void> Watch::round(TimestampMs now) {
    if (!restored_) {
        restore(now);
    }
    auto facts = gatherer_.gather(now);
    if (!facts) {
        return tl::unexpected(facts.error());
    }
    for (const auto& [key, remembered] : previous_) {
        facts->previous.emplace(key, remembered.fact);
    }
    auto verdicts = std::make_shared<const std::vector<Verdict>>(judge(*facts));
    remember(*verdicts, now);
    auto written = writeSamples(*verdicts, now);
    const std::lock_guard lock(mutex_);
    current_ = std::move(verdicts);
    return written;
}

std::shared_ptr<const std::vector<Verdict>> Watch::verdicts() const {
    const std::lock_guard lock(mutex_);
    return current_;
}

}  // namespace lapwing::analysis::replication
