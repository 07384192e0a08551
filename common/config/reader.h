#pragma once

#include <yaml-cpp/yaml.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/error.h"

namespace lapwing::config {

/// A mistake in a file. Lines and columns count from 1; both are 0 without a place (a missing file).
struct Problem {
    std::string file;
    int line = 0;
    int column = 0;
    std::string message;

    std::string toString() const;  ///< "FILE:LINE:COLUMN: message"
};

class Reader;

/// A place in a YAML file, with typed reads that never throw. A wrong value becomes a Problem of the Reader,
/// and the target of the read keeps its default. One pass so reports every mistake.
class Node {
  public:
    Node(Reader& reader, const YAML::Node& node, std::string path);

    bool present() const { return present_; }
    bool isMap() const { return present_ && node_.IsMap(); }
    bool isSequence() const { return present_ && node_.IsSequence(); }
    bool isScalar() const { return present_ && node_.IsScalar(); }

    /// The child under `key`; an absent node if the key is missing or this is not a map.
    Node operator[](std::string_view key) const;
    /// Reports keys that are not in `known` (with "did you mean") and keys that occur twice, or that this is
    /// not a map.
    void allow(std::initializer_list<std::string_view> known) const;
    void allow(const std::vector<std::string>& known) const;
    /// Calls `each` for every entry of a sequence; a single scalar or map counts as a sequence of one.
    void forEach(const std::function<void(Node)>& each) const;
    /// Calls `each(key, value)` for every entry of a map.
    void forEachPair(const std::function<void(const std::string&, Node)>& each) const;

    void read(std::string& out) const;
    void read(bool& out) const;
    void read(int& out, int least, int most) const;
    void read(double& out) const;
    void read(std::vector<std::string>& out) const;
    /// One of several words, each with the value that it stands for.
    template <class T>
    void readOneOf(T& out, std::initializer_list<std::pair<const char*, T>> choices) const {
        std::vector<std::string> words;
        for (const auto& [word, value] : choices) {
            words.emplace_back(word);
        }
        if (const auto chosen = choose(words)) {
            out = (choices.begin() + *chosen)->second;
        }
    }
    /// "10s", "1h30m", "500ms", "90d" as Prometheus writes durations; in milliseconds.
    void readDuration(std::int64_t& out_ms) const;
    /// "512MB", "1GiB", or a plain number of bytes.
    void readBytes(std::int64_t& out) const;
    /// The text of the scalar; "" if this is not a scalar.
    std::string text() const;
    /// The file in which it stands.
    std::string file() const;
    int line() const;
    int column() const;

    /// Reports a mistake at this place.
    void problem(std::string message) const;
    /// "probes.mysql[0].socket"
    const std::string& path() const { return path_; }

  private:
    template <class T>
    std::optional<T> convert(const char* expected) const;
    /// The index of the word that stands here; a problem if it is another one.
    std::optional<std::size_t> choose(const std::vector<std::string>& words) const;
    YAML::Mark place() const;

    Reader* reader_;
    YAML::Node node_;
    std::string path_;
    bool present_;
};

/// The directory of the files that complete a configuration file: "/etc/lapwing/agent.yaml" has
/// "/etc/lapwing/agent.d".
std::string directoryBeside(const std::string& path);

/// Reads YAML files and gathers their problems. Not synchronised.
class Reader {
  public:
    /// A file that cannot be read or parsed is a Problem, and the Node is absent.
    Node file(const std::string& path);
    /// Like file(), with the files *.yaml of directoryBeside() merged over it in the order of their names:
    /// maps are merged by key, a later scalar or list replaces the earlier value, and an empty value changes
    /// nothing. Of the files beside it, `fragment` is left out, or counts with `replacement` for its content,
    /// whether or not it exists. Problems name the file in which the value stands. Limits: kMostBeside files,
    /// and 4 MiB of all files together; more is a Problem.
    Node fileAndDirectory(const std::string& path, const std::string& fragment = "",
                          const std::optional<std::string>& replacement = std::nullopt);
    static constexpr std::size_t kMostBeside = 100;
    /// Like file(), from memory. Problems name `name` as the file.
    Node text(const std::string& yaml, const std::string& name);

    void add(Problem problem) { problems_.push_back(std::move(problem)); }
    const std::vector<Problem>& problems() const { return problems_; }
    bool ok() const { return problems_.empty(); }

  private:
    friend class Node;
    /// A file that was read, and the line of the whole configuration before its first one: the lines of
    /// several files are counted on, since a YAML node knows its line and no file.
    struct Source {
        std::string name;
        int lines_before = 0;
    };
    std::optional<std::string> content(const std::string& path, std::size_t most);
    YAML::Node parse(const std::string& yaml, const std::string& name);
    Problem problemAt(const YAML::Mark& mark, std::string message) const;

    std::vector<Source> sources_;
    std::vector<Problem> problems_;
};

/// Prometheus' duration syntax: units y, w, d, h, m, s, ms in this order, each at most once; "0" is allowed.
Expected<std::int64_t> parseDuration(std::string_view text);
/// As Prometheus prints durations: 90000 -> "1m30s".
std::string formatDuration(std::int64_t ms);
/// The text as a YAML scalar in double quotes, on one line.
std::string quoted(std::string_view text);
/// The candidate nearest to `word` by edit distance; nothing if none is near.
std::optional<std::string> nearest(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace lapwing::config
