#include "agent/probes/textfile/textfile.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <map>
#include <memory>
#include <set>
#include <utility>

#include "agent/probes/sample_line.h"
#include "agent/probes/textfile/exposition.h"
#include "common/glob.h"
#include "common/memory_budget.h"
#include "common/metric_speakers.h"
#include "common/model/families.h"
#include "common/text.h"

namespace lapwing::agent::textfile {

namespace {

using prometheus::MetricFamily;

constexpr std::size_t kMostNoteBytes = 2000;
constexpr std::size_t kMostLabelBytes = 4096;  ///< the collector's `ingest.max_label_length`

// node_exporter's names.
constexpr const char* kScrapeError = "node_textfile_scrape_error";
constexpr const char* kMtime = "node_textfile_mtime_seconds";

struct TextFile {
    std::string text;
    double modified = 0;  ///< Unix time, in whole seconds as node_exporter says it
};

tl::unexpected<Error> cannotRead(int reason) {
    return fail(reason == EACCES ? ErrorKind::denied : ErrorKind::not_found, std::strerror(reason));
}

/// Never waits for the writer of a FIFO.
Expected<TextFile> readRegular(const std::string& path, std::size_t most_bytes) {
    struct stat about {};
    if (stat(path.c_str(), &about) != 0) {
        return cannotRead(errno);
    }
    if (!S_ISREG(about.st_mode)) {
        return fail(ErrorKind::invalid, "it is no regular file");
    }
    const int fd = ::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0) {
        return cannotRead(errno);
    }
    TextFile out;
    std::array<char, 16384> buffer;
    ssize_t got = 0;
    while (out.text.size() <= most_bytes && (got = ::read(fd, buffer.data(), buffer.size())) > 0) {
        out.text.append(buffer.data(), static_cast<std::size_t>(got));
    }
    const int reason = got < 0 ? errno : 0;
    const bool regular = fstat(fd, &about) == 0 && S_ISREG(about.st_mode);
    ::close(fd);
    if (reason != 0 || !regular) {
        return cannotRead(reason != 0 ? reason : EINVAL);
    }
    if (out.text.size() > most_bytes) {
        return fail(ErrorKind::exhausted, "it is larger than " + std::to_string(most_bytes) + " bytes");
    }
    out.modified = static_cast<double>(about.st_mtim.tv_sec);
    return out;
}

Expected<std::vector<std::string>> promFilesIn(const std::string& directory) {
    const std::unique_ptr<DIR, int (*)(DIR*)> entries(opendir(directory.c_str()), &closedir);
    if (!entries) {
        return fail(ErrorKind::not_found, directory + ": " + std::strerror(errno));
    }
    std::vector<std::string> out;
    while (const dirent* entry = readdir(entries.get())) {
        if (std::string_view(entry->d_name).ends_with(".prom")) {
            out.push_back(directory + "/" + entry->d_name);
        }
    }
    std::sort(out.begin(), out.end());
    return out;
}

/// The number of series that the metric is.
std::size_t seriesOf(const MetricFamily& family, const prometheus::ClientMetric& metric) {
    return family.type == prometheus::MetricType::Histogram ? metric.histogram.bucket.size() + 3
           : family.type == prometheus::MetricType::Summary ? metric.summary.quantile.size() + 2
                                                            : 1;
}

/// Sorted labels without empty ones: the same series has the same key.
std::vector<prometheus::ClientMetric::Label> keyOf(const prometheus::ClientMetric& metric) {
    auto out = metric.label;
    std::erase_if(out, [](const auto& label) { return label.value.empty(); });
    std::sort(out.begin(), out.end());
    return out;
}

/// The families of all files, each name once.
class Merged {
  public:
    explicit Merged(std::size_t most_series) : most_series_(most_series) {}

