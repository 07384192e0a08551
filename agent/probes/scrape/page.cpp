#include "agent/probes/scrape/page.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <system_error>

#include "agent/probes/text.h"
#include "common/memory_budget.h"
#include "common/metric_speakers.h"
#include "common/model/families.h"
#include "common/model/labels.h"
#include "common/text.h"

namespace lapwing::agent::scrape {

namespace {

using prometheus::MetricFamily;
using prometheus::MetricType;

/// Samples of a family that exist at the same time.
constexpr std::size_t kSamplesAtOnce = 500;
/// Names that a note lists for a reason.
constexpr std::size_t kMostNames = 5;

constexpr const char* kReserved = "only Lapwing's own probes report them";
constexpr const char* kDoubled = "a series stands twice, the first one counts";
constexpr const char* kTooLong = "too many labels, or too long ones";
constexpr const char* kNotNow = "their own time is more than 5 minutes from now";
constexpr const char* kOtherName = "names beyond [a-zA-Z0-9_:]";

struct Ending {
    std::string_view type;
    std::string_view ending;
};
/// How samples of a family end where their name is not the family's.
constexpr std::array kEndings{
    Ending{"histogram", "_bucket"},      Ending{"histogram", "_sum"},
    Ending{"histogram", "_count"},       Ending{"summary", "_sum"},
    Ending{"summary", "_count"},         Ending{"histogram", "_created"},
    Ending{"summary", "_created"},       Ending{"counter", "_created"},
    Ending{"counter", "_total"},         Ending{"info", "_info"},
    Ending{"gaugehistogram", "_bucket"}, Ending{"gaugehistogram", "_gsum"},
    Ending{"gaugehistogram", "_gcount"},
};
constexpr std::array kTextTypes{"counter", "gauge", "histogram", "summary", "untyped"};
constexpr std::array kOpenTypes{"counter", "gauge", "histogram", "summary",
                                "unknown", "info",  "stateset",  "gaugehistogram"};

tl::unexpected<Error> wrong(std::string why) {
    return fail(ErrorKind::protocol, std::move(why));
}

bool isJoined(std::string_view type) {
    return type == "histogram" || type == "summary";
}

/// Of a sample that stands for itself.
MetricType typeOf(std::string_view type) {
    return type == "counter"                                         ? MetricType::Counter
           : type == "gauge" || type == "info" || type == "stateset" ? MetricType::Gauge
                                                                     : MetricType::Untyped;
}

Labels labelsOf(const SampleLine& sample) {
    std::vector<Label> out{{"__name__", sample.name}};
    for (const auto& label : sample.labels) {
        out.push_back({label.name, label.value});
    }
    return Labels(std::move(out));
}

/// As Prometheus 3 writes bounds, so that "1" and "1.0" are one series.
void writeBounds(std::string_view type, LabelList& labels) {
    const std::string_view special = type == "histogram" ? "le" : type == "summary" ? "quantile" : "";
    for (auto& label : labels) {
        const auto value = label.name == special ? toFloat(label.value) : std::nullopt;
        if (value && !std::isnan(*value)) {
            label.value = boundText(*value);
            if (label.value.find_first_not_of("-0123456789") == std::string::npos) {
                label.value += ".0";
            }
        }
    }
}

std::string helpOf(std::string_view escaped) {
    return asUtf8(unescaped(escaped, Rules::prometheus).value_or(std::string(escaped)));
}

}  // namespace

Format formatOf(std::string_view content_type) {
    return lower(trimmed(content_type.substr(0, content_type.find(';')))) == "application/openmetrics-text"
               ? Format::openmetrics
               : Format::text;
}

Expected<std::shared_ptr<Page>> Page::read(std::string text, Format format, const Selection& selection,
                                           TimestampMs now, const PageLimits& limits) {
    std::shared_ptr<Page> page(new Page(std::move(text), format));
    auto done = readWithinBudget(page->text_.size(), "the page",
                                 [&] { return page->readAll(selection, now, limits); });
    if (!done) {
        return tl::unexpected(done.error());
    }
    return page;
}

Expected<void> Page::readAll(const Selection& selection, TimestampMs now, const PageLimits& limits) {
    std::string_view rest = text_;
    bool ended = false;
    for (std::size_t number = 1; !rest.empty(); ++number) {
        const auto end = rest.find('\n');
        const auto line = rest.substr(0, end);
        rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
        Expected<void> read;
        if (ended) {
            read = wrong("something follows # EOF");
        } else if (format_ == Format::openmetrics && line == "# EOF") {
            ended = true;
        } else {
            read = readLine(line, selection, now, limits);
        }
        if (!read) {
            return fail(read.error().kind, "line " + std::to_string(number) + ": " + read.error().message);
        }
    }
    if (format_ == Format::openmetrics && !ended) {
        return wrong("it does not end with # EOF");
    }
    series_.clear();
    return {};
}

Expected<void> Page::readLine(std::string_view text, const Selection& selection, TimestampMs now,
                              const PageLimits& limits) {
    Line line(text);
    line.skipBlanks();
    if (line.atEnd()) {
        return {};
    }
    if (line.next() == '#') {
        return readComment(line);
    }
    auto sample = readSample(line, Rules::prometheus);
    if (!sample) {
        return wrong(sample.error().message);
    }
    const auto at = readTime(line);
    if (!at) {
        return tl::unexpected(at.error());
    }
    ++scraped_;
    if (!selection.wants(sample->name, sample->labels)) {
        return {};
    }
    ++kept_;
    renameReserved(sample->labels);
    const auto family = familyOf(sample->name);
    writeBounds(family.declared == nullptr ? std::string_view() : family.declared->type, sample->labels);
    if (const auto why = whyNot(*sample, *at, now, limits); !why.empty()) {
        if (auto& names = left_out_[why]; names.size() <= kMostNames) {
            names.insert(sample->name);
        }
        return {};
    }
    if (lines_.size() == limits.samples) {
        return fail(ErrorKind::exhausted,
                    "the page has more than " + std::to_string(limits.samples) + " series");
    }
    lines_.push_back(text);
    return {};
}

/// Why a sample is not stored; "" if it is.
std::string Page::whyNot(const SampleLine& sample, const std::optional<TimestampMs>& at, TimestampMs now,
                         const PageLimits& limits) {
    const auto fits = [&](const auto& label) {
        return label.name.size() <= limits.label_bytes && label.value.size() <= limits.label_bytes;
    };
    const auto has_name = [](const auto& label) { return isValidLabelName(label.name); };
    const auto& labels = sample.labels;
    if (sample.name.size() > limits.label_bytes || labels.size() > limits.labels ||
        !std::all_of(labels.begin(), labels.end(), fits)) {
        return kTooLong;
    }
    if (!isValidMetricName(sample.name) || !std::all_of(labels.begin(), labels.end(), has_name)) {
        return kOtherName;
    }
    if (metric::isReserved(sample.name)) {
        return kReserved;
    }
    // A sum, for a difference could overflow.
    if (at && (*at > now + kMostSkewMs || *at < now - kMostSkewMs)) {
        return kNotNow;
    }
    return series_.insert(labelsOf(sample).hash()).second ? "" : kDoubled;
}

Expected<void> Page::readComment(Line line) {
    line.skip();
    if (!line.atBlank()) {
        return {};
    }
    line.skipBlanks();
    const auto keyword = line.takeWord();
    line.skipBlanks();
    if (keyword != "HELP" && keyword != "TYPE") {
        return {};
    }
    // A name in quotes cannot be stored, so its type is of no use.
    if (line.next() == '"') {
        return {};
    }
    const auto name = line.takeName();
    if (name.empty() || (!line.atEnd() && !line.atBlank())) {
        return wrong("invalid metric name in a comment");
    }
    line.skipBlanks();
    if (keyword == "TYPE") {
        return readType(name, line.rest());
    }
    declared_[name].help = line.rest();
    return {};
}

Expected<void> Page::readType(std::string_view name, std::string_view type) {
    const auto is_type = [&](const char* each) { return type == each; };
    const bool known = format_ == Format::text ? std::any_of(kTextTypes.begin(), kTextTypes.end(), is_type)
                                               : std::any_of(kOpenTypes.begin(), kOpenTypes.end(), is_type);
    if (!known) {
        return wrong("an unknown type");
    }
    declared_[name].type = type;
    return {};
}

/// What follows a sample's value: its time, and in OpenMetrics an exemplar, which is left out.
Expected<std::optional<TimestampMs>> Page::readTime(Line& line) const {
    line.skipBlanks();
    const bool exemplar = format_ == Format::openmetrics && line.next() == '#';
    if (line.atEnd() || exemplar) {
        return std::optional<TimestampMs>();
    }
    const auto word = line.takeWord();
    line.skipBlanks();
    if (!line.atEnd() && !(format_ == Format::openmetrics && line.next() == '#')) {
        return wrong("something follows the time of a sample");
    }
    TimestampMs at = 0;
    if (format_ == Format::text) {
        const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), at);
        if (error != std::errc() || end != word.data() + word.size()) {
            return wrong("invalid time of a sample");
        }
        return std::optional(at);
    }
    const auto seconds = toFloat(word);
    constexpr double most = 9e12;  // beyond, the number of milliseconds has no room
    if (!seconds || !(std::abs(*seconds) <= most)) {
        return wrong("invalid time of a sample");
    }
    return std::optional(static_cast<TimestampMs>(*seconds * 1000));
}

