#include <bit>
#include <cstdlib>

#include "collector/storage/block.h"
#include "collector/storage/codec.h"
#include "collector/storage/log_entry.h"

namespace {

using namespace lapwing;
using namespace lapwing::storage;

/// What decodes must survive another round to the bit.
void checkSamples(std::string_view input) {
    // A constant needs few bytes for millions of samples, which would keep the fuzzer from anything else.
    if (ByteReader(input).varint() > 10'000) return;
    std::vector<Sample> samples;
    if (!decodeSamples(input, samples)) return;
    std::vector<Sample> again;
    if (!decodeSamples(encodeSamples(samples), again) || again.size() != samples.size()) std::abort();
    for (std::size_t i = 0; i < samples.size(); ++i) {
        if (again[i].timestamp != samples[i].timestamp ||
            std::bit_cast<std::uint64_t>(again[i].value) != std::bit_cast<std::uint64_t>(samples[i].value)) {
            std::abort();
        }
    }
}

/// Eight bytes a value: whatever they are, they come back.
void checkValues(std::string_view input) {
    std::vector<double> values;
    ByteReader raw(input);
    while (raw.remaining() >= 8) values.push_back(std::bit_cast<double>(raw.fixed64()));
    std::string data;
    encodeValues(values, data);
    ByteReader in(data);
    std::vector<double> again;
    if (!decodeValues(in, values.size(), again) || !in.complete() || again.size() != values.size())
        std::abort();
    for (std::size_t i = 0; i < values.size(); ++i) {
        if (std::bit_cast<std::uint64_t>(again[i]) != std::bit_cast<std::uint64_t>(values[i])) std::abort();
    }
}

void readBlock(std::string_view input) {
    const auto header = input.substr(0, BlockDirectory::kHeaderBytes);
    const auto length = BlockDirectory::length(header);
    if (!length || *length > input.size() - BlockDirectory::kHeaderBytes) return;
    BlockDirectory directory;
    if (!directory.parse(header, std::string(input.substr(header.size(), *length)), input.size())) return;
    std::vector<Sample> samples;
    for (const auto& entry : directory.entries()) {
        directory.decode(entry, input.substr(entry.offset, entry.length), 0, INT64_MAX, samples);
        samples.clear();
    }
}

}  // namespace

// The first byte chooses the format.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
    switch (data[0] % 4) {
        case 0:
            checkSamples(input);
            break;
        case 1:
            checkValues(input);
            break;
        case 2:
            readBlock(input);
            break;
        default:
            static_cast<void>(decodeLogEntry(input));
            break;
    }
    return 0;
}
