#include "agent/probes/logs/logs.h"

#include <fmt/format.h>
#include <grp.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

#include "common/files.h"
#include "common/metric_names.h"
#include "common/model/families.h"
#include "common/text.h"

namespace lapwing::agent::logs {

namespace {

constexpr std::chrono::seconds kUpdateEvery{60};
constexpr std::uint64_t kTailBytes = 64U << 10;  ///< of a run by hand
constexpr std::size_t kMostStateBytes = 4U << 20;
constexpr std::size_t kMostNoteBytes = 2000;

std::string groupName(gid_t gid) {
    std::array<char, 4096> buffer{};
    group entry{};
    group* found = nullptr;
    const bool known = getgrgid_r(gid, &entry, buffer.data(), buffer.size(), &found) == 0 && found != nullptr;
    return known ? found->gr_name : std::to_string(gid);
}

/// Adds the remedy to an error that has one.
std::string wordsOf(const std::string& path, const Error& error) {
    if (error.kind != ErrorKind::denied) {
        return error.message;
    }
    struct stat about {};
    const bool seen = lstat(path.c_str(), &about) == 0;
    return error.message + ". " + adviceFor(path, seen ? groupName(about.st_gid) : "", about.st_mode & 07777);
}

}  // namespace

std::string adviceFor(const std::string& path, const std::string& group, unsigned mode) {
    const auto directory = path.substr(0, path.rfind('/') + 1);
    if (group.empty()) {
        return "The agent may not search " + directory + ": sudo setfacl -m u:lapwing:x " + directory;
    }
    constexpr unsigned group_reads = 040;
    if (group != "root" && (mode & group_reads) != 0) {
        return "The group " + group +
               " may read it: sudo systemctl edit lapwing-agent, [Service] SupplementaryGroups=" + group +
               ", then restart the agent";
    }
    return "sudo setfacl -m u:lapwing:r " + path + " && sudo setfacl -d -m u:lapwing:r " + directory +
           " (the second for the files that rotations make)";
}

struct LogsProbe::Log {
    Log(LogSource given, Follower::Limits limits)
        : source(std::move(given)), follower(source.path, limits), reader(readerOf(source.format)) {}

    void take(std::string_view line) {
        if (source.is_error) {
            ++(state.errors.add(line) ? state.counted : state.unparsed);
            return;
        }
        const auto read = reader->read(line);
        ++(read ? state.counted : state.unparsed);
        if (read) {
            state.access.add(*read);
        }
    }

