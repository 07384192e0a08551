#include "collector/storage/series_row.h"

#include "collector/storage/bytes.h"

namespace lapwing::storage {

std::string encodeLabels(const Labels& labels) {
    std::string out;
    for (const auto& label : labels) {
        putString(out, label.name);
        putString(out, label.value);
    }
    return out;
}

Expected<Labels> decodeLabels(std::string_view data) {
    ByteReader in(data);
    std::vector<Label> labels;
    while (in.remaining() > 0 && !in.failed()) {
        const auto name = in.string();
        const auto value = in.string();
        labels.push_back(Label{std::string(name), std::string(value)});
    }
    if (in.failed() || labels.empty()) return fail(ErrorKind::internal, "a series' labels are damaged");
    return Labels(std::move(labels));
}

}  // namespace lapwing::storage
