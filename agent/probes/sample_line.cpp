#include "agent/probes/sample_line.h"

#include <charconv>
#include <limits>
#include <system_error>
#include <utility>

#include "common/characters.h"
#include "common/model/labels.h"
#include "common/text.h"

namespace lapwing::agent {

namespace {

tl::unexpected<Error> invalid(std::string why) {
    return fail(ErrorKind::invalid, std::move(why));
}

bool has(const LabelList& labels, std::string_view name) {
    return std::any_of(labels.begin(), labels.end(), [&](const auto& label) { return label.name == name; });
}

/// A text in quotes, of which the first comes next.
Expected<std::string> readQuoted(Line& line, Rules rules) {
    line.skip();
    bool escape = false;
    const auto raw = line.take([&](char c) {
        const bool ends = c == '"' && !escape;
        escape = c == '\\' && !escape;
        return !ends;
    });
    auto text = unescaped(raw, rules);
    if (line.atEnd() || !text || !isValidUtf8(*text)) {
        return invalid("invalid text in quotes");
    }
    line.skip();
    return std::move(*text);
}

/// One label, or the metric's name in quotes.
Expected<void> readLabel(Line& line, Rules rules, SampleLine& out) {
    std::string name;
    if (rules == Rules::prometheus && line.next() == '"') {
        auto quoted = readQuoted(line, rules);
        if (!quoted) {
            return tl::unexpected(quoted.error());
        }
        line.skipBlanks();
        if (line.next() != '=') {
            if (!out.name.empty()) {
                return invalid("a second name of the metric");
            }
            out.name = std::move(*quoted);
            return {};
        }
        name = std::move(*quoted);
    } else {
        name = isDigit(line.next()) ? std::string_view() : line.take(isWordPart);
        line.skipBlanks();
    }
    if (name.empty() || name == "__name__" || line.next() != '=') {
        return invalid("invalid name of a label");
    }
    line.skip();
    line.skipBlanks();
    if (line.next() != '"') {
        return invalid("a label's value has no quotes");
    }
    auto value = readQuoted(line, rules);
    if (!value) {
        return invalid("invalid value of a label");
    }
    if (has(out.labels, name)) {
        return invalid("the label " + name + " stands twice");
    }
    if (out.labels.size() == kMostLabelsOfLine) {
        return invalid("more than " + std::to_string(kMostLabelsOfLine) + " labels");
    }
    out.labels.push_back({std::move(name), std::move(*value)});
    return {};
}

Expected<void> readLabels(Line& line, Rules rules, SampleLine& out) {
    line.skip();
    while (true) {
        line.skipBlanks();
        if (line.next() == '}') {
            line.skip();
            return {};
        }
        if (auto read = readLabel(line, rules, out); !read) {
            return read;
        }
        line.skipBlanks();
        if (line.next() == ',') {
            line.skip();
        } else if (line.next() != '}') {
            return invalid("unexpected end of a label's value");
        }
    }
}

}  // namespace

std::string_view Line::takeWord() {
    return take([](char c) { return c != ' ' && c != '\t'; });
}

std::string_view Line::takeName() {
    return isDigit(next()) ? std::string_view() : take([](char c) { return isWordPart(c) || c == ':'; });
}

std::optional<std::string> unescaped(std::string_view text, Rules rules) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '\\') {
            out += text[i];
            continue;
        }
        const char c = ++i < text.size() ? text[i] : ' ';
        if (c == '\\' || c == 'n' || c == '"') {
            out += c == 'n' ? '\n' : c;
        } else if (rules == Rules::node_exporter) {
            return std::nullopt;
        } else {
            out += text.substr(i - 1, 2);
        }
    }
    return out;
}

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

Expected<SampleLine> readSample(Line& line, Rules rules) {
    SampleLine out;
    out.name = line.takeName();
    if (out.name.empty() && !(rules == Rules::prometheus && line.next() == '{')) {
        return invalid("invalid metric name");
    }
    line.skipBlanks();
    if (line.next() == '{') {
        if (auto read = readLabels(line, rules, out); !read) {
            return tl::unexpected(read.error());
        }
        line.skipBlanks();
    }
    if (out.name.empty()) {
        return invalid("a sample has no name");
    }
    const auto word = line.takeWord();
    const auto value = toFloat(word);
    if (!value) {
        return invalid("expected a number, got \"" + printable(std::string(word.substr(0, 80))) + "\"");
    }
    out.value = *value;
    return out;
}

void renameReserved(LabelList& labels) {
    for (const std::string name : {"job", "instance", "agent"}) {
        auto free = "exported_" + name;
        while (has(labels, free)) {
            free.insert(0, "exported_");
        }
        for (auto& label : labels) {
            label.name = label.name == name ? free : label.name;
        }
    }
}

}  // namespace lapwing::agent
