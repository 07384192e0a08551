#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lapwing {

struct Label {
    std::string name;
    std::string value;
    auto operator<=>(const Label&) const = default;
};

/// A label that looks into somebody else's memory.
struct LabelView {
    std::string_view name;
    std::string_view value;
};

/// A series' identity: labels sorted by name, names unique, no empty value (an empty value is an absent
/// label, as in Prometheus). The metric's name is the label `__name__`. Plain value type, not synchronised.
class Labels {
  public:
    Labels() = default;
    Labels(std::initializer_list<Label> labels);
    /// Sorts; of two labels with one name the last stays; empty values are left out.
    explicit Labels(std::vector<Label> labels);

    /// The value, or "" if there is no such label.
    std::string_view get(std::string_view name) const;
    bool has(std::string_view name) const { return !get(name).empty(); }
    std::string_view metricName() const { return get("__name__"); }

    /// Sets a label; an empty value removes it.
    void set(std::string_view name, std::string_view value);
    void erase(std::string_view name);

    bool empty() const { return labels_.empty(); }
    std::size_t size() const { return labels_.size(); }
    auto begin() const { return labels_.begin(); }
    auto end() const { return labels_.end(); }
    const std::vector<Label>& items() const { return labels_; }

    /// Not stable across versions: for hash tables, not for storing.
    std::uint64_t hash() const;
    /// `name{a="b",c="d"}`, values quoted as Go's strconv.Quote does for what Prometheus prints.
    std::string toString() const;

    /// Order as Prometheus': pairwise by name, then value; a prefix comes first.
    auto operator<=>(const Labels&) const = default;
    bool operator==(const Labels&) const = default;

  private:
    std::vector<Label> labels_;
};

struct LabelsHash {
    std::size_t operator()(const Labels& labels) const { return labels.hash(); }
};

/// [a-zA-Z_:][a-zA-Z0-9_:]*
bool isValidMetricName(std::string_view name);
/// [a-zA-Z_][a-zA-Z0-9_]*
bool isValidLabelName(std::string_view name);
bool isValidUtf8(std::string_view text);

}  // namespace lapwing
