#pragma once

#include <protozero/pbf_reader.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "common/model/remote_write.h"

/// What both versions of remote_write have in common. Of the decoders alone.
namespace lapwing::remote_write {

/// A field's number with its type on the wire. A known number with another type is skipped as an unknown
/// field is: to read it as what it is not would be a broken assertion in protozero.
constexpr std::uint32_t message(protozero::pbf_tag_type tag) {
    return protozero::tag_and_type(tag, protozero::pbf_wire_type::length_delimited);
}
constexpr std::uint32_t varint(protozero::pbf_tag_type tag) {
    return protozero::tag_and_type(tag, protozero::pbf_wire_type::varint);
}
constexpr std::uint32_t fixed64(protozero::pbf_tag_type tag) {
    return protozero::tag_and_type(tag, protozero::pbf_wire_type::fixed64);
}

// The same numbers in prometheus/prompb types.proto and in io/prometheus/write/v2/types.proto.
inline constexpr protozero::pbf_tag_type kSampleValue = 1;
inline constexpr protozero::pbf_tag_type kSampleTimestamp = 2;

Sample decodeSample(protozero::pbf_reader reader);
const char* metricTypeName(std::uint64_t number);

/// A request while its series come in, one after the other.
class RequestBuilder {
  public:
    RequestBuilder(const RemoteWriteLimits& limits, WriteRequest& out) : limits_(limits), out_(out) {}

    /// Fields `labels` of the series, as version 1 has them; they must stay where they are.
    void labels(std::string_view encoded);
    /// Error `exhausted` once the request has more samples than it may.
    Expected<void> sample(const Sample& sample);
    /// What comes now belongs to the next series.
    void endSeries();
    /// Everything has come.
    void finish();

    /// Room as long as the request lives.
    char* allocate(std::size_t bytes);

  private:
    const RemoteWriteLimits& limits_;
    WriteRequest& out_;
    std::string_view labels_;
    std::size_t first_sample_ = 0;
    std::vector<std::size_t> counts_;
};

// Field numbers of prometheus/prompb types.proto.
inline constexpr protozero::pbf_tag_type kSeriesLabels = 1;
inline constexpr protozero::pbf_tag_type kLabelName = 1;
inline constexpr protozero::pbf_tag_type kLabelValue = 2;

// Read out.memory->message. Throw protozero::exception for what is no such message.
Expected<void> decodeV1(const RemoteWriteLimits& limits, WriteRequest& out);
Expected<void> decodeV2(const RemoteWriteLimits& limits, WriteRequest& out);

}  // namespace lapwing::remote_write
