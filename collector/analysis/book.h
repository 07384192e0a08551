#pragma once

#include <map>
#include <string>
#include <vector>

#include "collector/analysis/judgement.h"
#include "common/error.h"

namespace lapwing::analysis {

/// The present findings, each with the time of its first appearance. A finding that could not be judged again
/// stays, with confidence `unknown`: missing data never clears a finding. Not synchronised.
class Book {
  public:
    void update(Judgement judgement, TimestampMs now);

    /// Critical first, then by id and subject.
    std::vector<Finding> findings() const;

    std::string toJson() const;
    /// Error `invalid` for a text that toJson() did not write; the book is then empty.
    Expected<void> load(const std::string& json);

  private:
    struct Entry {
        Finding finding;
        TimestampMs judged = 0;
    };
    std::map<FindingKey, Entry> entries_;
};

}  // namespace lapwing::analysis
