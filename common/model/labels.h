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

/// A label that refers to memory that it does not own.
struct LabelView {
    std::string_view name;
    std::string_view value;
};

/// The identity of a series: labels sorted by name, with unique names and without empty values (as in
/// Prometheus, an empty value is an absent label). The metric's name is the label `__name__`. A value type,
/// not synchronised.
class Labels {
  public:
    Labels() = default;
    Labels(std::initializer_list<Label> labels);
    /// Sorts the labels. The last of several labels with one name wins; empty values are left out.
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

    /// For hash tables, not for storing: it differs between versions.
    std::uint64_t hash() const;
    /// `name{a="b", c="d"}` as Prometheus prints it, with values quoted as by Go's strconv.Quote.
    std::string toString() const;

    /// Prometheus' order: pairwise by name, then value; a prefix comes first.
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
/// The text; where it is not UTF-8, each byte that belongs to no character becomes "\xNN". Names from the
/// kernel and from servers may hold any bytes, and a series with other labels is refused. Different texts
/// stay different, but for a text that spells such an escape itself.
std::string asUtf8(std::string text);

}  // namespace lapwing
