#include "agent/probes/textfile/exposition.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "agent/probes/sample_line.h"
#include "common/text.h"

namespace lapwing::agent::textfile {

namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

struct Family {
    MetricFamily family;
    bool has_type = false;
    bool has_help = false;
    std::map<LabelList, std::size_t> places;  ///< of the metrics of histograms and summaries
};

/// The part of a histogram or summary that a sample is.
enum class Part { whole, sum, count };

class Parser {
  public:
    Expected<std::vector<MetricFamily>> parse(std::string_view text) {
        for (; !text.empty(); ++line_) {
            const auto end = text.find('\n');
            Line line(text.substr(0, end));
            line.skipBlanks();
            if (end == std::string_view::npos && !line.atEnd()) {
                fault_ = "unexpected end of the file";
            } else if (line.next() == '#') {
                comment(line);
            } else if (!line.atEnd()) {
                sample(line);
            }
            if (!fault_.empty()) {
                return fail(ErrorKind::invalid, "line " + std::to_string(line_) + ": " + fault_);
            }
            text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
        }
        std::vector<MetricFamily> out;
        for (auto& family : families_) {
            if (!family->family.metric.empty()) {
                out.push_back(std::move(family->family));
            }
        }
        return out;
    }

  private:
    bool refuse(std::string why) {
        fault_ = std::move(why);
        return false;
    }

    void comment(Line& line) {
        line.skip();
        line.skipBlanks();
        const auto keyword = line.takeWord();
        line.skipBlanks();
        if ((keyword != "HELP" && keyword != "TYPE") || line.atEnd()) {
            return;
        }
        const auto name = line.takeName();
        if (line.atEnd()) {
            return;
        }
        if (!line.atBlank()) {
            refuse("invalid metric name in a comment");
            return;
        }
        auto& family = familyOf(name).first;
        line.skipBlanks();
        if (!line.atEnd()) {
            keyword == "HELP" ? help(family, line.rest()) : type(family, line.rest());
        }
    }

    void help(Family& family, std::string_view text) {
        const auto words = unescaped(text, Rules::node_exporter);
        if (family.has_help) {
            refuse("a second HELP of " + family.family.name);
        } else if (!words) {
            refuse("an unknown escape");
        } else {
            family.has_help = true;
            family.family.help = *words;
        }
    }

    void type(Family& family, std::string_view text) {
        static const std::map<std::string, MetricType> known{{"counter", MetricType::Counter},
                                                             {"gauge", MetricType::Gauge},
                                                             {"summary", MetricType::Summary},
                                                             {"untyped", MetricType::Untyped},
                                                             {"histogram", MetricType::Histogram}};
        const auto found = known.find(lower(text));
        if (family.has_type) {
            refuse("a second TYPE of " + family.family.name + ", or one behind its samples");
        } else if (found == known.end()) {
            refuse("an unknown type");
        } else {
            family.has_type = true;
            family.family.type = found->second;
        }
    }

    /// The family of a name, and the part of a histogram or summary that the name stands for.
    std::pair<Family&, Part> familyOf(std::string_view name) {
        if (const auto found = by_name_.find(name); found != by_name_.end()) {
            return {*found->second, Part::whole};
        }
        for (const std::string_view ending : {"_sum", "_count", "_bucket"}) {
            if (name.size() <= ending.size() || !name.ends_with(ending)) {
                continue;
            }
            const auto found = by_name_.find(name.substr(0, name.size() - ending.size()));
            const auto type = found == by_name_.end() ? MetricType::Untyped : found->second->family.type;
            if (type == MetricType::Histogram || (type == MetricType::Summary && ending != "_bucket")) {
                return {*found->second, ending == "_sum"     ? Part::sum
                                        : ending == "_count" ? Part::count
                                                             : Part::whole};
            }
        }
        families_.push_back(std::make_unique<Family>());
        auto& family = *families_.back();
        family.family.name = name;
        family.family.type = MetricType::Untyped;
        by_name_.emplace(family.family.name, &family);
        return {family, Part::whole};
    }

    void sample(Line& line) {
        auto sample = readSample(line, Rules::node_exporter);
        if (!sample) {
            refuse(sample.error().message);
            return;
        }
        if (!line.atEnd()) {
            refuse("something follows the value: timestamps are not supported");
            return;
        }
        const auto [family, part] = familyOf(sample->name);
        family.has_type = true;
        std::optional<double> bound;
        if (takeBound(family.family.type, sample->labels, bound)) {
            add(family, part, std::move(sample->labels), bound, sample->value);
        }
    }

    /// Takes the label that a bucket or a quantile has off the labels.
    bool takeBound(MetricType type, LabelList& labels, std::optional<double>& out) {
        const std::string_view special = type == MetricType::Histogram ? "le"
                                         : type == MetricType::Summary ? "quantile"
                                                                       : "";
        const auto found = std::find_if(labels.begin(), labels.end(),
                                        [&](const auto& label) { return label.name == special; });
        if (found == labels.end()) {
            return true;
        }
        out = toFloat(found->value);
        labels.erase(found);
        return out || refuse("the label " + std::string(special) + " is no number");
    }

    void add(Family& family, Part part, LabelList labels, const std::optional<double>& bound, double value) {
        auto& metrics = family.family.metric;
        const auto type = family.family.type;
        if (type != MetricType::Histogram && type != MetricType::Summary) {
            ClientMetric metric;
            metric.label = std::move(labels);
            metric.counter.value = metric.gauge.value = metric.untyped.value = value;
            metrics.push_back(std::move(metric));
            return;
        }
        auto key = labels;
        std::sort(key.begin(), key.end());
        const auto [place, is_new] = family.places.emplace(std::move(key), metrics.size());
        if (is_new) {
            metrics.emplace_back();
            metrics.back().label = std::move(labels);
        }
        auto& metric = metrics[place->second];
        constexpr double most = 9007199254740992;  // 2^53: whole numbers up to here are exact
        const bool is_count =
            part == Part::count || (type == MetricType::Histogram && part == Part::whole && bound);
        if (is_count && !(value >= 0 && value <= most)) {
            refuse("a count must be a number from 0 on");
            return;
        }
        const auto count = is_count ? static_cast<std::uint64_t>(value) : 0;
        if (part == Part::sum) {
            (type == MetricType::Histogram ? metric.histogram.sample_sum : metric.summary.sample_sum) = value;
        } else if (part == Part::count) {
            (type == MetricType::Histogram ? metric.histogram.sample_count : metric.summary.sample_count) =
                count;
        } else if (bound && type == MetricType::Histogram) {
            metric.histogram.bucket.push_back({count, *bound});
        } else if (bound) {
            metric.summary.quantile.push_back({*bound, value});
        }
    }

    std::size_t line_ = 1;
    std::string fault_;
    std::vector<std::unique_ptr<Family>> families_;
    std::map<std::string, Family*, std::less<>> by_name_;
};

}  // namespace

Expected<std::vector<MetricFamily>> parseExposition(std::string_view text) {
    return Parser().parse(text);
}

}  // namespace lapwing::agent::textfile
