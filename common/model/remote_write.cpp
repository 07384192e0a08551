#include "common/model/remote_write.h"

#include <snappy.h>

#include <algorithm>
#include <array>
#include <protozero/pbf_writer.hpp>

#include "common/model/label_text.h"
#include "common/model/remote_write_parts.h"

namespace lapwing {
namespace remote_write {
namespace {

// Field numbers of prometheus/prompb remote.proto and types.proto.
constexpr protozero::pbf_tag_type kRequestTimeseries = 1;
constexpr protozero::pbf_tag_type kRequestMetadata = 3;
constexpr protozero::pbf_tag_type kSeriesSamples = 2;
constexpr protozero::pbf_tag_type kSeriesExemplars = 3;
constexpr protozero::pbf_tag_type kSeriesHistograms = 4;
constexpr protozero::pbf_tag_type kMetadataType = 1;
constexpr protozero::pbf_tag_type kMetadataFamily = 2;
constexpr protozero::pbf_tag_type kMetadataHelp = 4;
constexpr protozero::pbf_tag_type kMetadataUnit = 5;

// Indexed by the number of the type, in both versions.
constexpr std::array<const char*, 8> kTypes = {"unknown",        "counter", "gauge", "histogram",
                                               "gaugehistogram", "summary", "info",  "stateset"};

Label decodeLabel(protozero::pbf_reader reader) {
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
    return label;
}

void decodeSeries(protozero::pbf_reader reader, RequestBuilder& builder, WriteRequest& out) {
    for (const char* field = reader.data().data(); reader.next(); field = reader.data().data()) {
        switch (reader.tag_and_type()) {
            case message(kSeriesLabels):
                reader.skip();
                builder.labels({field, static_cast<std::size_t>(reader.data().data() - field)});
                break;
            case message(kSeriesSamples):
                builder.sample(decodeSample(reader.get_message()));
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
    builder.endSeries();
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
    if (metadata.metric.empty() || out.metadata.size() >= limits.metadata) {
        return;
    }
    const auto longest = std::max({metadata.metric.size(), metadata.help.size(), metadata.unit.size()});
    if (longest <= limits.label_bytes) {
        out.metadata.push_back(std::move(metadata));
    }
}

}  // namespace

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

char* RequestBuilder::allocate(std::size_t bytes) {
    return static_cast<char*>(out_.memory->labels.allocate(bytes, 1));
}

void RequestBuilder::labels(std::string_view encoded) {
    if (labels_.empty()) {
        labels_ = encoded;
    } else if (gathered_.empty() && labels_.data() + labels_.size() == encoded.data()) {
        labels_ = {labels_.data(), labels_.size() + encoded.size()};
    } else {
        // Samples stand between the labels. A copy for each would make the memory grow with their square.
        gathered_ = gathered_.empty() ? std::string(labels_) : std::move(gathered_);
        gathered_ += encoded;
        labels_ = gathered_;
    }
}

Expected<void> RequestBuilder::reserve(protozero::pbf_tag_type series, protozero::pbf_tag_type samples) {
    std::size_t series_count = 0;
    std::size_t sample_count = 0;
    protozero::pbf_reader request(out_.memory->message);
    while (request.next()) {
        if (request.tag_and_type() != message(series)) {
            request.skip();
            continue;
        }
        const auto before = sample_count;
        protozero::pbf_reader fields = request.get_message();
        while (fields.next()) {
            sample_count += fields.tag_and_type() == message(samples) ? 1 : 0;
            fields.skip();
        }
        series_count += sample_count > before ? 1 : 0;
        if (sample_count > limits_.samples) {
            return fail(ErrorKind::exhausted, "remote_write: more than " + std::to_string(limits_.samples) +
                                                  " samples in a request");
        }
    }
    out_.series.reserve(series_count);
    out_.memory->samples.reserve(sample_count);
    return {};
}

void RequestBuilder::endSeries() {
    const std::size_t count = out_.memory->samples.size() - first_sample_;
    // The limit on samples does not bound series without any: two bytes here, fifty in memory. Leave them
    // out.
    if (count > 0) {
        if (!gathered_.empty()) {
            char* kept = allocate(gathered_.size());
            std::copy(gathered_.begin(), gathered_.end(), kept);
            labels_ = {kept, gathered_.size()};
        }
        out_.series.push_back({labels_, std::span(out_.memory->samples).subspan(first_sample_, count)});
    }
    first_sample_ += count;
    out_.samples = first_sample_;
    labels_ = {};
    gathered_.clear();
}

Expected<void> decodeV1(const RemoteWriteLimits& limits, WriteRequest& out) {
    RequestBuilder builder(limits, out);
    if (auto done = builder.reserve(kRequestTimeseries, kSeriesSamples); !done) {
        return done;
    }
    protozero::pbf_reader reader(out.memory->message);
    while (reader.next()) {
        switch (reader.tag_and_type()) {
            case message(kRequestTimeseries):
                decodeSeries(reader.get_message(), builder, out);
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
    for (const auto& written : series) {
        protozero::pbf_writer writer(request, kRequestTimeseries);
        for (const auto& label : written.labels) {
            protozero::pbf_writer pair(writer, kSeriesLabels);
            pair.add_string(kLabelName, label.name);
            pair.add_string(kLabelValue, label.value);
        }
        for (const auto& sample : written.samples) {
            protozero::pbf_writer pair(writer, kSeriesSamples);
            pair.add_double(kSampleValue, sample.value);
            pair.add_int64(kSampleTimestamp, sample.timestamp);
        }
    }
    for (const auto& statement : metadata) {
        protozero::pbf_writer writer(request, kRequestMetadata);
        const auto type = std::find(kTypes.begin(), kTypes.end(), statement.type);
        if (type != kTypes.end()) {
            writer.add_uint64(kMetadataType, type - kTypes.begin());
        }
        writer.add_string(kMetadataFamily, statement.metric);
        if (!statement.help.empty()) {
            writer.add_string(kMetadataHelp, statement.help);
        }
        if (!statement.unit.empty()) {
            writer.add_string(kMetadataUnit, statement.unit);
        }
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
    return readWithinBudget(
        body.size(), "remote_write",
        [&]() -> Expected<WriteRequest> {
            WriteRequest request;
            request.memory = std::make_unique<WriteRequest::Memory>();
            if (!snappy::Uncompress(body.data(), body.size(), &request.memory->message)) {
                return fail(ErrorKind::invalid, "remote_write: the snappy body is damaged");
            }
            try {
                auto done = version == RemoteWriteVersion::v1 ? remote_write::decodeV1(limits, request)
                                                              : remote_write::decodeV2(limits, request);
                if (!done) {
                    return tl::unexpected(done.error());
                }
            } catch (const protozero::exception& error) {
                return fail(ErrorKind::invalid,
                            std::string("remote_write: not a protobuf message of version ") +
                                (version == RemoteWriteVersion::v1 ? "1.0: " : "2.0: ") + error.what());
            }
            return request;
        },
        limits.memory_bytes);
}

Expected<Labels> decodeLabels(std::string_view encoded, const RemoteWriteLimits& limits) {
    using namespace remote_write;
    std::vector<Label> labels;
    std::string why;
    const auto refuse = [&why](std::string reason) {
        if (why.empty()) {
            why = std::move(reason);
        }
    };
    try {
        protozero::pbf_reader reader(encoded.data(), encoded.size());
        while (why.empty() && reader.next(kSeriesLabels, protozero::pbf_wire_type::length_delimited)) {
            auto label = decodeLabel(reader.get_message());
            if (label.name.empty()) {
                refuse("a label without a name");
            } else if (std::max(label.name.size(), label.value.size()) > limits.label_bytes) {
                refuse("a label longer than " + std::to_string(limits.label_bytes) + " bytes");
            } else if (labels.size() == limits.labels_per_series) {
                refuse("a series with more than " + std::to_string(limits.labels_per_series) + " labels");
            } else {
                labels.push_back(std::move(label));
            }
        }
    } catch (const protozero::exception&) {
        refuse("a label is damaged");
    }
    const auto by_name = [](const Label& a, const Label& b) { return a.name < b.name; };
    if (!std::is_sorted(labels.begin(), labels.end(), by_name)) {
        std::sort(labels.begin(), labels.end(), by_name);
    }
    const auto twice = std::adjacent_find(labels.begin(), labels.end(),
                                          [](const Label& a, const Label& b) { return a.name == b.name; });
    if (twice != labels.end()) {
        refuse("the label " + twice->name + " is given twice");
    }
    Labels out(std::move(labels));
    if (!why.empty()) {
        return fail(ErrorKind::invalid, shortText(out) + ": " + why);
    }
    return out;
}

}  // namespace lapwing
