#include "common/config/reader.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <map>
#include <numeric>
#include <set>
#include <sstream>
#include <system_error>

#include "common/config/aliases.h"
#include "common/config/manual.h"
#include "common/memory_budget.h"

namespace lapwing::config {
namespace {

constexpr std::size_t kMostFileBytes = 4U << 20;

struct Unit {
    std::string_view name;
    std::int64_t ms;
};

// Largest first, in the order that Prometheus requires.
constexpr std::array<Unit, 7> kUnits = {{{"y", 365LL * 86'400'000},
                                         {"w", 7LL * 86'400'000},
                                         {"d", 86'400'000},
                                         {"h", 3'600'000},
                                         {"m", 60'000},
                                         {"s", 1000},
                                         {"ms", 1}}};

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

/// How many lines to skip to get behind a text.
int linesOf(const std::string& text) {
    return static_cast<int>(std::count(text.begin(), text.end(), '\n')) + 1;
}

/// The message for a file of which `most` bytes may be read.
std::string tooLarge(std::size_t most) {
    return "is larger than " + std::to_string(kMostFileBytes >> 20U) + " MiB" +
           (most < kMostFileBytes ? ", with the files before it" : "");
}

/// The first line that a tab indents, of those that the parser had read when it gave up: it does not name the
/// tab.
std::optional<YAML::Mark> indentingTab(const std::string& yaml, int last_line) {
    std::istringstream in(yaml);
    std::string text;
    YAML::Mark mark;
    for (mark.line = 0; mark.line <= last_line && std::getline(in, text); ++mark.line) {
        const auto tab = text.find_first_not_of(' ');
        const auto content = text.find_first_not_of(" \t\r");
        if (content != std::string::npos && text[content] != '#' && text[tab] == '\t') {
            mark.column = static_cast<int>(tab);
            return mark;
        }
    }
    return std::nullopt;
}

/// Sorted by name.
std::vector<std::string> filesBeside(const std::string& path, Reader& reader) {
    const auto directory = directoryBeside(path);
    std::vector<std::string> out;
    std::error_code error;
    for (std::filesystem::directory_iterator entry(directory, error), end; !error && entry != end;
         entry.increment(error)) {
        const auto name = entry->path().filename().string();
        if (name.ends_with(".yaml") && !name.starts_with('.')) {
            out.push_back(entry->path().string());
        }
    }
    if (error && error != std::errc::no_such_file_or_directory) {
        reader.add({directory, 0, 0, "cannot be read: " + error.message()});
    }
    std::sort(out.begin(), out.end());
    return out;
}

/// Leaves both trees as they are: aliases may share their nodes. A key that one text gives twice stays twice,
/// for Node::allow() to report.
YAML::Node merged(const YAML::Node& base, const YAML::Node& over) {
    if (!over.IsDefined() || over.IsNull()) {
        return base;
    }
    if (!base.IsMap() || !over.IsMap()) {
        return over;
    }
    std::map<std::string, YAML::Node> later;
    for (const auto& pair : over) {
        if (pair.first.IsScalar()) {
            later.emplace(pair.first.Scalar(), pair.second);
        }
    }
    YAML::Node out(YAML::NodeType::Map);
    std::set<std::string> done;
    for (const auto& pair : base) {
        const auto found = pair.first.IsScalar() ? later.find(pair.first.Scalar()) : later.end();
        if (found == later.end()) {
            out.force_insert(pair.first, pair.second);
        } else {
            out.force_insert(pair.first, merged(pair.second, found->second));
            done.insert(found->first);
        }
    }
    for (const auto& pair : over) {
        if (!pair.first.IsScalar() || done.erase(pair.first.Scalar()) == 0) {
            out.force_insert(pair.first, pair.second);
        }
    }
    return out;
}

}  // namespace

std::string quoted(std::string_view text) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string out = "\"";
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte < 0x20 || byte == 0x7f) {
            out += {'\\', 'x', digits[byte >> 4U], digits[byte & 0xfU]};
        } else {
            out += c == '"' || c == '\\' ? std::string{'\\', c} : std::string(1, c);
        }
    }
    return out + "\"";
}

std::string directoryBeside(const std::string& path) {
    return std::filesystem::path(path).replace_extension(".d").string();
}

std::string Problem::toString() const {
    if (line == 0) {
        return file + ": " + message;
    }
    return file + ":" + std::to_string(line) + ":" + std::to_string(column) + ": " + message;
}

