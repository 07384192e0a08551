#include <cstdlib>
#include <string_view>

#include "collector/promql/engine.h"
#include "collector/promql/parser.h"

// Whatever parses must print, and what was printed must parse and print to the same text again. What is small
// enough is evaluated over no data, where nothing may go wrong but in the ways that are errors.

namespace {

class Nothing : public lapwing::storage::Queryable {
  public:
    lapwing::Expected<std::vector<lapwing::storage::SeriesSamples>> select(
        const lapwing::storage::Matchers& /*matchers*/, lapwing::TimestampMs /*from*/,
        lapwing::TimestampMs /*to*/, std::size_t /*max*/) const override {
        return std::vector<lapwing::storage::SeriesSamples>{
            {std::make_shared<const lapwing::Labels>(lapwing::Labels{{"__name__", "a"}, {"b", "c"}}),
             {{0, 1}, {1000, 2}, {2000, lapwing::staleNaN()}, {3000, 4}}}};
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
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    const std::string_view query(reinterpret_cast<const char*>(data), size);
    const auto first = lapwing::promql::canonical(query);
    if (!first) return 0;
    const auto second = lapwing::promql::canonical(*first);
    if (!second || *second != *first) std::abort();

    const Nothing nothing;
    lapwing::promql::EngineOptions options;
    options.max_samples = 10'000;
    options.timeout_ms = 500;
    const lapwing::promql::Engine engine(nothing, options);
    const auto instant = engine.instant(query, 3000);
    const auto range = engine.range(query, 0, 5000, 1000);
    if (!instant && instant.error().kind == lapwing::ErrorKind::internal) std::abort();
    if (!range && range.error().kind == lapwing::ErrorKind::internal) std::abort();
    return 0;
}
