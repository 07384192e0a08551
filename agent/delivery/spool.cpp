#include "agent/delivery/spool.h"

#include <fmt/format.h>
#include <snappy.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <deque>
#include <iterator>
#include <set>
#include <utility>

#include "agent/delivery/host_clock.h"
#include "agent/delivery/spool_file.h"
#include "common/damaged_database.h"
#include "common/digest.h"
#include "common/model/documents.h"
#include "common/model/remote_write.h"
#include "common/mutex.h"

namespace lapwing::agent {
namespace {

constexpr std::size_t kMostSeriesOfBatch = 5000;
constexpr std::size_t kMostGathered = 200'000;
/// More series are encoded at once: they take a tenth of the memory then.
constexpr std::size_t kMostSeriesGathered = 1000;
constexpr std::size_t kMostRequestBytes = 1U << 20;
constexpr std::size_t kMostDocumentsWaiting = 256;
constexpr std::chrono::seconds kReopenEvery{5};

std::size_t samplesOf(const std::vector<TimeSeries>& series) {
    std::size_t count = 0;
    for (const auto& each : series) {
        count += each.samples.size();
    }
    return count;
}

/// The body with another time for each sample. A body that does not decode stays as it is.
std::string shifted(std::string body, std::int64_t shift_ms) {
    if (shift_ms == 0) {
        return body;
    }
    const auto request = decodeRemoteWrite(body);
    if (!request) {
        return body;
    }
    std::vector<TimeSeries> series;
    series.reserve(request->series.size());
    for (const auto& each : request->series) {
        auto labels = decodeLabels(each.labels);
        if (!labels) {
            return body;
        }
        series.push_back({std::move(*labels), {each.samples.begin(), each.samples.end()}});
        for (auto& sample : series.back().samples) {
            sample.timestamp += shift_ms;
        }
    }
    return encodeRemoteWrite(series);
}

}  // namespace

/// Samples that are encoded and have no number yet.
struct EncodedPart {
    std::size_t samples = 0;
    std::string body;
    std::int64_t jumps = 0;  ///< HostClock::correct()
};

struct Spool::State {
    explicit State(SpoolConfig given) : config(std::move(given)) {}

    const SpoolConfig config;

    // The probes' input. Its lock is held for moments only, so that a slow disk delays no probe.
    mutable Mutex gather_mutex;
    std::vector<TimeSeries> gathered LAPWING_GUARDED_BY(gather_mutex);
    std::vector<EncodedPart> encoded LAPWING_GUARDED_BY(gather_mutex);  ///< before `gathered`
    std::size_t gathered_samples LAPWING_GUARDED_BY(gather_mutex) = 0;
    std::vector<SpooledDocument> gathered_documents LAPWING_GUARDED_BY(gather_mutex);
    std::set<std::string> known_documents LAPWING_GUARDED_BY(gather_mutex);
    std::int64_t dropped_before_gathering LAPWING_GUARDED_BY(gather_mutex) = 0;

    mutable Mutex mutex;
    std::optional<SpoolFile> file LAPWING_GUARDED_BY(mutex);
    std::chrono::steady_clock::time_point reopen_at LAPWING_GUARDED_BY(mutex);
    std::string trouble LAPWING_GUARDED_BY(mutex);
    std::deque<SpooledBatch> pending LAPWING_GUARDED_BY(mutex);  ///< encoded, not in the file
    std::size_t pending_bytes LAPWING_GUARDED_BY(mutex) = 0;
    std::deque<SpooledDocument> pending_documents LAPWING_GUARDED_BY(mutex);
    std::int64_t next_id LAPWING_GUARDED_BY(mutex) = 1;
    std::int64_t done_until LAPWING_GUARDED_BY(mutex) = 0;  ///< every id up to this was sent or dropped
    bool removable LAPWING_GUARDED_BY(mutex) = false;       ///< the file still has batches up to done_until
    /// Batches after done_until that were sent while older batches could not be read, as ranges of ids. The
    /// file may have got them meanwhile.
    std::vector<std::pair<std::int64_t, std::int64_t>> done_early LAPWING_GUARDED_BY(mutex);
    std::vector<std::string> done_documents LAPWING_GUARDED_BY(mutex);
    std::int64_t file_samples LAPWING_GUARDED_BY(mutex) = 0;
    std::int64_t file_bytes LAPWING_GUARDED_BY(mutex) = 0;
    std::int64_t file_documents LAPWING_GUARDED_BY(mutex) = 0;
    std::int64_t aside_samples LAPWING_GUARDED_BY(mutex) = 0;
    std::int64_t aside_bytes LAPWING_GUARDED_BY(mutex) = 0;
    std::map<std::string, std::int64_t> dropped LAPWING_GUARDED_BY(mutex);
    std::int64_t first_of_run LAPWING_GUARDED_BY(mutex) = 1;  ///< earlier ids are an earlier run's
    const std::chrono::steady_clock::time_point opened_at = std::chrono::steady_clock::now();
    /// The jumps of the agent's time (HostClock::jumps) of the batches from an id on, by id.
    std::map<std::int64_t, std::int64_t> jumps LAPWING_GUARDED_BY(mutex);