Expected<std::int64_t> parseDuration(std::string_view text) {
    const std::string quoted = "\"" + std::string(text) + "\"";
    if (text == "0") {
        return 0;
    }
    std::int64_t total = 0;
    std::size_t next_unit = 0;
    std::size_t i = 0;
    if (text.empty()) {
        return fail(ErrorKind::invalid, "empty duration string");
    }
    while (i < text.size()) {
        const std::size_t digits = i;
        while (i < text.size() && text[i] >= '0' && text[i] <= '9') {
            ++i;
        }
        std::size_t end = i;
        while (end < text.size() && text[end] >= 'a' && text[end] <= 'z') {
            ++end;
        }
        const auto name = text.substr(i, end - i);
        const auto unit = std::find_if(kUnits.begin() + static_cast<std::ptrdiff_t>(next_unit), kUnits.end(),
                                       [&](const Unit& u) { return u.name == name; });
        if (digits == i || i - digits > 15 || unit == kUnits.end()) {
            return fail(ErrorKind::invalid, "not a valid duration string: " + quoted);
        }
        const std::int64_t number = std::stoll(std::string(text.substr(digits, i - digits)));
        if (number > (std::numeric_limits<std::int64_t>::max() - total) / unit->ms) {
            return fail(ErrorKind::invalid, "duration out of range: " + quoted);
        }
        total += number * unit->ms;
        next_unit = static_cast<std::size_t>(unit - kUnits.begin()) + 1;
        i = end;
    }
    return total;
}

std::string formatDuration(std::int64_t ms) {
    if (ms == 0) {
        return "0s";
    }
    std::string out;
    if (ms < 0) {
        out = "-";
        ms = -ms;
    }
    for (const auto& unit : kUnits) {
        // Prometheus prints years and weeks only if they divide evenly.
        if ((unit.name == "y" || unit.name == "w") && ms % unit.ms != 0) {
            continue;
        }
        if (ms < unit.ms) {
            continue;
        }
        out += std::to_string(ms / unit.ms);
        out += unit.name;
        ms %= unit.ms;
    }
    return out;
}

std::optional<std::string> nearest(std::string_view word, const std::vector<std::string>& candidates) {
    std::optional<std::string> best;
    std::size_t best_distance = word.size() / 3 + 2;
    for (const auto& candidate : candidates) {
        std::vector<std::size_t> row(candidate.size() + 1);
        std::iota(row.begin(), row.end(), std::size_t{0});
        for (std::size_t i = 1; i <= word.size(); ++i) {
            std::size_t diagonal = row[0];
            row[0] = i;
            for (std::size_t j = 1; j <= candidate.size(); ++j) {
                const std::size_t substituted = diagonal + (word[i - 1] == candidate[j - 1] ? 0 : 1);
                diagonal = row[j];
                row[j] = std::min({row[j] + 1, row[j - 1] + 1, substituted});
            }
        }
        if (row.back() < best_distance) {
            best_distance = row.back();
            best = candidate;
        }
    }
    return best;
}

Node::Node(Reader& reader, const YAML::Node& node, std::string path)
    : reader_(&reader), node_(node), path_(std::move(path)), present_(node_.IsDefined() && !node_.IsNull()) {}

Node Node::operator[](std::string_view key) const {
    const std::string name(key);
    const std::string path = path_.empty() ? name : path_ + "." + name;
    if (!isMap()) {
        return {*reader_, YAML::Node(), path};
    }
    const YAML::Node& constant = node_;  // the non-const operator[] would create the key
    const YAML::Node child = constant[name];
    return {*reader_, child.IsDefined() ? child : YAML::Node(), path};
}

void Node::allow(std::initializer_list<std::string_view> known) const {
    allow(std::vector<std::string>(known.begin(), known.end()));
}

void Node::allow(const std::vector<std::string>& names) const {
    for (const auto& name : names) {
        AskedKeys::note(path_, name);
    }
    if (!present_) {
        return;
    }
    if (!node_.IsMap()) {
        problem((path_.empty() ? "the file" : path_) + " must be a map of keys to values");
        return;
    }
    std::set<std::string> seen;
    for (const auto& pair : node_) {
        const auto key = pair.first.IsScalar() ? pair.first.Scalar() : std::string();
        if (!seen.insert(key).second) {
            Node(*reader_, pair.first, path_).problem("the key \"" + key + "\" is given twice");
            continue;
        }
        if (std::find(names.begin(), names.end(), key) != names.end()) {
            continue;
        }
        std::string message = "unknown key \"" + key + "\"";
        if (!path_.empty()) {
            message += " in " + path_;
        }
        if (const auto meant = nearest(key, names)) {
            message += "; did you mean \"" + *meant + "\"?";
        }
        Node(*reader_, pair.first, path_).problem(message);
    }
}

void Node::forEach(const std::function<void(Node)>& each) const {
    if (!present_) {
        return;
    }
    if (!node_.IsSequence()) {
        each(*this);
        return;
    }
    std::size_t index = 0;
    for (const auto& entry : node_) {
        each(Node(*reader_, entry, path_ + "[" + std::to_string(index++) + "]"));
    }
}

