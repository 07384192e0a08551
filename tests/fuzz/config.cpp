// Rule files and configurations, with everything that YAML allows.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "common/config/reader.h"
#include "common/json.h"

using namespace lapwing;

namespace {

void visit(const config::Node& node, int depth) {
    if (depth > 20) {
        return;
    }
    if (node.isMap()) {
        node.forEachPair([&](const std::string&, const config::Node& value) { visit(value, depth + 1); });
    } else if (node.isSequence()) {
        node.forEach([&](const config::Node& value) { visit(value, depth + 1); });
    } else {
        static_cast<void>(node.text());
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string text(reinterpret_cast<const char*>(data), size);
    config::Reader reader;
    const auto node = reader.text(text, "fuzz.yml");
    if (!reader.ok() && node.present() && reader.problems().empty()) {
        std::abort();
    }
    visit(node, 0);
    if (const auto document = json::read(text); document && document->HasParseError()) {
        std::abort();
    }
    return 0;
}
