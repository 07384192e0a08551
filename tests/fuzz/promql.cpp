#include <cstdlib>
#include <limits>
#include <string_view>

#include "collector/promql/engine.h"
#include "collector/promql/parser.h"

// Every query that parses must print, and the printed text must parse and print to itself. The fuzzer also
// evaluates small queries over a few series; they may fail only with a proper error.

namespace {

class Few : public lapwing::storage::Queryable {
  public:
    lapwing::Expected<std::vector<lapwing::storage::SeriesSamples>> select(
        const lapwing::storage::Matchers& /*matchers*/, lapwing::TimestampMs /*from*/,
        lapwing::TimestampMs /*to*/, std::size_t /*max_samples*/) const override {
        const auto nan = std::numeric_limits<double>::quiet_NaN();
        const auto infinity = std::numeric_limits<double>::infinity();
        return std::vector<lapwing::storage::SeriesSamples>{
            series({{"__name__", "a"}, {"b", "c"}},
                   {{0, 1}, {1000, 2}, {2000, lapwing::staleNaN()}, {3000, 4}}),
            series({{"__name__", "a"}, {"b", "d"}},
                   {{0, nan}, {1000, infinity}, {2000, -infinity}, {4000, -0.0}}),
            series({{"__name__", "a"}, {"le", "+Inf"}}, {{0, 1e300}, {2500, 1e308}, {2501, 1e308}}),
            series({{"__name__", "a"}, {"le", "1"}}, {{500, 3}, {1500, 2}})};
    }
    lapwing::Expected<std::vector<lapwing::Labels>> series(
        const std::vector<lapwing::storage::Matchers>& /*any*/, lapwing::TimestampMs /*from*/,
        lapwing::TimestampMs /*to*/) const override {
        return std::vector<lapwing::Labels>();
    }
    lapwing::Expected<std::vector<std::string>> labelNames(
        const std::vector<lapwing::storage::Matchers>& /*any*/, lapwing::TimestampMs /*from*/,
        lapwing::TimestampMs /*to*/) const override {
        return std::vector<std::string>();
    }
    lapwing::Expected<std::vector<std::string>> labelValues(
        const std::string& /*name*/, const std::vector<lapwing::storage::Matchers>& /*any*/,
        lapwing::TimestampMs /*from*/, lapwing::TimestampMs /*to*/) const override {
        return std::vector<std::string>();
    }

  private:
    static lapwing::storage::SeriesSamples series(const lapwing::Labels& labels,
                                                  std::vector<lapwing::Sample> samples) {
        return {std::make_shared<const lapwing::Labels>(labels), std::move(samples)};
    }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    const std::string_view query(reinterpret_cast<const char*>(data), size);
    const auto first = lapwing::promql::canonical(query);
    if (!first) {
        return 0;
    }
    const auto second = lapwing::promql::canonical(*first);
    if (!second || *second != *first) {
        std::abort();
    }

    const Few few;
    for (const int compat : {2, 3}) {
        lapwing::promql::EngineOptions options;
        options.compat = compat;
        options.max_samples = 10'000;
        options.timeout_ms = 500;
        const lapwing::promql::Engine engine(few, options);
        const auto instant = engine.instant(query, 3000);
        const auto range = engine.range(query, 0, 5000, 1000);
        if (!instant && instant.error().kind == lapwing::ErrorKind::internal) {
            std::abort();
        }
        if (!range && range.error().kind == lapwing::ErrorKind::internal) {
            std::abort();
        }
    }
    return 0;
}
