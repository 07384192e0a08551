#include "common/model/labels.h"

#include <algorithm>
#include <functional>

#include "common/characters.h"
#include "common/model/quote.h"

namespace lapwing {

Labels::Labels(std::initializer_list<Label> labels) : Labels(std::vector<Label>(labels)) {}

Labels::Labels(std::vector<Label> labels) {
    std::stable_sort(labels.begin(), labels.end(),
                     [](const Label& a, const Label& b) { return a.name < b.name; });
    labels_.reserve(labels.size());
    for (auto& label : labels) {
        if (!labels_.empty() && labels_.back().name == label.name) {
            labels_.back() = std::move(label);
        } else {
            labels_.push_back(std::move(label));
        }
    }
    std::erase_if(labels_, [](const Label& label) { return label.value.empty(); });
}

std::string_view Labels::get(std::string_view name) const {
    const auto it = std::lower_bound(labels_.begin(), labels_.end(), name,
                                     [](const Label& label, std::string_view n) { return label.name < n; });
    return it != labels_.end() && it->name == name ? std::string_view(it->value) : std::string_view();
}

void Labels::set(std::string_view name, std::string_view value) {
    if (value.empty()) {
        erase(name);
        return;
    }
    const auto it = std::lower_bound(labels_.begin(), labels_.end(), name,
                                     [](const Label& label, std::string_view n) { return label.name < n; });
    if (it != labels_.end() && it->name == name) {
        it->value = value;
    } else {
        labels_.insert(it, Label{std::string(name), std::string(value)});
    }
}

void Labels::erase(std::string_view name) {
    std::erase_if(labels_, [&](const Label& label) { return label.name == name; });
}

std::uint64_t Labels::hash() const {
    std::uint64_t hash = 0xcbf29ce484222325U;
    const auto mix = [&hash](std::string_view text) {
        hash = (hash ^ std::hash<std::string_view>{}(text)) * 0x100000001b3U;
        hash ^= hash >> 29;
    };
    for (const auto& label : labels_) {
        mix(label.name);
        mix(label.value);
    }
    return hash;
}

std::string Labels::toString() const {
    std::string out(metricName());
    bool first = true;
    for (const auto& label : labels_) {
        if (label.name == "__name__") {
            continue;
        }
        out += first ? "{" : ", ";
        first = false;
        out += label.name;
        out += '=';
        out += quote(label.value);
    }
    if (!first) {
        out += '}';
    } else if (out.empty()) {
        out = "{}";
    }
    return out;
}

bool isValidMetricName(std::string_view name) {
    if (name.empty() || (!isWordStart(name[0]) && name[0] != ':')) {
        return false;
    }
    return std::all_of(name.begin(), name.end(), [](char c) { return isWordPart(c) || c == ':'; });
}

bool isValidLabelName(std::string_view name) {
    if (name.empty() || !isWordStart(name[0])) {
        return false;
    }
    return std::all_of(name.begin(), name.end(), [](char c) { return isWordPart(c); });
}

namespace {

/// The bytes of the first character; 0 where the text does not begin with one.
std::size_t firstCharacter(std::string_view text) {
    const auto c = static_cast<unsigned char>(text[0]);
    if (c < 0x80) {
        return 1;
    }
    std::size_t extra = 0;
    std::uint32_t code = 0;
    if ((c & 0xe0) == 0xc0) {
        extra = 1;
        code = c & 0x1f;
    } else if ((c & 0xf0) == 0xe0) {
        extra = 2;
        code = c & 0x0f;
    } else if ((c & 0xf8) == 0xf0) {
        extra = 3;
        code = c & 0x07;
    } else {
        return 0;
    }
    if (text.size() <= extra) {
        return 0;
    }
    for (std::size_t k = 1; k <= extra; ++k) {
        const auto next = static_cast<unsigned char>(text[k]);
        if ((next & 0xc0) != 0x80) {
            return 0;
        }
        code = (code << 6) | (next & 0x3f);
    }
    static constexpr std::uint32_t least[] = {0, 0x80, 0x800, 0x10000};
    if (code < least[extra] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) {
        return 0;
    }
    return extra + 1;
}

}  // namespace

bool isValidUtf8(std::string_view text) {
    while (!text.empty()) {
        const auto length = firstCharacter(text);
        if (length == 0) {
            return false;
        }
        text.remove_prefix(length);
    }
    return true;
}

std::string asUtf8(std::string text) {
    if (isValidUtf8(text)) {
        return text;
    }
    static constexpr char digits[] = "0123456789abcdef";
    std::string out;
    for (std::string_view rest(text); !rest.empty();) {
        const auto length = firstCharacter(rest);
        if (length == 0) {
            const auto byte = static_cast<unsigned char>(rest[0]);
            out += {'\\', 'x', digits[byte >> 4], digits[byte & 0xf]};
        } else {
            out += rest.substr(0, length);
        }
        rest.remove_prefix(std::max<std::size_t>(length, 1));
    }
    return out;
}

}  // namespace lapwing
