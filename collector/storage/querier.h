#pragma once

#include <functional>
#include <string>
#include <vector>

#include "collector/storage/damaged_blocks.h"
#include "collector/storage/database.h"
#include "collector/storage/heads.h"
#include "collector/storage/queryable.h"
#include "collector/storage/series_catalog.h"

namespace lapwing::storage {

/// Reads samples and labels, as Queryable says. Thread-safe; waits for a writer only while that publishes a
/// commit.
class Querier {
  public:
    Querier(Database& database, const SeriesCatalog& catalog, const Heads& heads,
            const DamagedBlocks& damaged)
        : database_(database), catalog_(catalog), heads_(heads), damaged_(damaged) {}

    Expected<std::vector<SeriesSamples>> select(const Matchers& matchers, TimestampMs from, TimestampMs to,
                                                std::size_t max_samples) const;
    Expected<std::vector<Labels>> series(const std::vector<Matchers>& any, TimestampMs from,
                                         TimestampMs to) const;
    Expected<std::vector<std::string>> labelNames(const std::vector<Matchers>& any, TimestampMs from,
                                                  TimestampMs to) const;
    Expected<std::vector<std::string>> labelValues(const std::string& name, const std::vector<Matchers>& any,
                                                   TimestampMs from, TimestampMs to) const;

  private:
    struct Selected;
    Expected<SeriesIndex::Comparisons> compare(const std::vector<Matchers>& any) const;
    Expected<SeriesIndex::Comparison> compare(const Matcher& matcher) const;
    std::vector<Selected> selectActive(const Matchers& matchers, const SeriesIndex::Comparisons& comparisons,
                                       TimestampMs from, TimestampMs to) const
        LAPWING_REQUIRES_SHARED(catalog_.mutex);
    Expected<void> selectArchived(Reader& reader, const Matchers& matchers, TimestampMs from, TimestampMs to,
                                  std::vector<Selected>& selected) const;
    Expected<void> readBlocks(Reader& reader, std::vector<Selected>& selected, TimestampMs from,
                              TimestampMs to, std::size_t max_samples) const;
    Expected<void> readDamaged(Reader& reader, std::vector<Selected>& selected, TimestampMs from,
                               TimestampMs to) const;
    Expected<void> forEachActive(const std::vector<SeriesId>& ids, Reader& reader,
                                 const std::function<void(const SeriesIndex&, SeriesId)>& use_active,
                                 const std::function<void(const Labels&)>& use_archived) const;
    Expected<void> forEachSeries(const std::vector<Matchers>& any, TimestampMs from, TimestampMs to,
                                 const std::function<void(const SeriesIndex&, SeriesId)>& use_active,
                                 const std::function<void(const Labels&)>& use_archived) const;

    Database& database_;
    const SeriesCatalog& catalog_;
    const Heads& heads_;
    const DamagedBlocks& damaged_;
};

}  // namespace lapwing::storage