void Node::forEachPair(const std::function<void(const std::string&, Node)>& each) const {
    if (!present_) {
        return;
    }
    if (!node_.IsMap()) {
        problem(path_ + " must be a map of keys to values");
        return;
    }
    for (const auto& pair : node_) {
        if (!pair.first.IsScalar()) {
            Node(*reader_, pair.first, path_).problem("a key must be plain text");
            continue;
        }
        const std::string& key = pair.first.Scalar();
        each(key, Node(*reader_, pair.second, path_.empty() ? key : path_ + "." + key));
    }
}

template <class T>
std::optional<T> Node::convert(const char* expected) const {
    if (!present_) {
        return std::nullopt;
    }
    T value{};
    if (!node_.IsScalar() || !YAML::convert<T>::decode(node_, value)) {
        problem(path_ + " must be " + expected);
        return std::nullopt;
    }
    return value;
}

void Node::read(std::string& out) const {
    if (auto value = convert<std::string>("text")) {
        out = std::move(*value);
    }
}

void Node::read(bool& out) const {
    if (const auto value = convert<bool>("true or false")) {
        out = *value;
    }
}

void Node::read(int& out, int least, int most) const {
    const auto value = convert<int>("a whole number");
    if (!value) {
        return;
    }
    if (*value < least || *value > most) {
        problem(path_ + " must be from " + std::to_string(least) + " to " + std::to_string(most));
        return;
    }
    out = *value;
}

void Node::read(double& out) const {
    if (const auto value = convert<double>("a number")) {
        out = *value;
    }
}

void Node::read(std::vector<std::string>& out) const {
    if (!present_) {
        return;
    }
    std::vector<std::string> values;
    forEach([&](const Node& entry) {
        std::string value;
        entry.read(value);
        values.push_back(std::move(value));
    });
    out = std::move(values);
}

std::optional<std::size_t> Node::choose(const std::vector<std::string>& words) const {
    const auto word = convert<std::string>("text");
    if (!word) {
        return std::nullopt;
    }
    std::string list;
    for (std::size_t i = 0; i < words.size(); ++i) {
        if (*word == words[i]) {
            return i;
        }
        list += (i == 0 ? "" : i + 1 == words.size() ? " or " : ", ") + words[i];
    }
    problem(path_ + " must be " + list);
    return std::nullopt;
}

void Node::readDuration(std::int64_t& out_ms) const {
    const auto value = convert<std::string>("a duration such as 10s or 1h30m");
    if (!value) {
        return;
    }
    const auto parsed = parseDuration(*value);
    if (!parsed) {
        problem(path_ + " must be a duration such as 10s or 1h30m: " + parsed.error().message);
        return;
    }
    out_ms = *parsed;
}

