#include "common/reach/ipset.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "common/reach/compact.h"

namespace lapwing::reach {

namespace {

struct Line {
    std::vector<std::string_view> words;  ///< an argument in quotes is one word
    bool whole = true;
};

/// The next line. ipset prints comments in quotes, knows no escapes, and takes no quotes in comments.
Line nextLine(std::string_view& text) {
    Line out;
    std::size_t at = 0;
    while (at < text.size() && text[at] != '\n') {
        if (text[at] == ' ') {
            ++at;
            continue;
        }
        const bool quoted = text[at] == '"';
        auto end = quoted ? text.find('"', at + 1) : text.find_first_of(" \n", at);
        if (quoted && end != std::string_view::npos) {
            ++end;
            out.whole = out.whole && (end == text.size() || text[end] == ' ' || text[end] == '\n');
        } else if (quoted) {
            out.whole = false;
        }
        end = std::min(end, text.size());
        out.words.push_back(text.substr(at, end - at));
        out.whole = out.whole && (quoted || out.words.back().find('"') == std::string_view::npos);
        at = end;
    }
    text.remove_prefix(std::min(at + 1, text.size()));
    return out;
}

struct Reading {
    bool known = true;
    Family family = Family::ipv4;
    std::vector<Range> lasting;
    std::vector<Range> timed;
};

bool isOfAddresses(std::string_view type) {
    return type == "hash:ip" || type == "hash:net" || type == "bitmap:ip";
}

Reading created(const std::vector<std::string_view>& words) {
    // create NAME TYPE [family inet6] [OPTION VALUE]... [counters] [comment]
    static const std::set<std::string_view> plain{"counters", "comment", "skbinfo", "forceadd"};
    static const std::set<std::string_view> with_value{"family", "hashsize",   "maxelem", "timeout",
                                                       "range",  "bucketsize", "initval", "size"};
    Reading out;
    out.known = isOfAddresses(words[2]);
    for (std::size_t i = 3; i < words.size(); ++i) {
        if (words[i] == "family" && i + 1 < words.size()) {
            out.family = words[i + 1] == "inet6" ? Family::ipv6 : Family::ipv4;
        }
        const bool valued = with_value.contains(words[i]);
        out.known = out.known && (valued || plain.contains(words[i]));
        i += valued ? 1 : 0;
    }
    return out;
}

void added(const std::vector<std::string_view>& words, Reading& out) {
    // add NAME ADDRESS [timeout N] [packets N bytes N] [comment "..."] [nomatch]
    static const std::set<std::string_view> with_value{"packets", "bytes",    "comment", "skbmark",
                                                       "skbprio", "skbqueue", "timeout"};
    const auto range = AddressRange::parse(words[2]);
    out.known = out.known && range && range->family == out.family;
    bool timed = false;
    for (std::size_t i = 3; i < words.size(); i += 2) {
        const bool valued = with_value.contains(words[i]) && i + 1 < words.size();
        out.known = out.known && valued;
        timed = timed || (valued && words[i] == "timeout" && words[i + 1] != "0");
    }
    if (out.known) {
        (timed ? out.timed : out.lasting).push_back({range->low, range->high});
    }
}

std::map<std::string, Reading> readSave(std::string_view save) {
    std::map<std::string, Reading> out;
    while (!save.empty()) {
        const auto line = nextLine(save);
        if (line.words.empty() && line.whole) {
            continue;
        }
        const bool formed = line.whole && line.words.size() >= 3;
        const auto name = formed ? std::string(line.words[1]) : "";
        if (formed && line.words[0] == "create" && !out.contains(name)) {
            out.emplace(name, created(line.words));
        } else if (formed && line.words[0] == "add" && out.contains(name)) {
            added(line.words, out.at(name));
        } else {
            return {};  // a name may hold spaces and newlines: then no line can be trusted
        }
    }
    return out;
}

std::string textOf(const std::vector<Range>& ranges, Family family) {
    std::string out;
    const Intervals merged(ranges);
    for (const auto& range : merged.ranges()) {
        const auto low = Address{family, range.low}.toString();
        out += (out.empty() ? "" : " ") + low;
        out += range.low == range.high ? "" : "-" + Address{family, range.high}.toString();
    }
    return out;
}

}  // namespace

std::map<std::string, IpsetAddresses> parseIpsets(std::string_view save) {
    std::map<std::string, IpsetAddresses> out;
    for (auto& [name, reading] : readSave(save)) {
        if (reading.known) {
            out[name] = {reading.family,
                         std::make_shared<const AddressIndex>(AddressIndex{
                             Intervals(std::move(reading.lasting)), Intervals(std::move(reading.timed))})};
        }
    }
    return out;
}

std::string compactIpsets(std::string_view save) {
    std::string out;
    for (const auto& [name, reading] : readSave(save)) {
        if (!reading.known) {
            continue;
        }
        out += "create " + name + " hash:net family " + (reading.family == Family::ipv6 ? "inet6" : "inet") +
               "\n";
        for (const auto* ranges : {&reading.lasting, &reading.timed}) {
            auto list = textOf(*ranges, reading.family);
            std::size_t at = 0;
            while (at < list.size()) {
                const auto end = std::min(list.find(' ', at), list.size());
                out += "add " + name + " " + list.substr(at, end - at) +
                       (ranges == &reading.timed ? " timeout 1\n" : "\n");
                at = end + 1;
            }
        }
    }
    return out;
}

}  // namespace lapwing::reach
