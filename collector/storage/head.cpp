#include "collector/storage/head.h"

#include <algorithm>

#include "collector/storage/bytes.h"
#include "collector/storage/codec.h"

namespace lapwing::storage {
namespace {

/// Larger pieces compress better; but that many samples of every series are held uncompressed.
constexpr std::size_t kPiece = 32;

struct Piece {
    TimestampMs first = 0;
    TimestampMs last = 0;
    std::string_view samples;
};

Piece readPiece(ByteReader& in) {
    ByteReader piece(in.string());
    Piece out;
    out.first = unzigzag(piece.varint());
    out.last = out.first + static_cast<TimestampMs>(piece.varint());
    out.samples = piece.take(piece.remaining());
    return out;
}

void seal(std::string& sealed, std::vector<Sample>& recent) {
    std::string piece;
    putVarint(piece, zigzag(recent.front().timestamp));
    putVarint(piece, static_cast<std::uint64_t>(recent.back().timestamp - recent.front().timestamp));
    piece += encodeSamples(recent);
    std::string size;
    putVarint(size, piece.size());
    // Growing to the byte: doubling would waste more than the copies cost.
    sealed.reserve(sealed.size() + size.size() + piece.size());
    sealed += size;
    sealed += piece;
    recent.clear();
}

bool earlier(const Sample& a, const Sample& b) {
    return a.timestamp < b.timestamp;
}

}  // namespace

void mergeInto(std::vector<Sample> samples, std::vector<Sample>& out) {
    if (samples.empty()) return;
    const bool sorted = std::is_sorted(samples.begin(), samples.end(), earlier);
    if (sorted && (out.empty() || out.back().timestamp < samples.front().timestamp)) {
        if (out.empty()) {
            out = std::move(samples);
        } else {
            out.insert(out.end(), samples.begin(), samples.end());
        }
        return;
    }
    if (!sorted) std::stable_sort(samples.begin(), samples.end(), earlier);
    const auto middle = static_cast<std::ptrdiff_t>(out.size());
    out.insert(out.end(), samples.begin(), samples.end());
    std::inplace_merge(out.begin(), out.begin() + middle, out.end(), earlier);
    const auto same = [](const Sample& a, const Sample& b) { return a.timestamp == b.timestamp; };
    out.erase(std::unique(out.begin(), out.end(), same), out.end());
}

void mergeInto(const HeadPart& part, TimestampMs from, TimestampMs to, std::vector<Sample>& out) {
    std::vector<Sample> samples;
    ByteReader in(part.sealed);
    while (in.remaining() > 0 && !in.failed()) decodeSamples(readPiece(in).samples, samples);
    samples.insert(samples.end(), part.recent.begin(), part.recent.end());
    std::erase_if(samples, [&](const Sample& s) { return s.timestamp < from || s.timestamp > to; });
    mergeInto(std::move(samples), out);
}

void Head::append(SeriesId id, const std::vector<Sample>& samples) {
    if (id >= series_.size()) series_.resize(id + std::size_t{1});
    Series& series = series_[id];
    for (const auto& sample : samples) {
        auto& recent = series.recent;
        if (recent.empty() || recent.back().timestamp < sample.timestamp) {
            recent.push_back(sample);
        } else {
            recent.insert(std::lower_bound(recent.begin(), recent.end(), sample, earlier), sample);
        }
        if (recent.size() == kPiece) seal(series.sealed, recent);
    }
    samples_ += samples.size();
}

bool Head::contains(SeriesId id) const {
    return id < series_.size() && !(series_[id].recent.empty() && series_[id].sealed.empty());
}

std::optional<double> Head::find(SeriesId id, TimestampMs at) const {
    if (!contains(id)) return std::nullopt;
    const Series& series = series_[id];
    const auto it = std::lower_bound(series.recent.begin(), series.recent.end(), Sample{at, 0}, earlier);
    if (it != series.recent.end() && it->timestamp == at) return it->value;
    ByteReader in(series.sealed);
    std::vector<Sample> samples;
    while (in.remaining() > 0 && !in.failed()) {
        const Piece piece = readPiece(in);
        if (at < piece.first || at > piece.last) continue;
        samples.clear();
        decodeSamples(piece.samples, samples);
        const auto found = std::lower_bound(samples.begin(), samples.end(), Sample{at, 0}, earlier);
        if (found != samples.end() && found->timestamp == at) return found->value;
    }
    return std::nullopt;
}

HeadPart Head::copy(SeriesId id, TimestampMs from, TimestampMs to) const {
    HeadPart part;
    if (!contains(id)) return part;
    const Series& series = series_[id];
    ByteReader in(series.sealed);
    while (in.remaining() > 0 && !in.failed()) {
        const std::size_t start = series.sealed.size() - in.remaining();
        const Piece piece = readPiece(in);
        if (piece.last < from || piece.first > to) continue;
        part.sealed.append(series.sealed, start, series.sealed.size() - in.remaining() - start);
    }
    const auto begin = std::lower_bound(series.recent.begin(), series.recent.end(), Sample{from, 0}, earlier);
    const auto end = std::upper_bound(begin, series.recent.end(), Sample{to, 0}, earlier);
    part.recent.assign(begin, end);
    return part;
}

}  // namespace lapwing::storage
