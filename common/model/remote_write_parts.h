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

/// One series while its fields come in.
class SeriesDraft {
  public:
    SeriesDraft(const RemoteWriteLimits& limits, WriteRequest& out) : limits_(limits), out_(out) {}

    void label(std::string_view name, std::string_view value);
    /// False once the request has more samples than it may.
    bool sample(const Sample& sample);
    /// Into the request, or refused.
    void finish();

    const std::vector<Label>& labels() const { return labels_; }

  private:
    void refuse(std::string why);

    const RemoteWriteLimits& limits_;
    WriteRequest& out_;
    std::vector<Label> labels_;
    std::vector<Sample> samples_;
    std::string refusal_;
};

Error tooManySamples(const RemoteWriteLimits& limits);

// Throw protozero::exception for what is no such message.
Expected<void> decodeV1(std::string_view raw, const RemoteWriteLimits& limits, WriteRequest& out);
Expected<void> decodeV2(std::string_view raw, const RemoteWriteLimits& limits, WriteRequest& out);

}  // namespace lapwing::remote_write
