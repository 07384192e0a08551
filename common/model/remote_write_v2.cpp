#include <algorithm>
#include <optional>
#include <protozero/pbf_writer.hpp>
#include <unordered_set>
#include <utility>

#include "common/model/remote_write_parts.h"

namespace lapwing::remote_write {
namespace {

// Field numbers of io/prometheus/write/v2/types.proto.
constexpr protozero::pbf_tag_type kRequestSymbols = 4;
constexpr protozero::pbf_tag_type kRequestTimeseries = 5;
constexpr protozero::pbf_tag_type kSeriesReferences = 1;
constexpr protozero::pbf_tag_type kSeriesSamples = 2;
constexpr protozero::pbf_tag_type kSeriesHistograms = 3;
constexpr protozero::pbf_tag_type kSeriesExemplars = 4;
constexpr protozero::pbf_tag_type kSeriesMetadata = 5;
constexpr protozero::pbf_tag_type kMetadataType = 1;
constexpr protozero::pbf_tag_type kMetadataHelp = 3;
constexpr protozero::pbf_tag_type kMetadataUnit = 4;

using Symbols = std::vector<std::string_view>;

struct Metadata {
    std::uint64_t type = 0;
    std::uint64_t help = 0;
    std::uint64_t unit = 0;
};

Metadata decodeMetadata(protozero::pbf_reader reader) {
    Metadata out;
    while (reader.next()) {
        switch (reader.tag_and_type()) {
            case varint(kMetadataType):
                out.type = reader.get_uint64();
                break;
            case varint(kMetadataHelp):
                out.help = reader.get_uint64();
                break;
            case varint(kMetadataUnit):
                out.unit = reader.get_uint64();
                break;
            default:
                reader.skip();
        }
    }
    return out;
}

/// The name of the family that a series belongs to.
std::string_view familyOf(std::string_view metric, std::string_view type) {
    if (type != "histogram" && type != "gaugehistogram" && type != "summary") {
        return metric;
    }
    for (const std::string_view suffix : {"_bucket", "_count", "_sum", "_gcount", "_gsum"}) {
        if (metric.size() > suffix.size() && metric.ends_with(suffix)) {
            return metric.substr(0, metric.size() - suffix.size());
        }
    }
    return metric;
}

class Decoder {
  public:
    Decoder(const RemoteWriteLimits& limits, WriteRequest& out)
        : limits_(limits), out_(out), builder_(limits, out) {}

    Expected<void> symbols(std::string_view raw);
    Expected<void> reserve() { return builder_.reserve(kRequestTimeseries, kSeriesSamples); }
    Expected<void> series(protozero::pbf_reader reader);

  private:
    using References = std::vector<std::pair<std::uint32_t, std::uint32_t>>;
    Expected<void> readReferences(protozero::pbf_reader& reader);
    Expected<void> writeLabels();
    /// Short references may stand for long labels: the sum of their lengths has a limit, as the memory has.
    bool take(std::size_t bytes) { return (expanded_ += bytes) <= limits_.uncompressed_bytes; }
    void describe(const Metadata& metadata);