Page::FamilyOf Page::familyOf(std::string_view name) const {
    if (const auto found = declared_.find(name); found != declared_.end() && !found->second.type.empty()) {
        return {found->first, &found->second};
    }
    for (const auto& [type, ending] : kEndings) {
        if (!name.ends_with(ending)) {
            continue;
        }
        const auto found = declared_.find(name.substr(0, name.size() - ending.size()));
        if (found != declared_.end() && found->second.type == type) {
            return {found->first, &found->second};
        }
    }
    const auto found = declared_.find(name);
    return found == declared_.end() ? FamilyOf{name, nullptr} : FamilyOf{found->first, &found->second};
}

bool Page::next(MetricFamily& out) {
    out = {};
    while (at_ < lines_.size() && out.metric.size() < kSamplesAtOnce) {
        Line line(lines_[at_]);
        line.skipBlanks();
        auto sample = readSample(line, Rules::prometheus);
        if (!sample || (!out.metric.empty() && sample->name != out.name)) {
            break;
        }
        const auto family = familyOf(sample->name);
        const auto type = family.declared == nullptr ? std::string_view() : family.declared->type;
        if (out.metric.empty()) {
            const auto help = family.declared == nullptr ? std::string() : helpOf(family.declared->help);
            if (isJoined(type)) {
                if (told_.insert(family.name).second) {
                    out = {std::string(family.name),
                           help,
                           type == "summary" ? MetricType::Summary : MetricType::Histogram,
                           {}};
                    return true;
                }
                out = {sample->name, "", MetricType::Untyped, {}};
            } else {
                const bool own = !sample->name.ends_with("_created") || family.name == sample->name;
                out = {sample->name, own ? help : "", own ? typeOf(type) : MetricType::Untyped, {}};
            }
        }
        prometheus::ClientMetric metric;
        metric.label = std::move(sample->labels);
        renameReserved(metric.label);
        writeBounds(type, metric.label);
        metric.counter.value = metric.gauge.value = metric.untyped.value = sample->value;
        out.metric.push_back(std::move(metric));
        ++at_;
    }
    return !out.metric.empty();
}

std::string Page::note() const {
    std::vector<std::string> parts;
    for (const auto& [reason, names] : left_out_) {
        std::vector<std::string> words(names.begin(), names.end());
        if (words.size() > kMostNames) {
            words.back() = "others";
        }
        for (auto& word : words) {
            word = std::string(utf8Prefix(word, 100));
        }
        parts.push_back("left out (" + reason + "): " + joined(words));
    }
    std::string out;
    for (const auto& part : parts) {
        out += (out.empty() ? "" : "; ") + part;
    }
    return printable(out);
}

}  // namespace lapwing::agent::scrape
