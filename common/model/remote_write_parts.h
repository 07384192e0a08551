#pragma once

#include <protozero/pbf_reader.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "common/model/remote_write.h"

/// What the decoders of both versions of remote_write share.
namespace lapwing::remote_write {

/// A field's number with its type on the wire. A known number with another type is skipped like an unknown
/// field: reading it would fail an assertion in protozero.
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

/// Builds a request from its series, one after the other.
class RequestBuilder {
  public:
    RequestBuilder(const RemoteWriteLimits& limits, WriteRequest& out) : limits_(limits), out_(out) {}

    /// Once, first: counts the series and samples of the message, whose fields have these numbers in the
    /// request and in a series. Nothing grows by doubling later. Error `exhausted` beyond the limit of
    /// samples.
    Expected<void> reserve(protozero::pbf_tag_type series, protozero::pbf_tag_type samples);

    /// The fields `labels` of the series as version 1 encodes them. They must stay in place.
    void labels(std::string_view encoded);
    void sample(const Sample& sample) { out_.memory->samples.push_back(sample); }
    /// Ends the series: later calls add to the next one.
    void endSeries();

    /// Memory that lives as long as the request.
    char* allocate(std::size_t bytes);

  private:
    const RemoteWriteLimits& limits_;
    WriteRequest& out_;
    std::string_view labels_;
    std::string gathered_;  ///< the labels, unless they stand side by side
    std::size_t first_sample_ = 0;
};

// Field numbers of prometheus/prompb types.proto.
inline constexpr protozero::pbf_tag_type kSeriesLabels = 1;
inline constexpr protozero::pbf_tag_type kLabelName = 1;
inline constexpr protozero::pbf_tag_type kLabelValue = 2;

// These read out.memory->message. They throw protozero::exception for any other message.
Expected<void> decodeV1(const RemoteWriteLimits& limits, WriteRequest& out);
Expected<void> decodeV2(const RemoteWriteLimits& limits, WriteRequest& out);

}  // namespace lapwing::remote_write