    const RemoteWriteLimits& limits_;
    WriteRequest& out_;
    RequestBuilder builder_;
    Symbols symbols_;
    std::string encoded_;
    References references_;  ///< of the current series: names and values
    std::size_t expanded_ = 0;
    std::unordered_set<std::string> described_;
};

// A separate pass, because the fields of a message may come in any order.
Expected<void> Decoder::symbols(std::string_view raw) {
    std::size_t count = 0;
    protozero::pbf_reader counted(raw.data(), raw.size());
    while (counted.next()) {
        count += counted.tag_and_type() == message(kRequestSymbols) ? 1 : 0;
        counted.skip();
    }
    if (count > limits_.symbols) {
        return fail(ErrorKind::exhausted,
                    "remote_write: more than " + std::to_string(limits_.symbols) + " symbols in a request");
    }
    symbols_.reserve(count);
    protozero::pbf_reader reader(raw.data(), raw.size());
    while (reader.next()) {
        if (reader.tag_and_type() != message(kRequestSymbols)) {
            reader.skip();
            continue;
        }
        const auto view = reader.get_view();
        symbols_.emplace_back(view.data(), view.size());
    }
    return {};
}

Expected<void> Decoder::readReferences(protozero::pbf_reader& reader) {
    const auto references = reader.get_packed_uint32();
    for (auto it = references.begin(); it != references.end(); ++it) {
        const std::uint32_t name = *it;
        if (++it == references.end()) {
            return fail(ErrorKind::invalid, "remote_write: a label without a value");
        }
        const std::uint32_t value = *it;
        if (name >= symbols_.size() || value >= symbols_.size()) {
            return fail(ErrorKind::invalid, "remote_write: a label refers to a symbol that is not there");
        }
        references_.emplace_back(name, value);
    }
    return {};
}

/// Encodes labels as version 1 does.
Expected<void> Decoder::writeLabels() {
    encoded_.clear();
    protozero::pbf_writer writer(encoded_);
    for (const auto& [name, value] : references_) {
        // Each label has tags and lengths too.
        if (!take(symbols_[name].size() + symbols_[value].size() + 6)) {
            return fail(ErrorKind::exhausted,
                        "remote_write: with its symbols put in, the request is larger than " +
                            std::to_string(limits_.uncompressed_bytes) + " bytes");
        }
        protozero::pbf_writer label(writer, kSeriesLabels);
        label.add_string(kLabelName, symbols_[name].data(), symbols_[name].size());
        label.add_string(kLabelValue, symbols_[value].data(), symbols_[value].size());
    }
    char* kept = builder_.allocate(encoded_.size());
    std::copy(encoded_.begin(), encoded_.end(), kept);
    builder_.labels({kept, encoded_.size()});
    return {};
}

Expected<void> Decoder::series(protozero::pbf_reader reader) {
    references_.clear();
    std::optional<Metadata> metadata;
    while (reader.next()) {
        switch (reader.tag_and_type()) {
            case message(kSeriesReferences):
                if (auto done = readReferences(reader); !done) {
                    return done;
                }
                break;
            case message(kSeriesSamples):
                builder_.sample(decodeSample(reader.get_message()));
                break;
            case message(kSeriesHistograms):
                ++out_.histograms;
                reader.skip();
                break;
            case message(kSeriesExemplars):
                ++out_.exemplars;
                reader.skip();
                break;
            case message(kSeriesMetadata):
                metadata = decodeMetadata(reader.get_message());
                break;
            default:
                reader.skip();
        }
    }
    if (metadata) {
        describe(*metadata);
    }
    if (auto done = writeLabels(); !done) {
        return done;
    }
    builder_.endSeries();
    return {};
}

void Decoder::describe(const Metadata& metadata) {
    if (metadata.help >= symbols_.size() || metadata.unit >= symbols_.size()) {
        return;
    }
    if (metadata.type == 0 && metadata.help == 0 && metadata.unit == 0) {
        return;
    }
    const auto name = std::find_if(references_.begin(), references_.end(), [this](const auto& reference) {
        return symbols_[reference.first] == "__name__";
    });
    if (name == references_.end() || out_.metadata.size() >= limits_.metadata) {
        return;
    }
    const auto metric = symbols_[name->second];
    const auto help = symbols_[metadata.help];
    const auto unit = symbols_[metadata.unit];
    if (std::max({metric.size(), help.size(), unit.size()}) > limits_.label_bytes) {
        return;
    }
    const char* type = metricTypeName(metadata.type);
    std::string family(familyOf(metric, type));
    if (!described_.insert(family).second || !take(help.size() + unit.size())) {
        return;
    }
    out_.metadata.push_back({std::move(family), type, std::string(help), std::string(unit)});
}

}  // namespace

Expected<void> decodeV2(const RemoteWriteLimits& limits, WriteRequest& out) {
    Decoder decoder(limits, out);
    if (auto done = decoder.symbols(out.memory->message); !done) {
        return done;
    }
    if (auto done = decoder.reserve(); !done) {
        return done;
    }
    protozero::pbf_reader reader(out.memory->message);
    while (reader.next()) {
        if (reader.tag_and_type() != message(kRequestTimeseries)) {
            reader.skip();
            continue;
        }
        if (auto done = decoder.series(reader.get_message()); !done) {
            return done;
        }
    }
    return {};
}

}  // namespace lapwing::remote_write