void Node::readBytes(std::int64_t& out) const {
    const auto value = convert<std::string>("a size such as 512MB");
    if (!value) {
        return;
    }
    std::size_t digits = 0;
    while (digits < value->size() && (*value)[digits] >= '0' && (*value)[digits] <= '9') {
        ++digits;
    }
    static constexpr std::array<Unit, 10> sizes = {{{"", 1},
                                                    {"B", 1},
                                                    {"KB", 1000},
                                                    {"MB", 1'000'000},
                                                    {"GB", 1'000'000'000},
                                                    {"TB", 1'000'000'000'000},
                                                    {"KiB", 1LL << 10},
                                                    {"MiB", 1LL << 20},
                                                    {"GiB", 1LL << 30},
                                                    {"TiB", 1LL << 40}}};
    const auto suffix = std::string_view(*value).substr(digits);
    const auto unit =
        std::find_if(sizes.begin(), sizes.end(), [&](const Unit& u) { return u.name == suffix; });
    if (digits == 0 || digits > 12 || unit == sizes.end()) {
        problem(path_ + " must be a size such as 512MB or 1GiB");
        return;
    }
    const std::int64_t number = std::stoll(value->substr(0, digits));
    if (number > std::numeric_limits<std::int64_t>::max() / unit->ms) {
        problem(path_ + " is too large");
        return;
    }
    out = number * unit->ms;
}

std::string Node::text() const {
    return isScalar() ? node_.Scalar() : std::string();
}

/// A map that was merged of several has no place of its own: its first key stands for it.
YAML::Mark Node::place() const {
    if (!present_) {
        return YAML::Mark::null_mark();
    }
    const auto mark = node_.Mark();
    return mark.is_null() && node_.IsMap() && node_.size() > 0 ? node_.begin()->first.Mark() : mark;
}

std::string Node::file() const {
    return reader_->problemAt(place(), "").file;
}

int Node::line() const {
    return reader_->problemAt(place(), "").line;
}

int Node::column() const {
    return reader_->problemAt(place(), "").column;
}

void Node::problem(std::string message) const {
    reader_->add(reader_->problemAt(place(), std::move(message)));
}

Problem Reader::problemAt(const YAML::Mark& mark, std::string message) const {
    const std::string name = sources_.empty() ? "" : sources_.front().name;
    if (mark.line < 0) {
        return {name, 0, 0, std::move(message)};
    }
    const auto after = std::find_if(sources_.begin(), sources_.end(),
                                    [&](const Source& each) { return each.lines_before > mark.line; });
    if (after == sources_.begin()) {
        return {name, mark.line + 1, mark.column + 1, std::move(message)};
    }
    const auto& source = *std::prev(after);
    return {source.name, mark.line - source.lines_before + 1, mark.column + 1, std::move(message)};
}

std::optional<std::string> Reader::content(const std::string& path, std::size_t most) {
    std::ifstream in(path, std::ios::binary);
    std::string content;
    std::array<char, 65'536> piece{};
    while (in.is_open() && content.size() <= most &&
           (in.read(piece.data(), piece.size()) || in.gcount() > 0)) {
        content.append(piece.data(), static_cast<std::size_t>(in.gcount()));
    }
    const bool too_large = content.size() > most;
    if (!in.is_open() || in.bad() || too_large) {
        add({path, 0, 0, too_large ? tooLarge(most) : "cannot be read"});
        return std::nullopt;
    }
    return content;
}

Node Reader::file(const std::string& path) {
    const auto yaml = content(path, kMostFileBytes);
    if (!yaml) {
        sources_ = {{path, 0}};
        return {*this, YAML::Node(), ""};
    }
    return text(*yaml, path);
}

Node Reader::fileAndDirectory(const std::string& path, const std::string& fragment,
                              const std::optional<std::string>& replacement) {
    const auto main = content(path, kMostFileBytes);
    sources_ = {{path, 0}};
    if (!main) {
        return {*this, YAML::Node(), ""};
    }
    YAML::Node root = parse(*main, path);
    std::size_t bytes = main->size();
    int lines = linesOf(*main);
    auto names = filesBeside(path, *this);
    std::erase(names, fragment);
    if (replacement) {
        names.insert(std::upper_bound(names.begin(), names.end(), fragment), fragment);
    }
    if (names.size() > kMostBeside) {
        add({directoryBeside(path), 0, 0,
             (replacement ? "would have " : "has ") + std::to_string(names.size()) +
                 " files *.yaml; at most " + std::to_string(kMostBeside) + " are read"});
        names.clear();
    }
    for (const auto& name : names) {
        const auto most = kMostFileBytes - bytes;
        auto yaml = name == fragment ? replacement : content(name, most);
        if (!yaml) {
            continue;
        }
        if (yaml->size() > most) {
            add({name, 0, 0, tooLarge(most)});
            continue;
        }
        bytes += yaml->size();
        if (yaml->starts_with(kByteOrderMark)) {
            yaml->erase(0, kByteOrderMark.size());
        }
        sources_.push_back({name, lines});
        const YAML::Node over = parse(std::string(static_cast<std::size_t>(lines), '\n') + *yaml, name);
        lines += linesOf(*yaml);
        if (over.IsDefined() && !over.IsNull() && !over.IsMap()) {
            Node(*this, over, "").allow({});
            continue;
        }
        root = merged(root, over);
    }
    return {*this, root, ""};
}

Node Reader::text(const std::string& yaml, const std::string& name) {
    sources_ = {{name, 0}};
    return {*this, parse(yaml, name), ""};
}

/// The content of the last of the sources.
YAML::Node Reader::parse(const std::string& yaml, const std::string& name) {
    const auto report = [&](const YamlMistake& mistake) { add(problemAt(mistake.place, mistake.message)); };
    try {
        const MemoryBudget budget(MemoryBudget::kAllowance + yaml.size());
        if (const auto mistake = unusableAlias(yaml)) {
            report(*mistake);
            return YAML::Node();
        }
        const YAML::Node root = YAML::Load(yaml);
        resolveMergeKeys(root, report);
        return root;
    } catch (const YAML::Exception& error) {
        const auto tab = indentingTab(yaml, error.mark.line);
        auto problem =
            tab ? problemAt(*tab, "tabs cannot indent YAML: use spaces") : problemAt(error.mark, error.msg);
        problem.file = name;
        add(std::move(problem));
    } catch (const MemoryBudget::Exhausted&) {
        add({name, 0, 0,
             "needs more than " + std::to_string((MemoryBudget::kAllowance + yaml.size()) >> 20U) +
                 " MiB of memory: split it into several files"});
    }
    return YAML::Node();
}

}  // namespace lapwing::config
