// Templates in the labels and annotations of rule files.
#include "collector/rules/template/template.h"

#include <cstddef>
#include <cstdint>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace lapwing;
    const auto parsed = rules::Template::parse({reinterpret_cast<const char*>(data), size});
    if (!parsed) {
        return 0;
    }
    rules::TemplateData known;
    known.labels = Labels{{"instance", "web-01"}, {"job", "node"}};
    known.value = 1.5;
    known.query = [](std::string_view) -> Expected<std::vector<rules::TemplateSample>> {
        return std::vector<rules::TemplateSample>(2);
    };
    static_cast<void>(parsed->expand(known));
    return 0;
}
