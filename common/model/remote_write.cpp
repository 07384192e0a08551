#include "common/model/remote_write.h"

#include <snappy.h>

#include <algorithm>
#include <protozero/pbf_reader.hpp>
#include <protozero/pbf_writer.hpp>

namespace lapwing {
namespace {

// Field numbers of prometheus/prompb remote.proto and types.proto.
constexpr protozero::pbf_tag_type kRequestTimeseries = 1;
constexpr protozero::pbf_tag_type kSeriesLabels = 1;
constexpr protozero::pbf_tag_type kSeriesSamples = 2;
constexpr protozero::pbf_tag_type kSeriesExemplars = 3;
constexpr protozero::pbf_tag_type kSeriesHistograms = 4;
constexpr protozero::pbf_tag_type kLabelName = 1;
constexpr protozero::pbf_tag_type kLabelValue = 2;
constexpr protozero::pbf_tag_type kSampleValue = 1;
constexpr protozero::pbf_tag_type kSampleTimestamp = 2;

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

Expected<Label> decodeLabel(protozero::pbf_reader reader, const RemoteWriteLimits& limits) {
    Label label;
    while (reader.next()) {
        switch (reader.tag_and_type()) {
            case message(kLabelName):
                label.name = reader.get_string();
                break;
            case message(kLabelValue):
                label.value = reader.get_string();
                break;
            default:
                reader.skip();
        }
    }
    if (label.name.empty()) return fail(ErrorKind::invalid, "remote_write: a label without a name");
    if (label.name.size() > limits.label_bytes || label.value.size() > limits.label_bytes) {
        return fail(ErrorKind::exhausted,
                    "remote_write: a label longer than " + std::to_string(limits.label_bytes) + " bytes");
    }
    return label;
}

Sample decodeSample(protozero::pbf_reader reader) {
    Sample sample;
    while (reader.next()) {
        switch (reader.tag_and_type()) {
            case fixed64(kSampleValue):
                sample.value = reader.get_double();
                break;
            case varint(kSampleTimestamp):
                sample.timestamp = reader.get_int64();
                break;
            default:
                reader.skip();
        }
    }
    return sample;
}

Expected<void> decodeSeries(protozero::pbf_reader reader, const RemoteWriteLimits& limits,
                            WriteRequest& out) {
    std::vector<Label> labels;
    TimeSeries series;
    while (reader.next()) {
        switch (reader.tag_and_type()) {
            case message(kSeriesLabels): {
                auto label = decodeLabel(reader.get_message(), limits);
                if (!label) return tl::unexpected(label.error());
                if (labels.size() == limits.labels_per_series) {
                    return fail(ErrorKind::exhausted, "remote_write: a series with more than " +
                                                          std::to_string(limits.labels_per_series) +
                                                          " labels");
                }
                labels.push_back(std::move(*label));
                break;
            }
            case message(kSeriesSamples):
                if (++out.samples > limits.samples) {
                    return fail(ErrorKind::exhausted, "remote_write: more than " +
                                                          std::to_string(limits.samples) +
                                                          " samples in a request");
                }
                series.samples.push_back(decodeSample(reader.get_message()));
                break;
            case message(kSeriesExemplars):
                ++out.exemplars;
                reader.skip();
                break;
            case message(kSeriesHistograms):
                ++out.histograms;
                reader.skip();
                break;
            default:
                reader.skip();
        }
    }
    const auto by_name = [](const Label& a, const Label& b) { return a.name < b.name; };
    std::sort(labels.begin(), labels.end(), by_name);
    const auto twice = std::adjacent_find(labels.begin(), labels.end(),
                                          [](const Label& a, const Label& b) { return a.name == b.name; });
    if (twice != labels.end()) {
        return fail(ErrorKind::invalid, "remote_write: the label " + twice->name + " is given twice");
    }
    // Samples are limited; series without any would be two bytes here and fifty in memory, without a limit.
    if (series.samples.empty()) return {};
    series.labels = Labels(std::move(labels));
    out.series.push_back(std::move(series));
    return {};
}

}  // namespace

std::string encodeRemoteWrite(const std::vector<TimeSeries>& series) {
    std::string raw;
    protozero::pbf_writer request(raw);
    for (const auto& one : series) {
        protozero::pbf_writer writer(request, kRequestTimeseries);
        for (const auto& label : one.labels) {
            protozero::pbf_writer pair(writer, kSeriesLabels);
            pair.add_string(kLabelName, label.name);
            pair.add_string(kLabelValue, label.value);
        }
        for (const auto& sample : one.samples) {
            protozero::pbf_writer pair(writer, kSeriesSamples);
            pair.add_double(kSampleValue, sample.value);
            pair.add_int64(kSampleTimestamp, sample.timestamp);
        }
    }
    std::string compressed;
    snappy::Compress(raw.data(), raw.size(), &compressed);
    return compressed;
}

Expected<WriteRequest> decodeRemoteWrite(std::string_view body, const RemoteWriteLimits& limits) {
    if (body.size() > limits.compressed_bytes) {
        return fail(ErrorKind::exhausted, "remote_write: the body is larger than " +
                                              std::to_string(limits.compressed_bytes) + " bytes");
    }
    std::size_t declared = 0;
    if (!snappy::GetUncompressedLength(body.data(), body.size(), &declared)) {
        return fail(ErrorKind::invalid, "remote_write: the body is not snappy's block format");
    }
    if (declared > limits.uncompressed_bytes) {
        return fail(ErrorKind::exhausted, "remote_write: the body declares " + std::to_string(declared) +
                                              " uncompressed bytes, more than " +
                                              std::to_string(limits.uncompressed_bytes));
    }
    std::string raw;
    if (!snappy::Uncompress(body.data(), body.size(), &raw)) {
        return fail(ErrorKind::invalid, "remote_write: the snappy body is damaged");
    }
    WriteRequest request;
    try {
        protozero::pbf_reader reader(raw);
        while (reader.next()) {
            if (reader.tag_and_type() == message(kRequestTimeseries)) {
                auto done = decodeSeries(reader.get_message(), limits, request);
                if (!done) return tl::unexpected(done.error());
            } else {
                reader.skip();
            }
        }
    } catch (const protozero::exception& error) {
        return fail(ErrorKind::invalid,
                    std::string("remote_write: not a protobuf WriteRequest: ") + error.what());
    }
    return request;
}

}  // namespace lapwing