    /// Error: nothing of the file was added.
    Expected<void> add(std::vector<MetricFamily> families) {
        std::size_t more = 0;
        for (const auto& family : families) {
            if (const auto why = reservedName(family.name); !why.empty()) {
                return fail(ErrorKind::invalid, why);
            }
            const auto known = by_name_.find(family.name);
            if (known != by_name_.end() && known->second.family.type != family.type) {
                return fail(ErrorKind::invalid, family.name + " has another type in another file");
            }
            for (const auto& metric : family.metric) {
                more += seriesOf(family, metric);
                if (std::any_of(metric.label.begin(), metric.label.end(), [](const auto& label) {
                        return label.name.size() > kMostLabelBytes || label.value.size() > kMostLabelBytes;
                    })) {
                    return fail(ErrorKind::exhausted, family.name + " has a label of more than " +
                                                          std::to_string(kMostLabelBytes) + " bytes");
                }
            }
        }
        if (series_ + more > most_series_) {
            return fail(ErrorKind::exhausted,
                        "with it the files have more than " + std::to_string(most_series_) + " series");
        }
        series_ += more;
        for (auto& family : families) {
            addFamily(std::move(family));
        }
        return {};
    }
    std::vector<MetricFamily> take() {
        std::vector<MetricFamily> out;
        for (auto& [name, entry] : by_name_) {
            out.push_back(std::move(entry.family));
        }
        return out;
    }
    const std::set<std::string>& doubled() const { return doubled_; }

  private:
    struct Entry {
        MetricFamily family;
        std::set<std::vector<prometheus::ClientMetric::Label>> keys;
    };

    void addFamily(MetricFamily family) {
        auto& entry = by_name_[family.name];
        if (entry.family.name.empty()) {
            entry.family = {family.name, family.help, family.type, {}};
        }
        for (auto& metric : family.metric) {
            renameReserved(metric.label);
            if (entry.keys.insert(keyOf(metric)).second) {
                entry.family.metric.push_back(std::move(metric));
            } else {
                doubled_.insert(family.name);
            }
        }
    }

    std::size_t most_series_;
    std::size_t series_ = 0;
    std::map<std::string, Entry> by_name_;
    std::set<std::string> doubled_;
};

}  // namespace

std::string reservedName(std::string_view name) {
    if (metric::isReserved(name)) {
        return std::string(name) + " is a name that only Lapwing itself reports";
    }
    return name == kScrapeError || name == kMtime ? std::string(name) + " is the probe's own" : "";
}

Expected<ProbeResult> TextfileProbe::collect(const Deadline& deadline) {
    ProbeResult result;
    std::vector<std::string> words;
    auto directories = hasWildcard(directory_) ? filesMatching(directory_) : std::vector{directory_};
    if (directories.empty()) {
        directories.push_back(directory_);
    }
    Merged merged(limits_.series);
    auto mtime = gauge(kMtime, "Unixtime mtime of textfiles successfully read.");
    std::size_t files = 0;
    for (const auto& directory : directories) {
        const auto paths = promFilesIn(directory);
        if (!paths) {
            words.push_back(paths.error().message);
            continue;
        }
        for (const auto& path : *paths) {
            if (++files > limits_.files) {
                words.push_back("more than " + std::to_string(limits_.files) + " files: " + path +
                                " and the rest are not read");
                break;
            }
            if (deadline.passed()) {
                return fail(ErrorKind::timeout, "reading " + path + " takes too long");
            }
            const auto file = readRegular(path, limits_.file_bytes);
            const auto added = file.and_then([&](const TextFile& read) -> Expected<void> {
                auto families =
                    readWithinBudget(read.text.size(), "it", [&] { return parseExposition(read.text); });
                if (!families) {
                    return tl::unexpected(families.error());
                }
                for (auto& family : *families) {
                    family.help = family.help.empty() ? "Metric read from " + path : family.help;
                }
                return merged.add(std::move(*families));
            });
            if (!added) {
                words.push_back(path + ": " + added.error().message);
                continue;
            }
            add(mtime, {{"file", path}}, file->modified);
        }
    }
    result.families = merged.take();
    if (!mtime.metric.empty()) {
        result.families.push_back(std::move(mtime));
    }
    auto error = gauge(kScrapeError, "1 if there was an error opening or reading a file, 0 otherwise");
    add(error, {}, words.empty() ? 0 : 1);
    result.families.push_back(std::move(error));
    for (const auto& name : merged.doubled()) {
        words.push_back(name + " has a series twice: the first one counts");
    }
    result.note = fmt::format("{}", fmt::join(words, "; "));
    result.note = utf8Prefix(printable(result.note), kMostNoteBytes);
    return result;
}

}  // namespace lapwing::agent::textfile
