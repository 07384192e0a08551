#include "collector/notify/failures.h"

#include <algorithm>
#include <utility>

namespace lapwing::notify {

bool FailureBoard::put(const std::string& receiver, const std::string& lane, Failures failures) {
    const MutexLock lock(mutex_);
    auto& known = failures_[receiver][lane];
    if (known == failures) {
        return false;
    }
    known = std::move(failures);
    return true;
}

std::optional<TimestampMs> FailureBoard::since(const std::vector<std::string>& receivers,
                                               const Labels& alert) const {
    const MutexLock lock(mutex_);
    std::optional<TimestampMs> out;
    for (const auto& receiver : receivers) {
        const auto lanes = failures_.find(receiver);
        if (lanes == failures_.end()) {
            continue;
        }
        for (const auto& [lane, failures] : lanes->second) {
            if (const auto found = failures.find(alert); found != failures.end()) {
                out = std::min(out.value_or(found->second), found->second);
            }
        }
    }
    return out;
}

}  // namespace lapwing::notify
