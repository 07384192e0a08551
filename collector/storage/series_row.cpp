#include "collector/storage/series_row.h"

#include "collector/storage/bytes.h"

namespace lapwing::storage {

std::size_t bytesOf(const Labels& labels) {
    std::size_t bytes = 0;
    for (const auto& label : labels) {
        bytes += label.name.size() + label.value.size();
    }
    return bytes;
}

std::string encodeLabels(const Labels& labels) {
    std::string out;
    for (const auto& label : labels) {
        putString(out, label.name);
        putString(out, label.value);
    }
    return out;
}

Expected<void> decodeLabels(std::string_view data, std::vector<LabelView>& out) {
    const auto damaged = [] { return fail(ErrorKind::internal, "a series' labels are damaged"); };
    out.clear();
    ByteReader in(data);
    while (in.remaining() > 0) {
        const auto name = in.string();
        const auto value = in.string();
        if (in.failed() || value.empty() || (!out.empty() && out.back().name >= name)) {
            return damaged();
        }
        out.push_back({name, value});
    }
    if (out.empty()) {
        return damaged();
    }
    return {};
}

}  // namespace lapwing::storage
