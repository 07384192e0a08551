#include "common/config/aliases.h"

#include <yaml-cpp/eventhandler.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <sstream>
#include <utility>
#include <vector>

namespace lapwing::config {
namespace {

// Go's yaml.v3, which reads Prometheus' rule files, begins to doubt aliases at the same number.
constexpr std::uint64_t kManyNodes = 400'000;
constexpr std::uint64_t kMostGrowth = 10;
constexpr std::uint64_t kCountless = std::uint64_t{1} << 62U;

/// Counts the nodes of a document as it is written, and with its aliases written out.
class AliasCounter final : public YAML::EventHandler {
  public:
    void OnDocumentStart(const YAML::Mark& /*mark*/) override {}
    void OnDocumentEnd() override {}
    void OnNull(const YAML::Mark& /*mark*/, YAML::anchor_t anchor) override { leaf(anchor); }
    void OnScalar(const YAML::Mark& /*mark*/, const std::string& /*tag*/, YAML::anchor_t anchor,
                  const std::string& /*value*/) override {
        leaf(anchor);
    }
    void OnSequenceStart(const YAML::Mark& /*mark*/, const std::string& /*tag*/, YAML::anchor_t anchor,
                         YAML::EmitterStyle::value /*style*/) override {
        open(anchor);
    }
    void OnSequenceEnd() override { close(); }
    void OnMapStart(const YAML::Mark& /*mark*/, const std::string& /*tag*/, YAML::anchor_t anchor,
                    YAML::EmitterStyle::value /*style*/) override {
        open(anchor);
    }
    void OnMapEnd() override { close(); }
    void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
        const auto known = sizes_.find(anchor);
        if (known == sizes_.end()) {
            note(mark, "the alias stands inside its own anchor");
            return;
        }
        last_alias_ = mark;
        add(known->second);
    }

    std::optional<YamlMistake> mistake() const {
        if (mistake_ || !largest_ || expanded_ <= kMostGrowth * written_) {
            return mistake_;
        }
        return YamlMistake{
            *largest_,
            "the aliases would expand the file's " + std::to_string(written_) + " nodes to " +
                (expanded_ == kCountless ? "countless nodes" : std::to_string(expanded_) + " nodes") +
                "; at most " + std::to_string(kManyNodes) + " are allowed"};
    }

  private:
    struct Open {
        YAML::anchor_t anchor;
        std::uint64_t nodes;
    };

    void leaf(YAML::anchor_t anchor) {
        ++written_;
        sizes_[anchor] = 1;
        add(1);
    }

    void open(YAML::anchor_t anchor) {
        ++written_;
        open_.push_back({anchor, 1});
    }

    void close() {
        const auto closed = open_.back();
        open_.pop_back();
        sizes_[closed.anchor] = closed.nodes;
        add(closed.nodes);
    }

    /// Adds the nodes to the innermost container, or to the whole document.
    void add(std::uint64_t nodes) {
        auto& sum = open_.empty() ? expanded_ : open_.back().nodes;
        sum = std::min(kCountless, sum + nodes);
        if (sum > kManyNodes && !largest_) {
            largest_ = last_alias_;
        }
    }

    void note(const YAML::Mark& mark, std::string message) {
        if (!mistake_) {
            mistake_ = YamlMistake{mark, std::move(message)};
        }
    }

    std::uint64_t written_ = 0;
    std::uint64_t expanded_ = 0;
    std::map<YAML::anchor_t, std::uint64_t> sizes_;  ///< of the closed nodes, by anchor
    std::vector<Open> open_;
    std::optional<YAML::Mark> last_alias_;
    std::optional<YAML::Mark> largest_;  ///< the alias that made the document too large
    std::optional<YamlMistake> mistake_;
};

bool isMergeKey(const YAML::Node& key) {
    // A plain scalar has the tag "?", a quoted scalar "!".
    return key.IsScalar() && key.Scalar() == "<<" &&
           (key.Tag() == "?" || key.Tag().empty() || key.Tag() == "tag:yaml.org,2002:merge");
}

/// The maps that a merge key names, the most important first. Nothing for a value that is no map and no list
/// of maps.
std::optional<std::vector<YAML::Node>> mergedMaps(const YAML::Node& value) {
    if (value.IsMap()) {
        return {{value}};
    }
    if (!value.IsSequence()) {
        return std::nullopt;
    }
    std::vector<YAML::Node> maps;
    for (const auto& each : value) {
        if (!each.IsMap()) {
            return std::nullopt;
        }
        maps.push_back(each);
    }
    return maps;
}

void mergeInto(YAML::Node map, const std::function<void(const YamlMistake&)>& report) {
    std::set<std::string> keys;
    std::vector<std::pair<YAML::Node, YAML::Node>> merges;
    for (const auto& pair : map) {
        if (isMergeKey(pair.first)) {
            merges.emplace_back(pair.first, pair.second);
        } else if (pair.first.IsScalar()) {
            keys.insert(pair.first.Scalar());
        }
    }
    for (std::size_t i = 0; i < merges.size(); ++i) {
        const auto& [key, value] = merges[i];
        map.remove(key);
        if (i > 0) {
            report({key.Mark(), "the key \"<<\" is given twice"});
            continue;
        }
        const auto sources = mergedMaps(value);
        if (!sources) {
            report({key.Mark(), "the value of \"<<\" must be a map or a list of maps"});
            continue;
        }
        for (const auto& source : *sources) {
            for (const auto& pair : source) {
                if (!pair.first.IsScalar() || keys.insert(pair.first.Scalar()).second) {
                    map.force_insert(pair.first, pair.second);
                }
            }
        }
    }
}

}  // namespace

std::optional<YamlMistake> unusableAlias(const std::string& yaml) {
    std::istringstream in(yaml);
    YAML::Parser parser(in);
    AliasCounter counter;
    parser.HandleNextDocument(counter);
    return counter.mistake();
}

void resolveMergeKeys(const YAML::Node& root, const std::function<void(const YamlMistake&)>& report) {
    if (root.IsSequence()) {
        for (const auto& each : root) {
            resolveMergeKeys(each, report);
        }
    } else if (root.IsMap()) {
        for (const auto& pair : root) {
            resolveMergeKeys(pair.second, report);
        }
        mergeInto(root, report);
    }
}

}  // namespace lapwing::config
