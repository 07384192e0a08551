#include "agent/probes/logs/access_line.h"

#include <algorithm>
#include <utility>

#include "agent/probes/text.h"
#include "common/characters.h"

namespace lapwing::agent::logs {

namespace {

constexpr std::array<std::string_view, kFields> kNames{
    "server_name",     "request",         "request_method",        "status",
    "body_bytes_sent", "bytes_sent",      "request_length",        "request_time",
    "upstream_addr",   "upstream_status", "upstream_response_time"};

/// Values of clients may hold the text that separates fields. A line of a sane format takes a step a field.
constexpr int kMostSteps = 2000;
constexpr double kMostAmount = 1e15;

std::optional<Field> fieldOf(std::string_view name) {
    const auto* const found = std::find(kNames.begin(), kNames.end(), name);
    return found == kNames.end() ? std::nullopt : std::optional(static_cast<Field>(found - kNames.begin()));
}

/// Whether Nginx may write the value for the field.
bool fits(Field field, std::string_view value) {
    switch (field) {
        case Field::status:
            return value.size() == 3 && std::all_of(value.begin(), value.end(), isDigit);
        case Field::body_bytes_sent:
        case Field::bytes_sent:
        case Field::request_length:
        case Field::request_time:
            return value == "-" || amountOf(value).has_value();
        case Field::upstream_status:
        case Field::upstream_response_time: {
            const auto list = upstreamList(value);
            return std::all_of(list.begin(), list.end(),
                               [](auto each) { return each == "-" || amountOf(each).has_value(); });
        }
        default:
            return true;
    }
}

/// The name of the variable that begins behind a dollar sign, and its end in the text.
std::pair<std::string_view, std::size_t> variableAt(std::string_view text, std::size_t at) {
    const bool braced = at < text.size() && text[at] == '{';
    const auto start = at + (braced ? 1 : 0);
    auto end = start;
    while (end < text.size() && isWordPart(text[end])) {
        ++end;
    }
    const auto name = text.substr(start, end - start);
    return {name, braced && end < text.size() && text[end] == '}' ? end + 1 : end};
}

std::string textOf(const json::Value& value) {
    if (value.IsUint64()) {
        return std::to_string(value.GetUint64());
    }
    json::Writer out;
    json::write(out, value.GetDouble());
    return out.text();
}

}  // namespace

std::string_view nameOf(Field field) {
    return kNames[static_cast<std::size_t>(field)];
}

std::optional<double> amountOf(std::string_view text) {
    const auto value = toNumber(text);
    return value && *value >= 0 && *value <= kMostAmount ? value : std::nullopt;
}

Expected<AccessReader> AccessReader::ofFormat(std::string_view format) {
    AccessReader out;
    std::string text;
    const auto close = [&] { (out.pieces_.empty() ? out.begin_ : out.pieces_.back().after) = text; };
    for (std::size_t at = 0; at < format.size();) {
        const auto [name, end] =
            format[at] == '$' ? variableAt(format, at + 1) : std::pair(std::string_view(), at);
        if (name.empty()) {
            text += format[at++];
            continue;
        }
        if (text.empty() && !out.pieces_.empty()) {
            if (!fieldOf(name) && !out.pieces_.back().field) {  // nobody needs either value
                at = end;
                continue;
            }
            return fail(ErrorKind::invalid, "the format has no text before $" + std::string(name) +
                                                ": its value cannot be told from the one before");
        }
        close();
        text.clear();
        out.pieces_.push_back({fieldOf(name), {}});
        at = end;
    }
    close();
    return out;
}

AccessReader AccessReader::ofJson(std::map<Field, std::string> keys) {
    AccessReader out;
    out.is_json_ = true;
    out.keys_ = std::move(keys);
    for (std::size_t i = 0; i < kFields; ++i) {
        out.keys_.try_emplace(static_cast<Field>(i), kNames[i]);
    }
    return out;
}

bool AccessReader::match(std::string_view line, std::size_t piece, std::size_t at, int& steps,
                         AccessLine& out) const {
    if (piece == pieces_.size()) {
        return at == line.size();
    }
    const auto& [field, after] = pieces_[piece];
    for (auto from = at; --steps >= 0;) {
        const auto end = after.empty() ? line.size() : line.find(after, from);
        if (end == std::string_view::npos) {
            return false;
        }
        const auto value = line.substr(at, end - at);
        if ((!field || fits(*field, value)) && match(line, piece + 1, end + after.size(), steps, out)) {
            if (field) {
                out.set(*field, value);
            }
            return true;
        }
        if (after.empty()) {
            return false;
        }
        from = end + 1;
    }
    return false;
}

std::optional<AccessLine> AccessReader::read(std::string_view line) {
    if (is_json_) {
        return readJson(line);
    }
    AccessLine out;
    int steps = kMostSteps;
    const bool matches = line.starts_with(begin_) && match(line, 0, begin_.size(), steps, out);
    return matches ? std::optional(out) : std::nullopt;
}

std::optional<AccessLine> AccessReader::readJson(std::string_view line) {
    auto read = json::read(line);
    if (!read || !read->IsObject()) {
        return std::nullopt;
    }
    document_ = std::move(*read);
    AccessLine out;
    for (const auto& [field, key] : keys_) {
        const auto& value = json::member(document_, key);
        auto& number = numbers_[static_cast<std::size_t>(field)];
        std::string_view text;
        if (value.IsString()) {
            text = {value.GetString(), value.GetStringLength()};
        } else if (value.IsNumber()) {
            number = textOf(value);
            text = number;
        } else {
            continue;
        }
        if (field != Field::status && !fits(field, text) && text.empty()) {
            continue;
        }
        if (!fits(field, text)) {
            return std::nullopt;
        }
        out.set(field, text);
    }
    return out[Field::status] ? std::optional(out) : std::nullopt;
}

std::vector<std::string_view> upstreamList(std::string_view text) {
    std::vector<std::string_view> out;
    if (text.empty() || text == "-") {
        return out;
    }
    while (true) {
        const auto comma = text.find(", ");
        const auto colon = text.find(" : ");
        const auto end = std::min(comma, colon);
        out.push_back(text.substr(0, end));
        if (end == std::string_view::npos) {
            return out;
        }
        text.remove_prefix(end + (comma < colon ? 2 : 3));
    }
}

}  // namespace lapwing::agent::logs
