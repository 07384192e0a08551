#include "agent/probes/textfile/exposition.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "common/characters.h"
#include "common/model/labels.h"
#include "common/text.h"

namespace lapwing::agent::textfile {

namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using LabelList = std::vector<ClientMetric::Label>;

bool isNamePart(char c) {
    return isWordPart(c) || c == ':';
}

/// What Go's ParseFloat takes, without hexadecimal numbers and underscores.
std::optional<double> toFloat(std::string_view text) {
    const auto word = lower(text);
    const bool sign = !word.empty() && (word[0] == '+' || word[0] == '-');
    const auto rest = word.substr(sign ? 1 : 0);
    if (rest == "inf" || rest == "infinity") {
        const auto infinity = std::numeric_limits<double>::infinity();
        return word[0] == '-' ? -infinity : infinity;
    }
    if (word == "nan") {
        return std::numeric_limits<double>::quiet_NaN();
    }
    if (rest.empty() || (!isDigit(rest[0]) && rest[0] != '.')) {
        return std::nullopt;
    }
    double value = 0;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), value);
    const bool too_small = error == std::errc::result_out_of_range && rest.find("e-") != std::string::npos;
    if (end != rest.data() + rest.size() || (error != std::errc() && !too_small)) {
        return std::nullopt;
    }
    value = too_small ? 0 : value;
    return word[0] == '-' ? -value : value;
}

/// A line, from its begin on.
class Line {
  public:
    explicit Line(std::string_view text) : rest_(text) {}

    bool atEnd() const { return rest_.empty(); }
    char next() const { return rest_.empty() ? '\n' : rest_.front(); }
    bool atBlank() const { return next() == ' ' || next() == '\t'; }
    void skip() { rest_.remove_prefix(1); }
    void skipBlanks() {
        while (atBlank()) {
            skip();
        }
    }
    template <class Part>
    std::string_view take(Part part) {
        const auto end = std::find_if_not(rest_.begin(), rest_.end(), part);
        const auto out = rest_.substr(0, static_cast<std::size_t>(end - rest_.begin()));
        rest_.remove_prefix(out.size());
        return out;
    }
    std::string_view takeWord() {
        return take([](char c) { return c != ' ' && c != '\t'; });
    }
    std::string_view takeName() { return isDigit(next()) ? std::string_view() : take(isNamePart); }
    std::string_view rest() const { return rest_; }

  private:
    std::string_view rest_;
};

/// The text with its escapes replaced: \\, \n and \". Nothing for another escape.
std::optional<std::string> unescaped(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '\\') {
            out += text[i];
            continue;
        }
        const char c = ++i < text.size() ? text[i] : ' ';
        if (c != '\\' && c != 'n' && c != '"') {
            return std::nullopt;
        }
        out += c == 'n' ? '\n' : c;
    }
    return out;
}

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
        const auto words = unescaped(text);
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
        const auto name = line.takeName();
        if (name.empty()) {
            refuse("invalid metric name");
            return;
        }
        const auto [family, part] = familyOf(name);
        family.has_type = true;
        line.skipBlanks();
        LabelList labels;
        std::optional<double> bound;
        if (line.next() == '{' && !readLabels(line, family.family.type, labels, bound)) {
            return;
        }
        const auto word = line.takeWord();
        const auto value = toFloat(word);
        if (!value) {
            refuse("expected a number, got \"" + printable(std::string(word.substr(0, 80))) + "\"");
        } else if (!line.atEnd()) {
            refuse("something follows the value: timestamps are not supported");
        } else {
            add(family, part, std::move(labels), bound, *value);
        }
    }

    bool readLabels(Line& line, MetricType type, LabelList& out, std::optional<double>& bound) {
        const std::string_view special = type == MetricType::Histogram ? "le"
                                         : type == MetricType::Summary ? "quantile"
                                                                       : "";
        line.skip();
        while (true) {
            line.skipBlanks();
            if (line.next() == '}') {
                line.skip();
                line.skipBlanks();
                return true;
            }
            const std::string name(isDigit(line.next()) ? std::string_view() : line.take(isWordPart));
            line.skipBlanks();
            if (name.empty() || name == "__name__" || line.next() != '=') {
                return refuse("invalid name of a label");
            }
            line.skip();
            line.skipBlanks();
            const auto value = readValue(line);
            if (!value) {
                return false;
            }
            if (name == special) {
                bound = toFloat(*value);
                if (!bound) {
                    return refuse("the label " + name + " is no number");
                }
            } else if (std::any_of(out.begin(), out.end(),
                                   [&](const auto& label) { return label.name == name; })) {
                return refuse("the label " + name + " stands twice");
            } else {
                out.push_back({name, *value});
            }
            line.skipBlanks();
            if (line.next() == ',') {
                line.skip();
            } else if (line.next() != '}') {
                return refuse("unexpected end of a label's value");
            }
        }
    }

    std::optional<std::string> readValue(Line& line) {
        if (line.next() != '"') {
            refuse("a label's value has no quotes");
            return std::nullopt;
        }
        line.skip();
        bool escape = false;
        const auto raw = line.take([&](char c) {
            const bool ends = c == '"' && !escape;
            escape = c == '\\' && !escape;
            return !ends;
        });
        auto value = unescaped(raw);
        if (line.atEnd() || !value || !isValidUtf8(*value)) {
            refuse("invalid value of a label");
            return std::nullopt;
        }
        line.skip();
        return value;
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
