#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/model/sample.h"

namespace lapwing::storage {

/// A compressed series to which samples are appended one at a time, in about two to four bytes each. Times
/// are stored as changes of their distance; values as differences if both are integers, else as XOR with
/// their predecessor (Pelkonen et al., "Gorilla", VLDB 2015, in whole bytes). codec.h compresses better, but
/// only whole chunks. Lossless for every bit pattern. Not synchronised.
class SampleStream {
  public:
    /// The sample is later than all before it.
    void append(const Sample& sample);

    bool empty() const { return bytes_.empty(); }
    /// The stream is not empty.
    TimestampMs first() const;
    TimestampMs last() const { return last_.timestamp; }
    const std::string& bytes() const { return bytes_; }

    /// Appends the samples in a stream's bytes to `out`. False for bytes that no stream writes.
    static bool decode(std::string_view bytes, std::vector<Sample>& out);

  private:
    std::string bytes_;
    Sample last_;
    TimestampMs step_ = 0;  ///< between the last two samples
};

}  // namespace lapwing::storage
