#include "common/model/label_text.h"

#include <cstddef>

namespace lapwing {
namespace {

constexpr std::size_t kLongest = 300;

bool continuesCharacter(char c) {
    return (static_cast<unsigned char>(c) & 0xc0U) == 0x80U;
}

}  // namespace

std::string shortText(const Labels& labels) {
    auto text = labels.toString();
    if (text.size() <= kLongest) {
        return text;
    }
    std::size_t end = kLongest;
    while (end > 0 && continuesCharacter(text[end])) {
        --end;
    }
    text.resize(end);
    return text + "...";
}

}  // namespace lapwing
