#pragma once

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "collector/forward/http_post.h"
#include "common/model/remote_write.h"
#include "tests/unit/catch.h"
#include "tests/unit/written.h"

namespace lapwing::forward {

inline http::Response answer(int status, std::vector<std::pair<std::string, std::string>> headers = {}) {
    http::Response response;
    response.status = status;
    response.headers = std::move(headers);
    response.body = "so it is\n";
    return response;
}

/// A destination in memory that keeps every sample, as often as it comes.
class Receiver {
  public:
    /// Fixed answers for the next requests. Later requests are checked.
    std::deque<Expected<http::Response>> scripted;
    /// The status for a request with a refused sample: as in Prometheus, the whole request is refused.
    std::function<bool(const Labels&, const Sample&)> refuses = [](const Labels&, const Sample&) {
        return false;
    };
    int refusal = 400;

    std::size_t requests = 0;
    std::size_t largest = 0;  ///< the most samples in a request
    std::map<std::string, std::vector<Sample>> got;

    Expected<http::Response> take(const std::string& body) {
        ++requests;
        if (!scripted.empty()) {
            auto next = std::move(scripted.front());
            scripted.pop_front();
            return next;
        }
        const auto request = test::decodeWhole(body);
        if (!request) {
            FAIL(request.error().message);
        }
        largest = std::max(largest, request->samples);
        for (const auto& series : request->series) {
            for (const auto& sample : series.samples) {
                if (refuses(series.labels, sample)) {
                    return answer(refusal);
                }
            }
        }
        for (const auto& series : request->series) {
            auto& samples = got[series.labels.toString()];
            samples.insert(samples.end(), series.samples.begin(), series.samples.end());
        }
        return answer(204);
    }
    Post post() {
        return [this](const std::string& body) { return take(body); };
    }

    /// The samples of a series as "t:v t:v", in the order of arrival.
    std::string of(const std::string& series) const {
        const auto found = got.find(series);
        if (found == got.end()) {
            return "none";
        }
        std::string out;
        for (const auto& sample : found->second) {
            if (!out.empty()) {
                out += ' ';
            }
            out +=
                std::to_string(sample.timestamp) + ':' + std::to_string(static_cast<long long>(sample.value));
        }
        return out;
    }
    std::size_t samples() const {
        std::size_t count = 0;
        for (const auto& [series, samples] : got) {
            count += samples.size();
        }
        return count;
    }
};

}  // namespace lapwing::forward
