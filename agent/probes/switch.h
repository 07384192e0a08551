#pragma once

#include "common/config/reader.h"

namespace lapwing::agent {

/// What `probes.NAME` of the configuration says.
enum class Switch {
    detect,  ///< the key is absent
    off,
    on,     ///< with the defaults, even if nothing is detected
    given,  ///< a map or a list of maps
};

/// Reports a scalar that is neither `on` nor `off`; it counts as `off`.
inline Switch switchOf(const config::Node& node) {
    if (!node.present()) return Switch::detect;
    if (!node.isScalar()) return Switch::given;
    const auto text = node.text();
    if (text == "on" || text == "true" || text == "yes") return Switch::on;
    if (text != "off" && text != "false" && text != "no") {
        node.problem(node.path() + " must be on, off or a list of what to probe");
    }
    return Switch::off;
}

}  // namespace lapwing::agent
