#include "agent/probes/mysql/gtid.h"

#include <algorithm>
#include <cctype>

#include "agent/probes/mysql/family_list.h"
#include "agent/probes/text.h"
#include "common/metric_names.h"
#include "common/text.h"

namespace lapwing::agent::mysql {
namespace {

constexpr std::size_t kUuidLength = 36;
constexpr std::size_t kMostTag = 32;
constexpr std::size_t kMostSources = 200;  // each becomes a few series

/// Takes the part before the next `separator` off `rest`, without blanks around it.
std::string_view nextPart(std::string_view& rest, char separator) {
    const auto end = rest.find(separator);
    const auto part = trimmed(rest.substr(0, end));
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    return part;
}

bool isWord(std::string_view text, std::string_view further) {
    return !text.empty() && std::all_of(text.begin(), text.end(), [&](unsigned char c) {
        return std::isalnum(c) != 0 || further.find(static_cast<char>(c)) != std::string_view::npos;
    });
}

bool isDigits(std::string_view text) {
    return !text.empty() &&
           std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

std::map<std::string, GtidCount> parseGtidSet(std::string_view text) {
    std::map<std::string, GtidCount> out;
    while (!text.empty()) {
        auto member = nextPart(text, ',');
        const auto uuid = nextPart(member, ':');
        if (uuid.size() != kUuidLength || !isWord(uuid, "-")) {
            continue;
        }
        auto source = lower(uuid);
        while (!member.empty()) {
            auto interval = nextPart(member, ':');
            const auto first = nextPart(interval, '-');
            if (!isDigits(first)) {
                // A tag holds for the intervals that follow it.
                if (first.size() <= kMostTag && isWord(first, "_")) {
                    source = lower(uuid) + ":" + lower(first);
                }
                continue;
            }
            const auto from = toNumber(first);
            const auto to = interval.empty() ? from : toNumber(trimmed(interval));
            if (!from || !to || *to < *from) {
                continue;
            }
            if (out.size() >= kMostSources && out.find(source) == out.end()) {
                continue;
            }
            auto& count = out[source];
            count.transactions += *to - *from + 1;
            count.last = std::max(count.last, *to);
        }
    }
    return out;
}

std::vector<Gtid> parseGtidList(std::string_view text) {
    std::vector<Gtid> out;
    while (!text.empty() && out.size() < kMostSources) {
        auto member = nextPart(text, ',');
        const auto domain = nextPart(member, '-');
        const auto server = nextPart(member, '-');
        if (!isDigits(domain) || !isDigits(server) || !isDigits(member)) {
            continue;
        }
        const auto sequence = toNumber(member);
        if (sequence) {
            out.push_back({std::string(domain), std::string(server), *sequence});
        }
    }
    return out;
}

void mergeGtidList(std::string_view text, std::map<std::string, GtidPosition>& domains) {
    for (auto& gtid : parseGtidList(text)) {
        if (domains.size() >= kMostSources && domains.find(gtid.domain) == domains.end()) {
            continue;
        }
        auto& position = domains[gtid.domain];
        if (!position.server.empty() && position.sequence >= gtid.sequence) {
            continue;
        }
        position = {std::move(gtid.server), gtid.sequence};
    }
}

void addGtids(const std::map<std::string, GtidCount>& sources, const char* set, FamilyList& families,
              const std::string& channel) {
    for (const auto& [source, count] : sources) {
        families.add(metric::kMysqlGtidSequence,
                     {{"set", set}, {"channel_name", channel}, {"domain", ""}, {"source", source}},
                     count.transactions);
        families.add(metric::kMysqlGtidLast, {{"set", set}, {"channel_name", channel}, {"source", source}},
                     count.last);
    }
}

void addGtids(const std::map<std::string, GtidPosition>& domains, const char* set, FamilyList& families,
              const std::string& channel) {
    for (const auto& [domain, position] : domains) {
        families.add(
            metric::kMysqlGtidSequence,
            {{"set", set}, {"channel_name", channel}, {"domain", domain}, {"source", position.server}},
            position.sequence);
    }
}

}  // namespace lapwing::agent::mysql
