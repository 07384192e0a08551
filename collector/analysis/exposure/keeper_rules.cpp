#include "collector/analysis/exposure/keeper_rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <initializer_list>
#include <iterator>
#include <string_view>
#include <utility>
#include <variant>

namespace lapwing::analysis::exposure {

namespace {

using reach::AddressRange;
using reach::Family;
using reach::Policy;

constexpr std::size_t kMostPorts = 15;  // of iptables' match multiport

const NftMatch* matchOf(const NftRule& rule, std::initializer_list<NftField> fields) {
    const auto found = std::find_if(rule.matches.begin(), rule.matches.end(), [&](const NftMatch& match) {
        return std::find(fields.begin(), fields.end(), match.field) != fields.end();
    });
    return found == rule.matches.end() ? nullptr : &*found;
}

std::string textOf(const NftValue& value) {
    if (const auto* range = std::get_if<AddressRange>(&value)) {
        return range->toString();
    }
    if (const auto* number = std::get_if<int>(&value)) {
        return std::to_string(*number);
    }
    return std::get<std::string>(value);
}

/// Which rules a program that guards a host by itself has: loopback, ICMP, connections that exist.
bool isCommon(const NftRule& rule) {
    const auto* protocol = matchOf(rule, {NftField::protocol});
    const bool icmp =
        protocol != nullptr &&
        std::all_of(protocol->values.begin(), protocol->values.end(), [](const NftValue& value) {
            return value == NftValue(int{reach::kIcmp}) || value == NftValue(int{reach::kIcmpv6});
        });
    return icmp ||
           matchOf(rule, {NftField::interface_in, NftField::interface_out, NftField::connection_state});
}

/// Ports of one protocol, or a protocol without ports, from some sources; what ufw and firewalld can say.
struct Opening {
    std::string protocol;        ///< "tcp", "udp", "vrrp"
    std::vector<int> ports;      ///< none: the whole protocol
    std::vector<NftValue> from;  ///< none: anybody
    Policy verdict = Policy::accept;
    std::string comment;
};

/// Words that a shell reads as one within single quotes.
std::string plain(const std::string& text) {
    std::string out;
    for (const char c : text) {
        const bool letter = std::isalnum(static_cast<unsigned char>(c)) != 0;
        out += letter || std::string_view(" ,.:;/()[]_-").find(c) != std::string_view::npos ? c : ' ';
    }
    return out;
}

std::optional<Opening> openingOf(const NftRule& rule) {
    Opening out;
    out.verdict = rule.verdict;
    out.comment = plain(rule.comment);
    for (const auto& match : rule.matches) {
        if (match.negated) {
            return std::nullopt;
        }
        switch (match.field) {
            case NftField::ip_source:
            case NftField::ip6_source:
                out.from = match.values;
                break;
            case NftField::tcp_port:
            case NftField::udp_port:
                out.protocol = match.field == NftField::tcp_port ? "tcp" : "udp";
                for (const auto& port : match.values) {
                    out.ports.push_back(std::get<int>(port));
                }
                break;
            case NftField::protocol:
                if (match.values.size() != 1 || match.values.front() != NftValue(int{reach::kVrrp})) {
                    return std::nullopt;
                }
                out.protocol = "vrrp";
                break;
            default:
                return std::nullopt;
        }
    }
    return out.protocol.empty() ? std::nullopt : std::optional(std::move(out));
}

std::optional<std::vector<Opening>> openingsOf(const NftTable& table) {
    std::vector<Opening> out;
    if (table.hook != reach::Hook::input) {
        return std::nullopt;
    }
    for (const auto& rule : table.rules) {
        if (isCommon(rule)) {
            continue;
        }
        auto opening = openingOf(rule);
        if (!opening) {
            return std::nullopt;
        }
        out.push_back(std::move(*opening));
    }
    return out;
}

std::vector<std::string> portTexts(const Opening& opening) {
    std::vector<std::string> out;
    std::transform(opening.ports.begin(), opening.ports.end(), std::back_inserter(out),
                   [](int port) { return std::to_string(port); });
    return out.empty() ? std::vector<std::string>{""} : out;
}

std::vector<std::string> sourceTexts(const Opening& opening) {
    std::vector<std::string> out;
    std::transform(opening.from.begin(), opening.from.end(), std::back_inserter(out), textOf);
    return out.empty() ? std::vector<std::string>{""} : out;
}

/// "80": the ports that some sources alone may use, in their order.
std::vector<std::pair<std::string, std::string>> guarded(const std::vector<Opening>& openings) {
    std::vector<std::pair<std::string, std::string>> out;  // protocol, port
    for (const auto& opening : openings) {
        if (opening.from.empty() || opening.verdict != Policy::accept) {
            continue;
        }
        for (const auto& port : portTexts(opening)) {
            const auto one = std::pair(opening.protocol, port);
            if (!port.empty() && std::find(out.begin(), out.end(), one) == out.end()) {
                out.push_back(one);
            }
        }
    }
    return out;
}

bool isForFamily(const NftRule& rule, Family family) {
    const bool v4 = matchOf(rule, {NftField::ip_source, NftField::ip_destination}) != nullptr;
    const bool v6 = matchOf(rule, {NftField::ip6_source, NftField::ip6_destination}) != nullptr;
    return family == Family::ipv4 ? !v6 : !v4;
}

/// Every way to write one match; iptables has no sets.
std::optional<std::vector<std::string>> iptablesMatches(const NftMatch& match, Family family) {
    if (match.negated) {
        return std::nullopt;
    }
    std::vector<std::string> out;
    const auto each = [&](const std::string& option) {
        for (const auto& value : match.values) {
            const auto text = textOf(value);
            const bool range =
                text.find('-') != std::string::npos && std::holds_alternative<AddressRange>(value);
            const char* which = option == "-s" ? "--src-range " : "--dst-range ";
            out.push_back(range ? fmt::format("-m iprange {}{}", which, text)
                                : fmt::format("{} {}", option, text));
        }
    };
    switch (match.field) {
        case NftField::ip_source:
        case NftField::ip6_source:
            each("-s");
            return out;
        case NftField::ip_destination:
        case NftField::ip6_destination:
            each("-d");
            return out;
        case NftField::interface_in:
        case NftField::interface_in_name:
            each("-i");
            return out;
        case NftField::interface_out:
            each("-o");
            return out;
        case NftField::protocol:
            for (const auto& value : match.values) {
                const auto number = std::get<int>(value);
                const int other = family == Family::ipv4 ? int{reach::kIcmpv6} : int{reach::kIcmp};
                if (number != other) {
                    out.push_back("-p " + std::to_string(number));
                }
            }
            return out;
        case NftField::tcp_port:
        case NftField::udp_port: {
            const std::string protocol = match.field == NftField::tcp_port ? "-p tcp" : "-p udp";
            for (std::size_t at = 0; at < match.values.size(); at += kMostPorts) {
                std::string list;
                const auto end = std::min(at + kMostPorts, match.values.size());
                for (auto i = at; i < end; ++i) {
                    list += (list.empty() ? "" : ",") + textOf(match.values[i]);
                }
                out.push_back(fmt::format("{} {} {}", protocol,
                                          end - at == 1 ? "--dport" : "-m multiport --dports", list));
            }
            return out;
        }
        case NftField::connection_state: {
            std::string list;
            for (const auto& value : match.values) {
                auto word = textOf(value);
                std::transform(word.begin(), word.end(), word.begin(), [](char c) {
                    return static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
                });
                list += (list.empty() ? "" : ",") + word;
            }
            return std::vector<std::string>{"-m conntrack --ctstate " + list};
        }
    }
    return std::nullopt;
}

}  // namespace

std::optional<std::vector<std::string>> ufwCommands(const NftTable& table) {
    const auto openings = openingsOf(table);
    if (!openings) {
        return std::nullopt;
    }
    std::vector<std::string> out;
    const auto add = [&](const Opening& opening, const std::string& from, const std::string& port) {
        std::string line = "ufw prepend ";
        line += opening.verdict == Policy::accept ? "allow" : "deny";
        line += " proto " + opening.protocol + " from " + (from.empty() ? "any" : from) + " to any";
        line += port.empty() ? "" : " port " + port;
        out.push_back(line + (opening.comment.empty() ? "" : " comment '" + opening.comment + "'"));
    };
    // A later command comes before an earlier one in ufw's list. Each port is closed to strangers right
    // before its sources are let in.
    for (const auto& [protocol, port] : guarded(*openings)) {
        add({protocol, {}, {}, Policy::drop, "other hosts"}, "", port);
        for (const auto& opening : *openings) {
            const auto ports = portTexts(opening);
            const bool names = std::find(ports.begin(), ports.end(), port) != ports.end();
            if (opening.protocol != protocol || opening.verdict != Policy::accept || !names) {
                continue;
            }
            for (const auto& from : sourceTexts(opening)) {
                add(opening, from, port);
            }
        }
    }
    const auto done = guarded(*openings);
    for (const auto& opening : *openings) {
        for (const auto& port : portTexts(opening)) {
            if (std::find(done.begin(), done.end(), std::pair(opening.protocol, port)) != done.end()) {
                continue;
            }
            for (const auto& from : sourceTexts(opening)) {
                add(opening, from, port);
            }
        }
    }
    if (table.policy == Policy::drop) {
        out.emplace_back("ufw default deny incoming");
    }
    return out;
}

std::optional<std::vector<std::string>> firewalldRules(const NftTable& table) {
    const auto openings = openingsOf(table);
    if (!openings) {
        return std::nullopt;
    }
    std::vector<std::string> out;
    const auto add = [&](int priority, const std::string& from, const std::string& protocol,
                         const std::string& port, const char* action) {
        std::string line = "rule priority=\"" + std::to_string(priority) + "\"";
        if (!from.empty()) {
            line += std::string(" family=\"") + (from.find(':') == std::string::npos ? "ipv4" : "ipv6") +
                    "\" source address=\"" + from + "\"";
        }
        if (!port.empty()) {
            line.append(" port port=\"").append(port).append("\" protocol=\"").append(protocol).append("\"");
        } else if (!protocol.empty()) {
            // By its number: a small system has no /etc/protocols.
            line.append(" protocol value=\"");
            line.append(protocol == "vrrp" ? std::to_string(reach::kVrrp) : protocol).append("\"");
        }
        line.append(" ").append(action);
        if (std::find(out.begin(), out.end(), line) == out.end()) {
            out.push_back(std::move(line));
        }
    };
    for (const auto& opening : *openings) {
        for (const auto& from : sourceTexts(opening)) {
            for (const auto& port : portTexts(opening)) {
                add(opening.verdict == Policy::accept ? -100 : -50, from, opening.protocol, port,
                    opening.verdict == Policy::accept ? "accept" : "drop");
            }
        }
    }
    for (const auto& [protocol, port] : guarded(*openings)) {
        add(-50, "", protocol, port, "drop");
    }
    if (table.policy == Policy::drop) {
        add(32'766, "", std::to_string(reach::kIcmp), "", "accept");
        add(32'766, "", std::to_string(reach::kIcmpv6), "", "accept");
        add(32'767, "", "", "", "drop");
    }
    return out;
}

std::string iptablesChain(const NftTable& table) {
    std::string out = table.name;
    std::transform(out.begin(), out.end(), out.begin(),
                   [](char c) { return static_cast<char>(std::toupper(static_cast<unsigned char>(c))); });
    return out;
}

std::optional<std::vector<std::string>> iptablesRules(const NftTable& table, Family family) {
    const auto chain = iptablesChain(table);
    std::vector<std::string> out{":" + chain + " - [0:0]"};
    for (const auto& rule : table.rules) {
        if (!isForFamily(rule, family)) {
            continue;
        }
        std::vector<std::string> lines{"-A " + chain};
        for (const auto& match : rule.matches) {
            const auto ways = iptablesMatches(match, family);
            if (!ways) {
                return std::nullopt;
            }
            std::vector<std::string> longer;
            for (const auto& line : lines) {
                for (const auto& way : *ways) {
                    longer.push_back(line);
                    longer.back().append(" ").append(way);
                }
            }
            lines = std::move(longer);
        }
        // The host's other rules still see what this chain lets pass.
        const auto* target = rule.verdict == Policy::accept ? "RETURN" : "DROP";
        const auto comment = plain(rule.comment);
        const auto noted = comment.empty() ? "" : fmt::format(" -m comment --comment \"{}\"", comment);
        for (const auto& line : lines) {
            out.push_back(fmt::format("{}{} -j {}", line, noted, target));
        }
    }
    if (table.policy == Policy::drop) {
        out.push_back("-A " + chain + " -j DROP");
    }
    return out;
}

}  // namespace lapwing::analysis::exposure
