#include "agent/snapshot/snapshot.h"

#include <algorithm>

namespace lapwing::agent {

const char* readStatusName(ReadStatus status) {
    switch (status) {
        case ReadStatus::ok:
            return "ok";
        case ReadStatus::absent:
            return "absent";
        case ReadStatus::denied:
            return "denied";
        case ReadStatus::failed:
            return "failed";
    }
    return "failed";
}

Expected<std::string> listingOf(const Snapshot& snapshot) {
    const auto& tool = snapshot.ruleset;
    if (tool.status != ReadStatus::ok) {
        const auto kind = tool.status == ReadStatus::denied   ? ErrorKind::denied
                          : tool.status == ReadStatus::absent ? ErrorKind::not_found
                                                              : ErrorKind::unavailable;
        return fail(kind, "reading the ruleset: " + tool.error.substr(0, tool.error.find('\n')));
    }
    std::vector<std::string> unread;
    if (snapshot.legacy_status == ReadStatus::denied || snapshot.legacy_status == ReadStatus::failed) {
        unread.emplace_back("legacy iptables tables could not be listed");
    }
    std::vector<reach::IptablesSave> saves;
    for (const auto& save : snapshot.iptables) {
        if (save.status == ReadStatus::ok) {
            const bool v6 = save.tool.find("/ip6tables-") != std::string::npos;
            saves.push_back({v6 ? reach::Family::ipv6 : reach::Family::ipv4,
                             save.tool.find("-legacy-") != std::string::npos, save.output});
        }
    }
    for (const auto& table : snapshot.legacy_tables) {
        const bool v6 = table.starts_with("ip6 ");
        const auto name = table.substr(table.find(' ') + 1);
        const bool read = std::any_of(saves.begin(), saves.end(), [&](const auto& save) {
            const auto tables = reach::tablesOfSave(save.text);
            return save.legacy && (save.family == reach::Family::ipv6) == v6 &&
                   std::find(tables.begin(), tables.end(), name) != tables.end();
        });
        if (!read) {
            unread.push_back("the legacy table " + table + " could not be read");
        }
    }
    return reach::listingOf(tool.output, saves, unread, snapshot.host, snapshot.ipsets.output);
}

Expected<reach::Ruleset> rulesetOf(const Snapshot& snapshot) {
    const auto listing = listingOf(snapshot);
    if (!listing) {
        return tl::unexpected(listing.error());
    }
    auto ruleset = reach::Ruleset::parse(*listing);
    if (ruleset) {
        ruleset->addTexts(snapshot.listing.output);
    }
    return ruleset;
}

}  // namespace lapwing::agent
