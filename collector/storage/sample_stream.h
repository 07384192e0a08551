#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/model/sample.h"

namespace lapwing::storage {

/// Samples of one series that come in one after the other, in some two to four bytes each: times as changes
/// of their distance, values as differences where both are integers, as XOR with the predecessor (Pelkonen et
/// al., "Gorilla", VLDB 2015, in whole bytes) elsewhere. Larger than what codec.h makes of a whole piece, but
/// it grows by a sample at a time. Lossless, every bit pattern. Not synchronised.
class SampleStream {
  public:
    /// Later than all before.
    void append(const Sample& sample);

    bool empty() const { return bytes_.empty(); }
    /// Of a stream that is not empty.
    TimestampMs first() const;
    TimestampMs last() const { return last_.timestamp; }
    const std::string& bytes() const { return bytes_; }

    /// Appends the samples of a stream's bytes to `out`. False for what no stream has written.
    static bool decode(std::string_view bytes, std::vector<Sample>& out);

  private:
    std::string bytes_;
    Sample last_;
    TimestampMs step_ = 0;  ///< from the last but one to the last
};

}  // namespace lapwing::storage
