#include <unistd.h>

#include <memory>
#include <string>

#include "agent/probes/kind.h"
#include "agent/probes/switch.h"
#include "agent/probes/textfile/textfile.h"
#include "common/config/reader.h"

namespace lapwing::agent {

namespace {

/// Where Debian's packages write, for prometheus-node-exporter.
constexpr const char* kDirectory = "/var/lib/prometheus/node-exporter";

std::string configureTextfile(const config::Node& node, const ProbeContext& context,
                              std::vector<ProbeSpec>& out) {
    const auto wanted = switchOf(node);
    if (wanted == Switch::off) {
        return "textfile: off (configured)";
    }
    std::string directory = kDirectory;
    if (wanted == Switch::given) {
        node.allow({"directory"});
        node["directory"].read(directory);
        if (!directory.starts_with('/')) {
            node.problem(node.path() + ".directory must be an absolute path");
        }
    } else if (wanted == Switch::detect && ::access(kDirectory, F_OK) != 0) {
        return std::string("textfile: off (there is no ") + kDirectory + ")";
    }
    ProbeSpec spec;
    spec.job = "textfile";
    spec.instance = context.host;
    spec.probe = std::make_unique<textfile::TextfileProbe>(directory);
    out.push_back(std::move(spec));
    return "textfile: on (" + directory + ")";
}

}  // namespace

ProbeKind textfileProbe() {
    return {"textfile", "metrics of others, from *.prom files as node_exporter reads them",
            &configureTextfile};
}

}  // namespace lapwing::agent