    Expected<void> open() LAPWING_REQUIRES(mutex);
    DatabaseResult<void> adopt(SpoolFile opened) LAPWING_REQUIRES(mutex);
    std::vector<EncodedPart> encode(std::vector<TimeSeries> series) const;
    void take(EncodedPart part) LAPWING_REQUIRES(mutex);
    void takeGathered() LAPWING_REQUIRES(mutex);
    DatabaseResult<void> removeDoneEarly() LAPWING_REQUIRES(mutex);
    DatabaseResult<void> doneEarlyIsRemoved() LAPWING_REQUIRES(mutex);
    std::vector<SpooledBatch> readFile(std::size_t most_parts) LAPWING_REQUIRES(mutex);
    DatabaseResult<void> write() LAPWING_REQUIRES(mutex);
    bool startAnew() LAPWING_REQUIRES(mutex);
    DatabaseResult<void> trim() LAPWING_REQUIRES(mutex);
    DatabaseResult<void> trimAside() LAPWING_REQUIRES(mutex);
    std::int64_t shiftOf(std::int64_t id) const LAPWING_REQUIRES(mutex);
    TimestampMs spooledAt(const SpooledBatch& batch) const LAPWING_REQUIRES(mutex);
    void boundMemory() LAPWING_REQUIRES(mutex);
    void failed(const DatabaseError& error) LAPWING_REQUIRES(mutex);
    void unavailable(const DatabaseError& error) LAPWING_REQUIRES(mutex);
    void setAside(const DatabaseError& error) LAPWING_REQUIRES(mutex);
    void forget(const SpooledBatch& batch) LAPWING_REQUIRES(mutex);
};

// Counts the file's content.
DatabaseResult<void> Spool::State::adopt(SpoolFile opened) {
    // Later in a run the queue has gone past these batches.
    if (const bool starts = done_until == 0; starts) {
        if (auto back = opened.restoreAside(); !back) {
            return tl::unexpected(back.error());
        }
    }
    const auto aside = opened.asideTotals();
    if (!aside) {
        return tl::unexpected(aside.error());
    }
    aside_samples = aside->samples;
    aside_bytes = aside->bytes;
    auto totals = opened.totals(done_until);
    if (!totals) {
        return tl::unexpected(totals.error());
    }
    file_samples = totals->samples;
    file_bytes = totals->bytes;
    file_documents = totals->documents;
    next_id = std::max(next_id, totals->last_id + 1);
    auto digests = opened.digests();
    if (!digests) {
        return tl::unexpected(digests.error());
    }
    {
        const MutexLock lock(gather_mutex);
        for (const auto& digest : *digests) {
            known_documents.insert(digest.substr(0, digest.find('/')));  // without the number of its part
        }
    }
    file = std::move(opened);
    trouble.clear();
    return {};
}

Expected<void> Spool::State::open() {
    reopen_at = std::chrono::steady_clock::now() + kReopenEvery;
    // SQLite would drop the commits behind a damaged frame without a word.
    if (hasDamagedWal(config.path)) {
        setAside({SQLITE_CORRUPT, "a frame of its write-ahead log", false});
    }
    for (int attempt = 0; attempt < 2; ++attempt) {
        DatabaseResult<void> done;
        if (auto opened = SpoolFile::open(config.path)) {
            done = adopt(std::move(*opened));
        } else {
            done = tl::unexpected(opened.error());
        }
        if (done) {
            return {};
        }
        const DatabaseError error = done.error();
        if (error.damaged() && SpoolFile::isDamaged(config.path)) {
            setAside(error);
            continue;
        }
        if (error.damaged() || error.full() || error.diskFails()) {
            unavailable(error);
            return {};
        }
        trouble = error.message;
        ErrorKind kind = ErrorKind::internal;
        if (error.code == SQLITE_BUSY) {
            kind = ErrorKind::unavailable;
        }
        if (error.code == SQLITE_CANTOPEN || error.code == SQLITE_READONLY || error.code == SQLITE_PERM) {
            kind = ErrorKind::denied;
        }
        return fail(kind, config.path + ": " + error.message);
    }
    return fail(ErrorKind::internal, config.path + ": damaged again at once");
}

void Spool::State::setAside(const DatabaseError& error) {
    file.reset();
    const std::string aside = config.path + ".damaged";
    const bool kept = SpoolFile::rename(config.path, aside);
    const std::string outcome = kept ? "set aside as " + aside + ", and a new file begun"
                                     : "the file cannot be set aside, so it is removed, and a new file begun";
    SpoolFile::Salvaged salvaged;
    if (kept) {
        auto fresh = SpoolFile::open(config.path);
        auto copied = fresh ? fresh->salvage(aside, done_until) : tl::unexpected(fresh.error());
        if (copied) {
            salvaged = *copied;
        } else {
            spdlog::error("nothing of {} can be copied: {}", aside, copied.error().message);
        }
    }
    const auto lost = std::max(file_samples - salvaged.samples, salvaged.lost);
    spdlog::error("the spool {} is damaged ({}): {}; {} samples of it are kept, {} are lost", config.path,
                  error.message, outcome, salvaged.samples, lost);
    dropped["damaged"] += lost;
    file_samples = file_bytes = file_documents = aside_samples = aside_bytes = 0;
    removable = false;
    trouble.clear();
    // Documents that are lost are accepted again when a probe next finds them.
    const MutexLock lock(gather_mutex);
    known_documents.clear();
}

void Spool::State::failed(const DatabaseError& error) {
    if (error.damaged()) {
        file.reset();
        if (SpoolFile::isDamaged(config.path)) {
            setAside(error);
            return;
        }
    }
    unavailable(error);
}

void Spool::State::unavailable(const DatabaseError& error) {
    if (trouble.empty()) {
        spdlog::error("the spool {} cannot be used ({}): new samples stay in memory, at most {} KiB of them",
                      config.path, error.message, config.memory_bytes / 1024);
    }
    trouble = error.message;
    // A connection that met an I/O error may be unusable; a full disk only needs room.
    if (!error.full()) {
        file.reset();
    }
}

std::vector<EncodedPart> Spool::State::encode(std::vector<TimeSeries> series) const {
    const auto jumps_now =
        config.clock != nullptr && !series.empty() ? config.clock->correct(series, nowMs()) : 0;
    std::vector<EncodedPart> parts;
    for (std::size_t from = 0; from < series.size(); from += kMostSeriesOfBatch) {
        const auto to = std::min(series.size(), from + kMostSeriesOfBatch);
        const std::vector<TimeSeries> part(
            std::make_move_iterator(series.begin() + static_cast<std::ptrdiff_t>(from)),
            std::make_move_iterator(series.begin() + static_cast<std::ptrdiff_t>(to)));
        parts.push_back({samplesOf(part), encodeRemoteWrite(part), jumps_now});
    }
    return parts;
}

void Spool::State::take(EncodedPart part) {
    if (config.clock != nullptr && (jumps.empty() || jumps.rbegin()->second != part.jumps)) {
        jumps[next_id] = part.jumps;
    }
    SpooledBatch batch;
    batch.id = next_id++;
    batch.at = nowMs();
    batch.samples = part.samples;
    batch.body = std::move(part.body);
    pending_bytes += batch.body.size();
    pending.push_back(std::move(batch));
}

void Spool::State::takeGathered() {
    std::vector<EncodedPart> parts;
    std::vector<TimeSeries> series;
    {
        const MutexLock lock(gather_mutex);
        parts.swap(encoded);
        series.swap(gathered);
        gathered_samples = 0;
        for (auto& document : gathered_documents) {
            pending_documents.push_back(std::move(document));
        }
        gathered_documents.clear();
        dropped["disk"] += std::exchange(dropped_before_gathering, 0);
    }
    while (pending_documents.size() > kMostDocumentsWaiting) {
        pending_documents.pop_front();
    }
    for (auto& part : parts) {
        take(std::move(part));
    }
    for (auto& part : encode(std::move(series))) {
        take(std::move(part));
    }
}

DatabaseResult<void> Spool::State::removeDoneEarly() {
    for (const auto& [first, last] : done_early) {
        if (auto removed = file->remove(first, last); !removed) {
            return removed;
        }
    }
    return {};
}

/// After removeDoneEarly() is in the file.
DatabaseResult<void> Spool::State::doneEarlyIsRemoved() {
    if (done_early.empty()) {
        return {};
    }
    done_early.clear();
    const auto totals = file->totals(done_until);
    if (!totals) {
        return tl::unexpected(totals.error());
    }
    file_samples = totals->samples;
    file_bytes = totals->bytes;
    return {};
}

/// The oldest batches of the file. None if it has none, or cannot be read: `trouble` then says why.
std::vector<SpooledBatch> Spool::State::readFile(std::size_t most_parts) {
    if (!file) {
        return {};
    }
    auto removed = removeDoneEarly();
    if (removed) {
        removed = doneEarlyIsRemoved();
    }
    if (!removed) {
        failed(removed.error());
        return {};
    }
    if (file_samples == 0) {
        return {};
    }
    auto read = file->read(done_until, most_parts, kMostRequestBytes);
    if (!read) {
        failed(read.error());
        return {};
    }
    if (read->empty()) {
        file_samples = file_bytes = 0;
    }
    return std::move(*read);
}

// On a full disk even removing rows needs room for the log. A file in which nothing waits can be removed as
// a whole.
bool Spool::State::startAnew() {
    if (!removable || file_samples > 0 || file_documents > 0 || aside_samples > 0) {
        return false;
    }
    file.reset();
    SpoolFile::removeFiles(config.path);
    removable = false;
    return open() && file;
}

DatabaseResult<void> Spool::State::write() {
    auto& db = *file;
    const std::size_t batches = pending.size();
    const std::size_t documents = pending_documents.size();
    auto done = db.begin();
    if (done && removable) {
        done = db.removeUpTo(done_until);
    }
    if (done) {
        done = removeDoneEarly();
    }
    for (std::size_t i = 0; done && i < batches; ++i) {
        if (pending[i].id > done_until) {
            done = db.insert(pending[i]);
        }
    }
    for (std::size_t i = 0; done && i < documents; ++i) {
        done = db.insertDocument(pending_documents[i]);
    }
    for (std::size_t i = 0; done && i < done_documents.size(); ++i) {
        done = db.documentDone(done_documents[i]);
    }
    if (done) {
        done = db.commit();
    }
    if (!done) {
        db.rollback();
        if (done.error().full() && startAnew()) {
            return write();
        }
        return done;
    }
    removable = false;
    done_documents.clear();
    for (const auto& batch : pending) {
        if (batch.id <= done_until) {
            continue;
        }
        file_samples += static_cast<std::int64_t>(batch.samples);
        file_bytes += static_cast<std::int64_t>(batch.body.size());
    }
    pending.clear();
    pending_bytes = 0;
    file_documents += static_cast<std::int64_t>(documents);
    pending_documents.clear();
    if (auto counted = doneEarlyIsRemoved(); !counted) {
        return counted;
    }
    return trim();
}

/// What to add to the times of a batch.
std::int64_t Spool::State::shiftOf(std::int64_t id) const {
    const auto next = jumps.upper_bound(id);
    if (config.clock == nullptr || next == jumps.begin()) {
        return 0;
    }
    return config.clock->jumps() - std::prev(next)->second;
}

/// A batch of an earlier run counts as of this run's start: its time may come from a wrong clock.
TimestampMs Spool::State::spooledAt(const SpooledBatch& batch) const {
    if (config.clock == nullptr) {
        return batch.at;
    }
    if (batch.id < first_of_run) {
        const auto since = std::chrono::steady_clock::now() - opened_at;
        return nowMs() - std::chrono::duration_cast<std::chrono::milliseconds>(since).count();
    }
    return batch.at + shiftOf(batch.id);
}

// What was set aside makes room first.
DatabaseResult<void> Spool::State::trimAside() {
    while (aside_samples > 0 && file_bytes + aside_bytes > config.max_bytes) {
        const auto gone = file->dropAside();
        if (!gone) {
            return tl::unexpected(gone.error());
        }
        if (!*gone) {
            aside_samples = aside_bytes = 0;
            break;
        }
        if (dropped["size"] == 0) {
            spdlog::warn("the spool has reached its limit of size: samples that were set aside are dropped");
        }
        dropped["size"] += static_cast<std::int64_t>((*gone)->samples);
        aside_samples -= static_cast<std::int64_t>((*gone)->samples);
        aside_bytes -= static_cast<std::int64_t>((*gone)->bytes);
    }
    return {};
}

// Drops the oldest batches when there are too many, or when they are too old to be of use.
DatabaseResult<void> Spool::State::trim() {
    const TimestampMs horizon = nowMs() - config.max_age.count();
    const bool may_expire = config.clock == nullptr || config.clock->trusted();
    if (auto done = trimAside(); !done) {
        return done;
    }
    std::map<std::string, std::int64_t> cut;
    while (file_samples > 0) {
        auto oldest = file->oldest(done_until);
        if (!oldest) {
            return tl::unexpected(oldest.error());
        }
        if (!*oldest) {
            break;
        }
        const SpooledBatch& batch = **oldest;
        const bool too_old = may_expire && spooledAt(batch) < horizon;
        if (!too_old && file_bytes <= config.max_bytes) {
            break;
        }
        cut[too_old ? "age" : "size"] += static_cast<std::int64_t>(batch.samples);
        forget(batch);
        done_until = batch.id;
        removable = true;
    }
    for (const auto& [reason, samples] : cut) {
        if (dropped[reason] == 0) {
            spdlog::warn("the spool has reached its limit of {}: the oldest samples are dropped", reason);
        }
        dropped[reason] += samples;
    }
    return file->shrink();
}

void Spool::State::forget(const SpooledBatch& batch) {
    file_samples -= static_cast<std::int64_t>(batch.samples);
    file_bytes -= static_cast<std::int64_t>(batch.bytes);
}

void Spool::State::boundMemory() {
    while (pending_bytes > config.memory_bytes) {
        pending_bytes -= pending.front().body.size();
        if (pending.front().id > done_until) {
            dropped["disk"] += static_cast<std::int64_t>(pending.front().samples);
        }
        pending.pop_front();
    }
}

Spool::Spool(std::unique_ptr<State> state) : state_(std::move(state)) {}

Spool::~Spool() {
    flush();
}

Expected<std::unique_ptr<Spool>> Spool::open(const SpoolConfig& config) {
    auto state = std::make_unique<State>(config);
    {
        const MutexLock lock(state->mutex);
        if (auto done = state->open(); !done) {
            return tl::unexpected(done.error());
        }
        state->first_of_run = state->next_id;
    }
    return std::unique_ptr<Spool>(new Spool(std::move(state)));
}

void Spool::add(std::vector<TimeSeries> series) {
    const MutexLock lock(state_->gather_mutex);
    const std::size_t count = samplesOf(series);
    if (state_->gathered_samples + count > kMostGathered) {
        state_->dropped_before_gathering += static_cast<std::int64_t>(count);
        return;
    }
    state_->gathered_samples += count;
    if (state_->gathered.empty()) {
        state_->gathered = std::move(series);
    } else {
        std::move(series.begin(), series.end(), std::back_inserter(state_->gathered));
    }
    if (state_->gathered.size() > kMostSeriesGathered) {
        auto parts = state_->encode(std::exchange(state_->gathered, {}));
        std::move(parts.begin(), parts.end(), std::back_inserter(state_->encoded));
    }
}

void Spool::addDocument(const std::string& kind, std::string body) {
    const auto bytes = body.size();
    std::string digest = sha256(body);
    {
        const MutexLock lock(state_->gather_mutex);
        if (!state_->known_documents.insert(digest).second) {
            return;
        }
    }
    body = pack(std::move(body));
    if (bytes > kMostUnpackedBytes) {
        spdlog::warn("a document of kind {} has {} bytes, more than {}: not sent", kind, bytes,
                     kMostUnpackedBytes);
        return;
    }
    const MutexLock lock(state_->gather_mutex);
    if (body.size() <= kMostDocumentBytes) {
        state_->gathered_documents.push_back({std::move(digest), kind, std::move(body)});
        return;
    }
    const auto count = (body.size() + kMostDocumentBytes - 1) / kMostDocumentBytes;
    for (std::size_t i = 0; i < count; ++i) {
        state_->gathered_documents.push_back({DocumentPart{digest, i + 1, count}.name(), kind,
                                              body.substr(i * kMostDocumentBytes, kMostDocumentBytes)});
    }
}

bool Spool::dirty() const {
    {
        const MutexLock lock(state_->gather_mutex);
        if (!state_->encoded.empty() || !state_->gathered.empty() || !state_->gathered_documents.empty()) {
            return true;
        }
    }
    const MutexLock lock(state_->mutex);
    return state_->removable || !state_->pending.empty() || !state_->pending_documents.empty() ||
           !state_->done_documents.empty();
}

bool Spool::flush() {
    auto& state = *state_;
    const MutexLock lock(state.mutex);
    state.takeGathered();
    if (!state.file && std::chrono::steady_clock::now() >= state.reopen_at) {
        // The reason is in `trouble`, and was logged.
        (void)state.open();
    }
    if (state.file) {
        const bool was_troubled = !state.trouble.empty();
        if (auto done = state.write(); !done) {
            state.failed(done.error());
            // After a damaged file was set aside, the batches in memory go into the new file now.
            if (state.trouble.empty() && state.open() && state.file) {
                if (auto again = state.write(); !again) {
                    state.failed(again.error());
                }
            }
        } else if (was_troubled) {
            spdlog::info("the spool {} is written again", state.config.path);
            state.trouble.clear();
        }
    }
    state.boundMemory();
    return state.trouble.empty();
}

std::optional<Batch> Spool::next(std::size_t most_parts) {
    std::vector<SpooledBatch> parts;
    std::vector<std::int64_t> shifts;
    bool in_order = true;
    {
        auto& state = *state_;
        const MutexLock lock(state.mutex);
        parts = state.readFile(most_parts);
        // Batches that are only in memory are younger than those in the file.
        in_order = !parts.empty() || (state.file && state.file_samples == 0);
        if (parts.empty() && !state.trouble.empty()) {
            for (const auto& batch : state.pending) {
                if (batch.id <= state.done_until) {
                    continue;
                }
                parts.push_back(batch);
                if (parts.size() == most_parts) {
                    break;
                }
            }
        }
        for (const auto& each : parts) {
            shifts.push_back(state.shiftOf(each.id));
        }
    }
    if (parts.empty()) {
        return std::nullopt;
    }
    Batch batch;
    batch.first_id = parts[0].id;
    batch.in_order = in_order;
    const auto alone = [&](SpooledBatch& part) {
        batch.last_id = part.id;
        batch.parts = 1;
        batch.samples = part.samples;
        batch.body = shifted(std::move(part.body), shifts[0]);
        return batch;
    };
    if (parts.size() == 1) {
        return alone(parts[0]);
    }
    // A protobuf message with repeated fields may be joined by writing its parts one after the other.
    std::string raw;
    std::string part;
    for (std::size_t i = 0; i < parts.size() && shifts[i] == shifts[0]; ++i) {
        auto& spooled = parts[i];
        std::size_t length = 0;
        const bool intact =
            snappy::GetUncompressedLength(spooled.body.data(), spooled.body.size(), &length) &&
            snappy::Uncompress(spooled.body.data(), spooled.body.size(), &part);
        // A batch that does not decompress goes alone: the collector then refuses only this batch.
        if (!intact || (batch.parts > 0 && raw.size() + length > kMostRequestBytes)) {
            if (batch.parts == 0) {
                return alone(spooled);
            }
            break;
        }
        raw += part;
        batch.last_id = spooled.id;
        batch.samples += spooled.samples;
        ++batch.parts;
    }
    snappy::Compress(raw.data(), raw.size(), &batch.body);
    batch.body = shifted(std::move(batch.body), shifts[0]);
    return batch;
}

void Spool::sent(const Batch& batch) {
    auto& state = *state_;
    const MutexLock lock(state.mutex);
    while (!state.pending.empty() && state.pending.front().id <= batch.last_id) {
        state.pending_bytes -= state.pending.front().body.size();
        state.pending.pop_front();
    }
    if (batch.last_id <= state.done_until) {
        return;
    }
    if (!batch.in_order) {
        if (!state.done_early.empty() && state.done_early.back().second + 1 == batch.first_id) {
            state.done_early.back().second = batch.last_id;
        } else {
            state.done_early.emplace_back(batch.first_id, batch.last_id);
        }
        return;
    }
    const auto before = std::exchange(state.done_until, batch.last_id);
    if (!state.file) {
        state.removable = true;
        return;
    }
    if (state.file_samples == 0) {
        return;
    }
    auto gone = state.file->totals(before, batch.last_id);
    if (!gone) {
        state.failed(gone.error());
        return;
    }
    state.file_samples -= gone->samples;
    state.file_bytes -= gone->bytes;
    state.removable = state.removable || gone->batches > 0;
}

void Spool::refused(const Batch& batch, std::optional<std::size_t> count) {
    {
        const MutexLock lock(state_->mutex);
        state_->dropped["refused"] += static_cast<std::int64_t>(count.value_or(batch.samples));
    }
    sent(batch);
}

bool Spool::setAside(const Batch& batch) {
    auto& state = *state_;
    {
        const MutexLock lock(state.mutex);
        if (!state.file || !state.trouble.empty() || !batch.in_order || batch.last_id <= state.done_until) {
            return false;
        }
        const auto moved = state.file->totals(state.done_until, batch.last_id);
        if (!moved || moved->batches == 0) {
            return false;
        }
        if (auto done = state.file->setAside(state.done_until, batch.last_id); !done) {
            state.file->rollback();
            state.failed(done.error());
            return false;
        }
        state.aside_samples += moved->samples;
        state.aside_bytes += moved->bytes;
        state.file_samples -= moved->samples;
        state.file_bytes -= moved->bytes;
    }
    sent(batch);
    return true;
}

std::optional<SpooledDocument> Spool::nextDocument() {
    auto& state = *state_;
    const MutexLock lock(state.mutex);
    if (state.file && state.file_documents > 0) {
        auto document = state.file->nextDocument(state.done_documents);
        if (!document) {
            state.failed(document.error());
        } else if (*document) {
            return std::move(**document);
        }
    }
    if (state.trouble.empty() || state.pending_documents.empty()) {
        return std::nullopt;
    }
    return state.pending_documents.front();
}

void Spool::documentDone(const std::string& digest) {
    auto& state = *state_;
    const MutexLock lock(state.mutex);
    const auto removed =
        std::erase_if(state.pending_documents, [&](const auto& each) { return each.digest == digest; });
    if (removed == 0) {
        state.done_documents.push_back(digest);
        --state.file_documents;
    }
}

SpoolState Spool::state() const {
    SpoolState out;
    std::int64_t gathered = 0;
    {
        const MutexLock lock(state_->gather_mutex);
        gathered = static_cast<std::int64_t>(state_->gathered_samples);
    }
    auto& state = *state_;
    const MutexLock lock(state.mutex);
    out.samples = state.file_samples + gathered;
    out.bytes = state.file_bytes;
    for (const auto& batch : state.pending) {
        if (batch.id <= state.done_until) {
            continue;
        }
        out.samples += static_cast<std::int64_t>(batch.samples);
        out.bytes += static_cast<std::int64_t>(batch.body.size());
        if (out.oldest == 0) {
            out.oldest = batch.at;
        }
    }
    if (state.file && state.file_samples > 0) {
        const auto oldest = state.file->oldest(state.done_until);
        if (oldest && *oldest) {
            out.oldest = (*oldest)->at;
        }
    }
    out.documents = state.file_documents + static_cast<std::int64_t>(state.pending_documents.size());
    out.aside = state.aside_samples;
    out.dropped = state.dropped;
    out.trouble = state.trouble;
    return out;
}

}  // namespace lapwing::agent