    LogSource source;
    Follower follower;
    Expected<AccessReader> reader;  ///< the configuration has checked the format
    LogState state;
    std::optional<Error> error;
    std::uint64_t unread_bytes = 0;
};

LogsProbe::LogsProbe(std::function<LogSources()> sources, Follower::Limits limits)
    : sources_(std::move(sources)), limits_(limits) {
    limits_.without_places = kTailBytes;
}

LogsProbe::~LogsProbe() = default;

void LogsProbe::keepIn(const std::string& directory) {
    limits_.without_places = 0;
    state_file_ = directory + "/logs.json";
    const auto text = files::readFile(state_file_, kMostStateBytes);
    if (!text && text.error().kind == ErrorKind::not_found) {
        return;
    }
    auto states = text ? readStates(*text) : tl::unexpected(text.error());
    if (!states) {
        state_trouble_ =
            state_file_ + " cannot be read, so each log begins at its end: " + states.error().message;
        return;
    }
    unclaimed_ = std::move(*states);
    saved_ = *text;
}

void LogsProbe::watch(const LogSource& source) {
    if (logs_.size() >= kMostLogs) {
        ignored_.push_back(source.path + ": more than " + std::to_string(kMostLogs) + " logs");
        return;
    }
    auto log = std::make_unique<Log>(source, limits_);
    if (const auto known = unclaimed_.find(source.path); known != unclaimed_.end()) {
        log->state = std::move(known->second);
        log->follower.resume(log->state.places);
        unclaimed_.erase(known);
    }
    logs_.push_back(std::move(log));
}

void LogsProbe::updateLogs() {
    const auto now = Deadline::Clock::now();
    if (updated_ && now - *updated_ < kUpdateEvery) {
        return;
    }
    updated_ = now;
    auto found = sources_();
    ignored_ = std::move(found.ignored);
    fault_ = std::move(found.fault);
    const auto same = [](const Log& log, const LogSource& source) {
        return log.source.path == source.path && log.source.is_error == source.is_error;
    };
    // What an unreadable configuration does not name may still be there.
    if (fault_.empty()) {
        std::erase_if(logs_, [&](const auto& log) {
            return std::none_of(found.logs.begin(), found.logs.end(),
                                [&](const LogSource& source) { return same(*log, source); });
        });
    }
    for (const auto& source : found.logs) {
        const auto known =
            std::find_if(logs_.begin(), logs_.end(), [&](const auto& log) { return same(*log, source); });
        if (known == logs_.end()) {
            watch(source);
        } else if ((*known)->source.format != source.format) {
            (*known)->source = source;
            (*known)->reader = readerOf(source.format);
        }
    }
    if (fault_.empty()) {
        unclaimed_.clear();
    }
}

void LogsProbe::read(Log& log, const Deadline& deadline) {
    auto outcome = log.follower.read([&](std::string_view line) { log.take(line); }, deadline);
    log.error = std::move(outcome.error);
    log.unread_bytes = outcome.unread_bytes;
    auto& state = log.state;
    state.places = log.follower.places();
    state.long_lines += outcome.long_lines;
    state.skipped_bytes += outcome.skipped_bytes;
    state.truncated += outcome.truncated;
    state.gone += outcome.gone;
}

void LogsProbe::save() {
    if (state_file_.empty()) {
        return;
    }
    std::map<std::string, const LogState*> states;
    for (const auto& [path, state] : unclaimed_) {
        states[path] = &state;
    }
    for (const auto& log : logs_) {
        states[log->source.path] = &log->state;
    }
    auto text = writeStates(states);
    if (text == saved_) {
        return;
    }
    constexpr mode_t private_file = 0600;
    const auto written = files::writeFile(state_file_, text, private_file);
    if (written) {
        saved_ = std::move(text);
        state_trouble_.clear();
    } else {
        state_trouble_ = "after a restart lines would be counted twice: " + written.error().message;
    }
}

ProbeResult LogsProbe::report() const {
    ProbeResult result;
    auto families = emptyFamilies();
    std::vector<std::string> words;
    std::optional<Error> unread;  // of a log that nobody has configured here
    bool one_is_read = false;
    for (const auto& log : logs_) {
        const auto& source = log->source;
        const auto& state = log->state;
        const auto put = [&](const char* name, double value, prometheus::ClientMetric::Label label = {}) {
            std::vector<prometheus::ClientMetric::Label> labels{{"log", source.path}};
            if (!label.name.empty()) {
                labels.push_back(std::move(label));
            }
            add(families.at(name), std::move(labels), value);
        };
        const bool missing = log->error && log->error->kind == ErrorKind::not_found;
        const bool seen = state.places.current || !state.places.rotated.empty() ||
                          state.counted + state.unparsed + state.long_lines > 0;
        // A package's configuration names logs on hosts that have never run Nginx.
        if (!missing || seen || source.expected) {
            put(metric::kLogUp, log->error ? 0 : 1);
        }
        if (log->error) {
            words.push_back(wordsOf(source.path, *log->error));
            auto& failure = source.expected ? result.failure : unread;
            if (!failure && (source.expected || !missing)) {
                failure = Error{log->error->kind, words.back()};
            }
        }
        one_is_read = one_is_read || !log->error;
        // Of a log that was never there, no count is known, not even 0.
        if (!seen) {
            continue;
        }
        (source.is_error ? state.errors.report(source.path, families)
                         : state.access.report(source.path, families));
        put(metric::kLogLinesTotal, static_cast<double>(state.counted), {"result", "counted"});
        put(metric::kLogLinesTotal, static_cast<double>(state.unparsed), {"result", "unparsed"});
        put(metric::kLogLinesTotal, static_cast<double>(state.long_lines), {"result", "too_long"});
        put(metric::kLogSkippedBytesTotal, static_cast<double>(state.skipped_bytes));
        put(metric::kLogGapsTotal, static_cast<double>(state.truncated), {"reason", "truncated"});
        put(metric::kLogGapsTotal, static_cast<double>(state.gone), {"reason", "gone"});
        put(metric::kLogUnreadBytes, static_cast<double>(log->unread_bytes));
    }
    if (!result.failure && !one_is_read) {
        result.failure = std::move(unread);
    }
    for (auto& [name, family] : families) {
        if (!family.metric.empty()) {
            result.families.push_back(std::move(family));
        }
    }
    for (const auto& text : ignored_) {
        words.push_back("not followed: " + text);
    }
    if (!fault_.empty()) {
        words.push_back("the configuration may name more logs: " + fault_);
    }
    if (!state_trouble_.empty()) {
        words.push_back(state_trouble_);
    }
    result.note = fmt::format("{}", fmt::join(words, "; "));
    result.note = utf8Prefix(result.note, kMostNoteBytes);
    return result;
}

Expected<ProbeResult> LogsProbe::collect(const Deadline& deadline) {
    const Deadline mine(deadline.budget() * 3 / 4);
    updateLogs();
    // Each is the first at times, so that one that takes all the time holds up no other for ever.
    for (std::size_t i = 0; i < logs_.size(); ++i) {
        read(*logs_[(turn_ + i) % logs_.size()], mine);
    }
    ++turn_;
    save();
    return report();
}

}  // namespace lapwing::agent::logs
