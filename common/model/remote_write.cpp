#include "common/model/remote_write.h"

#include <snappy.h>

#include <algorithm>
#include <array>
#include <protozero/pbf_writer.hpp>

#include "common/model/remote_write_parts.h"

namespace lapwing {
namespace remote_write {
namespace {

// Field numbers of prometheus/prompb remote.proto and types.proto.
constexpr protozero::pbf_tag_type kRequestTimeseries = 1;
constexpr protozero::pbf_tag_type kRequestMetadata = 3;
constexpr protozero::pbf_tag_type kSeriesLabels = 1;
constexpr protozero::pbf_tag_type kSeriesSamples = 2;
constexpr protozero::pbf_tag_type kSeriesExemplars = 3;
constexpr protozero::pbf_tag_type kSeriesHistograms = 4;
constexpr protozero::pbf_tag_type kLabelName = 1;
constexpr protozero::pbf_tag_type kLabelValue = 2;
constexpr protozero::pbf_tag_type kMetadataType = 1;
constexpr protozero::pbf_tag_type kMetadataFamily = 2;
constexpr protozero::pbf_tag_type kMetadataHelp = 4;
constexpr protozero::pbf_tag_type kMetadataUnit = 5;

// By their numbers, in both versions.
constexpr std::array<const char*, 8> kTypes = {"unknown",        "counter", "gauge", "histogram",
                                               "gaugehistogram", "summary", "info",  "stateset"};

std::string_view textOf(protozero::data_view view) {
    return {view.data(), view.size()};
}

void decodeLabel(protozero::pbf_reader reader, SeriesDraft& series) {
    std::string_view name;
    std::string_view value;
    while (reader.next()) {
        switch (reader.tag_and_type()) {
            case message(kLabelName):
                name = textOf(reader.get_view());
                break;
            case message(kLabelValue):
                value = textOf(reader.get_view());
                break;
            default:
                reader.skip();
        }
    }
    series.label(name, value);
}

Expected<void> decodeSeries(protozero::pbf_reader reader, const RemoteWriteLimits& limits,
                            WriteRequest& out) {
    SeriesDraft series(limits, out);
    while (reader.next()) {
        switch (reader.tag_and_type()) {
            case message(kSeriesLabels):
                decodeLabel(reader.get_message(), series);
                break;
            case message(kSeriesSamples):
                if (!series.sample(decodeSample(reader.get_message()))) {
                    return tl::unexpected(tooManySamples(limits));
                }
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
    series.finish();
    return {};
}

void decodeMetadata(protozero::pbf_reader reader, const RemoteWriteLimits& limits, WriteRequest& out) {
    MetricMetadata metadata;
    metadata.type = kTypes[0];
    while (reader.next()) {
        switch (reader.tag_and_type()) {
            case varint(kMetadataType):
                metadata.type = metricTypeName(reader.get_uint64());
                break;
            case message(kMetadataFamily):
                metadata.metric = reader.get_string();
                break;
            case message(kMetadataHelp):
                metadata.help = reader.get_string();
                break;
            case message(kMetadataUnit):
                metadata.unit = reader.get_string();
                break;
            default:
                reader.skip();
        }
    }
    if (metadata.metric.empty() || out.metadata.size() >= limits.metadata) return;
    const auto longest = std::max({metadata.metric.size(), metadata.help.size(), metadata.unit.size()});
    if (longest <= limits.label_bytes) out.metadata.push_back(std::move(metadata));
}

}  // namespace

Error tooManySamples(const RemoteWriteLimits& limits) {
    return {ErrorKind::exhausted,
            "remote_write: more than " + std::to_string(limits.samples) + " samples in a request"};
}

const char* metricTypeName(std::uint64_t number) {
    return number < kTypes.size() ? kTypes[number] : kTypes[0];
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

void SeriesDraft::refuse(std::string why) {
    if (refusal_.empty()) refusal_ = std::move(why);
}

void SeriesDraft::label(std::string_view name, std::string_view value) {
    if (name.empty()) return refuse("a label without a name");
    if (name.size() > limits_.label_bytes || value.size() > limits_.label_bytes) {
        return refuse("a label longer than " + std::to_string(limits_.label_bytes) + " bytes");
    }
    if (labels_.size() == limits_.labels_per_series) {
        return refuse("a series with more than " + std::to_string(limits_.labels_per_series) + " labels");
    }
    labels_.push_back({std::string(name), std::string(value)});
}

bool SeriesDraft::sample(const Sample& sample) {
    if (++out_.samples > limits_.samples) return false;
    samples_.push_back(sample);
    return true;
}

void SeriesDraft::finish() {
    // Samples are limited; series without any would be two bytes here and fifty in memory, without a limit.
    if (samples_.empty()) return;
    const auto by_name = [](const Label& a, const Label& b) { return a.name < b.name; };
    std::sort(labels_.begin(), labels_.end(), by_name);
    const auto twice = std::adjacent_find(labels_.begin(), labels_.end(),
                                          [](const Label& a, const Label& b) { return a.name == b.name; });
    if (twice != labels_.end()) refuse("the label " + twice->name + " is given twice");
    if (!refusal_.empty()) {
        out_.refused += samples_.size();
        if (out_.first_refusal.empty()) {
            out_.first_refusal = Labels(std::move(labels_)).toString() + ": " + refusal_;
        }
        return;
    }
    out_.series.push_back({Labels(std::move(labels_)), std::move(samples_)});
}

Expected<void> decodeV1(std::string_view raw, const RemoteWriteLimits& limits, WriteRequest& out) {
    protozero::pbf_reader reader(raw.data(), raw.size());
    while (reader.next()) {
        switch (reader.tag_and_type()) {
            case message(kRequestTimeseries):
                if (auto done = decodeSeries(reader.get_message(), limits, out); !done) return done;
                break;
            case message(kRequestMetadata):
                decodeMetadata(reader.get_message(), limits, out);
                break;
            default:
                reader.skip();
        }
    }
    return {};
}

}  // namespace remote_write

std::string encodeRemoteWrite(const std::vector<TimeSeries>& series,
                              const std::vector<MetricMetadata>& metadata) {
    using namespace remote_write;
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
    for (const auto& one : metadata) {
        protozero::pbf_writer writer(request, kRequestMetadata);
        const auto type = std::find(kTypes.begin(), kTypes.end(), one.type);
        if (type != kTypes.end()) writer.add_uint64(kMetadataType, type - kTypes.begin());
        writer.add_string(kMetadataFamily, one.metric);
        if (!one.help.empty()) writer.add_string(kMetadataHelp, one.help);
        if (!one.unit.empty()) writer.add_string(kMetadataUnit, one.unit);
    }
    std::string compressed;
    snappy::Compress(raw.data(), raw.size(), &compressed);
    return compressed;
}

Expected<WriteRequest> decodeRemoteWrite(std::string_view body, const RemoteWriteLimits& limits,
                                         RemoteWriteVersion version) {
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
        auto done = version == RemoteWriteVersion::v1 ? remote_write::decodeV1(raw, limits, request)
                                                      : remote_write::decodeV2(raw, limits, request);
        if (!done) return tl::unexpected(done.error());
    } catch (const protozero::exception& error) {
        return fail(ErrorKind::invalid, std::string("remote_write: not a protobuf message of version ") +
                                            (version == RemoteWriteVersion::v1 ? "1.0: " : "2.0: ") +
                                            error.what());
    }
    return request;
}

}  // namespace lapwing
