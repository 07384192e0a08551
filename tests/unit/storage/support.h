#pragma once

#include <string>
#include <utility>

#include "collector/storage/sqlite_store.h"
#include "tests/unit/catch.h"

namespace lapwing::storage {

inline StoreOptions keepEverything(const std::string& path) {
    StoreOptions options;
    options.path = path;
    options.retention_ms = 0;
    return options;
}

inline std::unique_ptr<SqliteStore> openStore(const StoreOptions& options) {
    auto store = SqliteStore::open(options);
    if (!store) {
        FAIL(store.error().message);
    }
    return std::move(*store);
}

inline Matchers match(std::initializer_list<std::tuple<const char*, Matcher::Type, const char*>> wanted) {
    Matchers matchers;
    for (const auto& [name, type, value] : wanted) {
        matchers.push_back(Matcher::create(type, name, value).value());
    }
    return matchers;
}

inline Matchers named(const char* name) {
    return match({{"__name__", Matcher::Type::equal, name}});
}

inline AppendResult mustAppend(Store& store, const std::vector<TimeSeries>& batch) {
    auto result = store.append(batch);
    if (!result) {
        FAIL(result.error().message);
    }
    return *result;
}

inline std::vector<SeriesSamples> mustSelect(const Store& store, const Matchers& matchers, TimestampMs from,
                                             TimestampMs to) {
    auto result = store.select(matchers, from, to, 100'000'000);
    if (!result) {
        FAIL(result.error().message);
    }
    return std::move(*result);
}

/// The samples of the only series as "t:v t:v"; "none" without a series.
inline std::string samplesOf(const Store& store, const Matchers& matchers, TimestampMs from = 0,
                             TimestampMs to = INT64_MAX) {
    const auto result = mustSelect(store, matchers, from, to);
    if (result.empty()) {
        return "none";
    }
    REQUIRE(result.size() == 1);
    std::string out;
    for (const auto& sample : result[0].samples) {
        if (!out.empty()) {
            out += ' ';
        }
        out += std::to_string(sample.timestamp) + ':' + std::to_string(static_cast<long long>(sample.value));
    }
    return out;
}

}  // namespace lapwing::storage
