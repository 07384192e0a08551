#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "agent/probes/node/metrics.h"
#include "agent/probes/node/parse.h"
#include "agent/probes/text.h"

namespace lapwing::agent::node {
namespace {

struct Array {
    std::string name;
    std::string_view state;  ///< as node_exporter names it
    std::optional<double> blocks;
    std::optional<double> synced;
    std::optional<double> active;
    std::optional<double> required;
    double failed = 0;
    double spare = 0;
    bool without_redundancy = false;
    double members = 0;
};

double countOf(std::string_view text, std::string_view part) {
    double count = 0;
    for (auto at = text.find(part); at != std::string_view::npos; at = text.find(part, at + part.size())) {
        ++count;
    }
    return count;
}

/// "md0 : active (auto-read-only) raid1 sdb1[1](S) sda1[0]"
std::optional<Array> readHead(std::string_view line) {
    Array array;
    const auto whole = line;
    array.name = nextField(line);
    if (nextField(line) != ":") {
        return std::nullopt;
    }
    const auto state = nextField(line);
    if (state != "active" && state != "inactive") {
        return std::nullopt;
    }
    array.state = state == "active" ? "active" : "inactive";
    array.failed = countOf(whole, "(F)");
    array.spare = countOf(whole, "(S)");
    array.members = countOf(whole, "[");
    array.without_redundancy =
        whole.find(" raid0 ") != std::string_view::npos || whole.find(" linear ") != std::string_view::npos;
    return array;
}

/// "      248896 blocks super 1.2 [2/1] [U_]"
void readBlocks(std::string_view line, Array& array) {
    auto rest = line;
    array.blocks = toNumber(nextField(rest));
    array.synced = array.blocks;
    // The chunk size may stand in brackets, too: take the pair of numbers.
    for (auto open = line.find('['); open != std::string_view::npos; open = line.find('[', open + 1)) {
        const auto close = line.find(']', open);
        if (close == std::string_view::npos) {
            return;
        }
        const auto inner = line.substr(open + 1, close - open - 1);
        const auto slash = inner.find('/');
        if (slash == std::string_view::npos) {
            continue;
        }
        array.required = toNumber(inner.substr(0, slash));
        array.active = toNumber(inner.substr(slash + 1));
    }
}

/// "      [=>...]  recovery =  8.5% (16775552/195310144) finish=17.0min speed=259783K/sec", or
/// "      resync=DELAYED"
bool readProgress(std::string_view line, Array& array) {
    constexpr std::array<std::pair<std::string_view, std::string_view>, 3> kinds = {
        {{"recovery", "recovering"}, {"resync", "resync"}, {"check", "check"}}};
    for (const auto& [word, state] : kinds) {
        const auto at = line.find(word);
        if (at == std::string_view::npos ||
            line.substr(at + word.size()).find_first_not_of(' ') == std::string_view::npos ||
            line[line.find_first_not_of(' ', at + word.size())] != '=') {
            continue;
        }
        array.state = state;
        const auto open = line.find('(');
        const auto slash = line.find('/', open == std::string_view::npos ? line.size() : open);
        array.synced = slash == std::string_view::npos ? std::optional<double>(0)  // PENDING, DELAYED
                                                       : toNumber(line.substr(open + 1, slash - open - 1));
        return true;
    }
    return false;
}

void addArray(const Array& array, Metrics& metrics) {
    const std::string& device = array.name;
    constexpr const char* disks = "node_md_disks";
    constexpr const char* disks_help = "Member disks by state.";
    const bool inactive = array.state == "inactive";
    const auto members = std::optional<double>(array.members);
    const auto active = inactive                   ? std::optional<double>(0)
                        : array.without_redundancy ? members
                                                   : array.active;
    // The line of an inactive array does not tell how many disks it needs.
    const auto required = inactive ? std::nullopt : array.without_redundancy ? members : array.required;
    if (active) {
        metrics.gauge(disks, disks_help, *active, {{"device", device}, {"state", "active"}});
    }
    metrics.gauge(disks, disks_help, array.failed, {{"device", device}, {"state", "failed"}});
    metrics.gauge(disks, disks_help, array.spare, {{"device", device}, {"state", "spare"}});
    if (required) {
        metrics.gauge("node_md_disks_required", "Member disks that the array needs.", *required,
                      {{"device", device}});
    }
    if (array.blocks) {
        metrics.gauge("node_md_blocks", "Blocks of the array.", *array.blocks, {{"device", device}});
    }
    if (array.synced) {
        metrics.gauge("node_md_blocks_synced", "Blocks that are in sync.", *array.synced,
                      {{"device", device}});
    }
    for (const std::string_view state : {"active", "inactive", "recovering", "resync", "check"}) {
        metrics.gauge("node_md_state", "1 for the state of the array.", array.state == state ? 1 : 0,
                      {{"device", device}, {"state", std::string(state)}});
    }
}

}  // namespace

std::size_t parseMdstat(std::string_view text, Families& out) {
    Metrics metrics(out);
    std::size_t count = 0;
    std::optional<Array> array;
    const auto finish = [&] {
        if (array && ++count <= kMostDevices) {
            addArray(*array, metrics);
        }
        array.reset();
    };
    for (std::string_view line; nextLine(text, line);) {
        if (line.empty() || line.front() != ' ') {
            finish();
            array = readHead(line);
        } else if (array && !array->blocks && line.find(" blocks") != std::string_view::npos) {
            readBlocks(line, *array);
        } else if (array) {
            readProgress(line, *array);
        }
    }
    finish();
    return count;
}

}  // namespace lapwing::agent::node
