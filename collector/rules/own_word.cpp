#include "collector/rules/own_word.h"

#include <algorithm>

#include "common/metric_speakers.h"

namespace lapwing::rules {

namespace {

bool isObserved(const Labels& labels) {
    const auto agent = labels.get("agent");
    return !agent.empty() && agent != labels.get("instance") &&
           metric::speakerOf(labels.metricName(), labels.get("job")) == metric::Speaker::observer;
}

/// A probe that fails judges the server only by nginx_up and its like, which are absent if nothing was asked.
bool isJudgement(const Labels& labels, double value) {
    return !isStaleNaN(value) && (labels.metricName() != exporter::kUp || value == 1);
}

}  // namespace

Expected<OwnWordFirst::Jobs> OwnWordFirst::ownJobs(TimestampMs at, std::size_t max_samples) const {
    {
        const MutexLock lock(mutex_);
        if (jobs_at_ == at) {
            return jobs_;
        }
    }
    Jobs jobs;
    for (const auto* metric : {exporter::kUp, exporter::kNginxUp, exporter::kHaproxyUp, exporter::kMysqlUp}) {
        auto name = storage::Matcher::create(storage::Matcher::Type::equal, "__name__", metric);
        if (!name) {
            return fail(name.error());
        }
        const auto found = data_.select({std::move(*name)}, at - lookback_ms_, at, max_samples);
        if (!found) {
            return fail(found.error());
        }
        for (const auto& each : *found) {
            const auto agent = each.labels->get("agent");
            if (!agent.empty() && agent == each.labels->get("instance") && !each.samples.empty() &&
                isJudgement(*each.labels, each.samples.back().value)) {
                jobs.emplace(agent, each.labels->get("job"));
            }
        }
    }
    const MutexLock lock(mutex_);
    jobs_ = jobs;
    jobs_at_ = at;
    return jobs;
}

Expected<std::vector<storage::SeriesSamples>> OwnWordFirst::select(const storage::Matchers& matchers,
                                                                   TimestampMs from, TimestampMs to,
                                                                   std::size_t max_samples) const {
    auto out = data_.select(matchers, from, to, max_samples);
    const auto is_observed = [](const auto& each) { return isObserved(*each.labels); };
    if (!out || std::none_of(out->begin(), out->end(), is_observed)) {
        return out;
    }
    const auto jobs = ownJobs(to, max_samples);
    if (!jobs) {
        return fail(jobs.error());
    }
    std::erase_if(*out, [&](const auto& each) {
        return is_observed(each) && jobs->contains({std::string(each.labels->get("instance")),
                                                    std::string(each.labels->get("job"))});
    });
    return out;
}

Expected<std::vector<Labels>> OwnWordFirst::series(const std::vector<storage::Matchers>& any,
                                                   TimestampMs from, TimestampMs to) const {
    return data_.series(any, from, to);
}

Expected<std::vector<std::string>> OwnWordFirst::labelNames(const std::vector<storage::Matchers>& any,
                                                            TimestampMs from, TimestampMs to) const {
    return data_.labelNames(any, from, to);
}

Expected<std::vector<std::string>> OwnWordFirst::labelValues(const std::string& name,
                                                             const std::vector<storage::Matchers>& any,
                                                             TimestampMs from, TimestampMs to) const {
    return data_.labelValues(name, any, from, to);
}

}  // namespace lapwing::rules
