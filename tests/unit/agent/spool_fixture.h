#pragma once

#include <snappy.h>

#include <string>
#include <vector>

#include "agent/delivery/spool.h"
#include "common/model/remote_write.h"
#include "tests/unit/catch.h"
#include "tests/unit/written.h"

namespace lapwing::test {

/// One series "counter" with one sample, identified by its value.
inline std::vector<TimeSeries> numbered(int number) {
    return {{Labels{{"__name__", "counter"}}, {{1'700'000'000'000 + number, static_cast<double>(number)}}}};
}

inline std::vector<double> valuesOf(std::string_view body) {
    const auto request = decodeWhole(body);
    REQUIRE(request);
    std::vector<double> values;
    for (const auto& series : request->series) {
        for (const auto& sample : series.samples) {
            values.push_back(sample.value);
        }
    }
    return values;
}

/// Takes everything out, in requests of `parts` batches.
inline std::vector<double> drain(agent::Spool& spool, std::size_t parts = 64) {
    std::vector<double> values;
    while (const auto batch = spool.next(parts)) {
        const auto some = valuesOf(batch->body);
        CHECK(some.size() == batch->samples);
        values.insert(values.end(), some.begin(), some.end());
        spool.sent(*batch);
    }
    return values;
}

inline std::vector<double> range(int from, int to) {
    std::vector<double> values;
    for (int i = from; i < to; ++i) {
        values.push_back(i);
    }
    return values;
}

}  // namespace lapwing::test
