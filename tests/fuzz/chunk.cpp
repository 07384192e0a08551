#include <bit>
#include <cstdlib>

#include "collector/storage/block.h"
#include "collector/storage/codec.h"
#include "collector/storage/log_entry.h"
#include "collector/storage/sample_stream.h"

namespace {

using namespace lapwing;
using namespace lapwing::storage;

/// Decoded samples must survive encoding and decoding again, bit for bit.
void checkStream(std::string_view input) {
    std::vector<Sample> samples;
    if (!SampleStream::decode(input, samples)) {
        return;
    }
    SampleStream stream;
    for (const auto& sample : samples) {
        const bool later = stream.empty() || sample.timestamp > stream.last();
        // The store never contains such timestamps.
        if (!later || sample.timestamp < 0 || sample.timestamp > TimestampMs{1} << 53) {
            return;
        }
        stream.append(sample);
    }
    std::vector<Sample> again;
    if (!SampleStream::decode(stream.bytes(), again) || again.size() != samples.size()) {
        std::abort();
    }
    for (std::size_t i = 0; i < samples.size(); ++i) {
        if (again[i].timestamp != samples[i].timestamp ||
            std::bit_cast<std::uint64_t>(again[i].value) != std::bit_cast<std::uint64_t>(samples[i].value)) {
            std::abort();
        }
    }
}

/// Any doubles must survive encoding and decoding, bit for bit.
void checkValues(std::string_view input) {
    std::vector<double> values;
    ByteReader raw(input);
    while (raw.remaining() >= 8) {
        values.push_back(std::bit_cast<double>(raw.fixed64()));
    }
    std::string data;
    encodeValues(values, data);
    ByteReader in(data);
    std::vector<double> again;
    if (!decodeValues(in, values.size(), again) || !in.complete() || again.size() != values.size()) {
        std::abort();
    }
    for (std::size_t i = 0; i < values.size(); ++i) {
        if (std::bit_cast<std::uint64_t>(again[i]) != std::bit_cast<std::uint64_t>(values[i])) {
            std::abort();
        }
    }
}

void readBlock(std::string_view input) {
    const auto header = input.substr(0, BlockDirectory::kHeaderBytes);
    const auto length = BlockDirectory::length(header);
    if (!length || *length > input.size() - BlockDirectory::kHeaderBytes) {
        return;
    }
    BlockDirectory directory;
    if (!directory.parse(header, input.substr(header.size(), *length), input.size())) {
        return;
    }
    std::vector<Sample> samples;
    for (const auto& entry : directory.entries()) {
        directory.decode(entry, input.substr(entry.offset, entry.length), 0, INT64_MAX, samples);
        samples.clear();
    }
}

}  // namespace

// The first byte selects the format.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) {
        return 0;
    }
    const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
    switch (data[0] % 4) {
        case 0:
            checkStream(input);
            break;
        case 1:
            checkValues(input);
            break;
        case 2:
            readBlock(input);
            break;
        default:
            static_cast<void>(LogEntry().decode(input));
            break;
    }
    return 0;
}
