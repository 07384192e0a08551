#pragma once

#include <yaml-cpp/yaml.h>

#include <functional>
#include <optional>
#include <string>

namespace lapwing::config {

/// A mistake at a place of a YAML text, whose lines and columns count from 0.
struct YamlMistake {
    YAML::Mark place;
    std::string message;
};

/// The first alias (`*name`) that makes the first document of `yaml` unusable: it stands inside its own
/// anchor, or the document with all aliases written out exceeds 400,000 nodes and ten times its own nodes.
/// Throws YAML::Exception for text that is not YAML.
std::optional<YamlMistake> unusableAlias(const std::string& yaml);

/// Resolves the merge keys (`<<`, https://yaml.org/type/merge.html) of all maps below `root` in place. A key
/// of the map itself wins over merged keys, and the first of several merged maps wins over later ones. Merged
/// keys keep the place at which they are written. Calls `report` for each value that is neither a map nor a
/// list of maps. unusableAlias() must have found nothing.
void resolveMergeKeys(const YAML::Node& root, const std::function<void(const YamlMistake&)>& report);

}  // namespace lapwing::config
