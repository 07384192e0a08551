#include "collector/promql/context.h"

#include <algorithm>

namespace lapwing::promql {
namespace {

constexpr const char* kTooManySamples =
    "query processing would load too many samples into memory in query execution";

}  // namespace

Expected<std::vector<storage::SeriesSamples>> Context::select(const storage::Matchers& matchers,
                                                              TimestampMs from, TimestampMs to) {
    if (auto go_on = proceed(); !go_on) {
        return fail(go_on.error());
    }
    auto selected = data_.select(matchers, from, to, options_.max_samples - loaded_);
    if (!selected) {
        if (selected.error().kind == ErrorKind::exhausted && proceed()) {
            return fail(ErrorKind::exhausted, kTooManySamples);
        }
        return selected;
    }
    for (const auto& series : *selected) {
        loaded_ += series.samples.size();
    }
    if (loaded_ > options_.max_samples) {
        return fail(ErrorKind::exhausted, kTooManySamples);
    }
    return selected;
}

void Context::proceedOrThrow() {
    constexpr unsigned between_checks = 256;
    if (++calls_ % between_checks != 0) {
        return;
    }
    if (auto go_on = proceed(); !go_on) {
        throw Interrupted{go_on.error()};
    }
}

std::optional<TimestampMs> Context::fixedTime(const TimeModifiers& time) const {
    switch (time.at) {
        case TimeModifiers::At::none:
            return std::nullopt;
        case TimeModifiers::At::timestamp:
            return time.timestamp;
        case TimeModifiers::At::start:
            return start_;
        case TimeModifiers::At::end:
            return end_;
    }
    return std::nullopt;
}

Expected<void> Context::charge(std::size_t values) const {
    if (auto fits = chargeSamples(values); !fits) {
        return fits;
    }
    return QueryLimits::checkRoom(values * sizeof(double));
}

Expected<void> Context::chargeSamples(std::size_t values) const {
    if (values > options_.max_samples) {
        return fail(ErrorKind::exhausted, kTooManySamples);
    }
    return {};
}

void Context::warn(std::string_view text, const Expr& where) {
    if (version2()) {
        return;
    }
    warnings_.insert("PromQL warning: " + std::string(text) + " (" + position(where.span.start) + ")");
}

void Context::inform(std::string_view text, const Expr& where) {
    if (version2()) {
        return;
    }
    infos_.insert("PromQL info: " + std::string(text) + " (" + position(where.span.start) + ")");
}

std::string Context::position(std::size_t byte) const {
    const auto before = query_.substr(0, std::min(byte, query_.size()));
    const auto line = 1 + std::count(before.begin(), before.end(), '\n');
    const auto last_break = before.rfind('\n');
    const auto column = last_break == std::string_view::npos ? byte + 1 : byte - last_break;
    return std::to_string(line) + ":" + std::to_string(column);
}

}  // namespace lapwing::promql
