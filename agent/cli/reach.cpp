#include "agent/cli/reach.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <optional>
#include <sstream>
#include <utility>
#include <vector>

#include "agent/cli/commands.h"
#include "agent/host/host.h"
#include "agent/snapshot/helper/collect.h"
#include "agent/snapshot/snapshot.h"
#include "agent/snapshot/snapshot_file.h"
#include "common/json.h"
#include "common/reach/ruleset.h"

namespace lapwing::agent {

namespace {

using reach::AddressRange;
using reach::Verdict;

constexpr int kSchemaVersion = 1;  // of --json, see docs/reach.md

/// Sources that the ruleset treats alike, and its decision about them.
struct Answer {
    reach::Packet packet;  ///< with the first source of `from`
    std::vector<AddressRange> from;
    reach::Result result;
};

const char* inCapitals(Verdict verdict) {
    switch (verdict) {
        case Verdict::must_reach:
            return "MUST-REACH";
        case Verdict::must_block:
            return "MUST-BLOCK";
        case Verdict::may:
            return "MAY";
    }
    return "MAY";
}

Expected<reach::Packet> parseTarget(const std::string& text) {
    reach::Packet packet;
    if (text == "vrrp") {
        packet.protocol = reach::Protocol::vrrp;
        return packet;
    }
    const auto slash = text.find('/');
    const auto protocol = text.substr(0, slash);
    const auto digits = slash == std::string::npos ? "" : text.substr(slash + 1);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), packet.port);
    if ((protocol != "tcp" && protocol != "udp") || error != std::errc() ||
        end != digits.data() + digits.size() || packet.port == 0) {
        return fail(ErrorKind::invalid,
                    fmt::format("\"{}\" is neither a port such as tcp/3306 or udp/53 nor vrrp", text));
    }
    packet.protocol = protocol == "udp" ? reach::Protocol::udp : reach::Protocol::tcp;
    return packet;
}

Expected<reach::Ruleset> readFile(const std::string& file) {
    std::ifstream in(file, std::ios::binary);
    if (!in) {
        return fail(errno == EACCES ? ErrorKind::denied : ErrorKind::not_found,
                    fmt::format("reading {}: {}", file, std::strerror(errno)));
    }
    std::stringstream text;
    text << in.rdbuf();
    const auto document = json::parse(text.view());
    if (!document.IsObject()) {
        return fail(
            ErrorKind::invalid,
            fmt::format("reading {}: neither a snapshot nor what `nft -j list ruleset` prints", file));
    }
    if (document.HasMember("format")) {
        auto snapshot = parseSnapshot(text.view());
        if (!snapshot) {
            return tl::unexpected(snapshot.error());
        }
        const auto rules = readRulesBeside(file, *snapshot);
        return rules ? rulesetOf(*snapshot) : tl::unexpected(rules.error());
    }
    auto ruleset = reach::Ruleset::parse(text.view());
    if (!ruleset) {
        return fail(ruleset.error().kind, file + ": " + ruleset.error().message);
    }
    if (!document.HasMember("host")) {
        ruleset->describeHost(thisHost("/proc", Neighbours::all));
    }
    return ruleset;
}

Expected<reach::Ruleset> readRuleset(const std::string& file) {
    if (!file.empty()) {
        return readFile(file);
    }
    auto ruleset = rulesetOf(collectSnapshot({}));
    if (!ruleset && ruleset.error().kind == ErrorKind::denied) {
        return fail(ErrorKind::denied,
                    "the ruleset of this network namespace is for root to read; as another user, give "
                    "--snapshot /run/lapwing/snapshot.json (" +
                        ruleset.error().message + ")");
    }
    return ruleset;
}

/// Sources that no packet from another host can have.
std::vector<AddressRange> impossibleSources() {
    std::vector<AddressRange> out;
    for (const auto* network : {"0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/3", "::/128", "::1/128", "ff00::/8"}) {
        if (const auto range = AddressRange::parse(network)) {
            out.push_back(*range);
        }
    }
    return out;
}

/// The possible sources among the wanted ones, grouped by their results.
Expected<std::vector<Answer>> answersFor(const reach::Ruleset& ruleset, const reach::Packet& packet,
                                         const std::optional<AddressRange>& from) {
    auto classes = ruleset.classes(packet, from.value_or(AddressRange::all(packet.destination.family)));
    if (!classes) {
        return tl::unexpected(classes.error());
    }
    std::vector<Answer> out;
    for (auto& each : *classes) {
        auto possible =
            from ? std::move(each.from) : reach::subtract(std::move(each.from), impossibleSources());
        if (!possible.empty()) {
            out.push_back({packet, std::move(possible), std::move(each.result)});
        }
    }
    return out;
}

/// The host's addresses that the question is about, each with its interface. VRRP's advertisements go to its
/// multicast group instead.
std::vector<reach::Host::Interface> destinations(const reach::Ruleset& ruleset, const ReachQuestion& question,
                                                 const std::optional<AddressRange>& from) {
    std::vector<reach::Host::Interface> out;
    const auto wanted = reach::Address::parse(question.to);
    for (const auto& interface : ruleset.host().interfaces) {
        const bool asked = wanted ? interface.address == *wanted : !interface.address.isLinkLocal();
        if (asked && (!from || from->family == interface.address.family)) {
            out.push_back(interface);
        }
    }
    if (out.empty() && wanted) {
        out.push_back({"", *wanted, 0});
    }
    if (question.target == "vrrp" && !wanted) {
        for (auto& interface : out) {
            interface.address = reach::vrrpGroup(interface.address.family);
        }
    }
    if (!question.interface.empty()) {
        for (auto& interface : out) {
            interface.name = question.interface;
        }
    }
    return out;
}

std::string ruleText(const reach::Ruleset& ruleset, const std::string& place) {
    const auto text = ruleset.textOf(place);
    return text.empty() ? place : place + ": " + text;
}

std::string fromText(const Answer& answer) {
    constexpr std::size_t most = 12;
    if (answer.from == std::vector{AddressRange::all(answer.packet.destination.family)}) {
        return "anywhere";
    }
    std::string out;
    for (std::size_t i = 0; i < std::min(answer.from.size(), most); ++i) {
        out += (i == 0 ? "" : ", ") + answer.from[i].toString();
    }
    return answer.from.size() > most ? fmt::format("{} and {} more ranges", out, answer.from.size() - most)
                                     : out;
}

/// Answers that are the same for several incoming interfaces.
struct Way {
    std::vector<std::string> interfaces;
    std::vector<Answer> answers;
};

bool areAlike(const std::vector<Answer>& some, const std::vector<Answer>& others) {
    return std::equal(some.begin(), some.end(), others.begin(), others.end(),
                      [](const Answer& a, const Answer& b) {
                          return a.from == b.from && a.result.verdict == b.result.verdict &&
                                 a.result.decided_by == b.result.decided_by;
                      });
}

/// The reverse path filter of that interface drops every source.
bool isBarred(const std::vector<Answer>& answers) {
    return std::all_of(answers.begin(), answers.end(), [](const Answer& answer) {
        const auto& reasons = answer.result.decided_by;
        return !reasons.empty() && reasons[0].starts_with("rp_filter ");
    });
}

/// The interfaces by which a packet to that address may come in: first its own.
std::vector<std::string> interfacesTo(const reach::Ruleset& ruleset, const ReachQuestion& question,
                                      const reach::Host::Interface& destination) {
    std::vector<std::string> out{destination.name};
    if (!question.interface.empty() || question.target == "vrrp" || destination.address.isLinkLocal()) {
        return out;
    }
    for (const auto& one : ruleset.host().interfaces) {
        if (std::find(out.begin(), out.end(), one.name) == out.end()) {
            out.push_back(one.name);
        }
    }
    return out;
}

Expected<std::vector<Way>> waysTo(const reach::Ruleset& ruleset, const ReachQuestion& question,
                                  const reach::Host::Interface& destination, reach::Packet packet,
                                  const std::optional<AddressRange>& from) {
    std::vector<Way> out;
    packet.destination = destination.address;
    for (const auto& name : interfacesTo(ruleset, question, destination)) {
        packet.interface = name;
        auto answers = answersFor(ruleset, packet, from);
        if (!answers) {
            return tl::unexpected(answers.error());
        }
        const auto same = std::find_if(out.begin(), out.end(),
                                       [&](const Way& known) { return areAlike(known.answers, *answers); });
        if (same != out.end()) {
            same->interfaces.push_back(name);
        } else if (out.empty() || !isBarred(*answers)) {
            out.push_back({{name}, std::move(*answers)});
        }
    }
    return out;
}

/// Without `--explain`: the first packet, and the packet that fails.
bool isShown(const reach::Result& result, const reach::Step& step, bool explain) {
    const auto failing = result.failing_packet.value_or(step.packet);
    const bool first = step.packet == reach::PacketKind::syn || step.packet == reach::PacketKind::request ||
                       step.packet == reach::PacketKind::advertisement;
    return explain || first || (result.failing_packet && step.packet == failing);
}

void printPath(const reach::Ruleset& ruleset, const reach::Result& result, bool explain) {
    std::optional<reach::PacketKind> heading;
    for (const auto& step : result.path) {
        if (!isShown(result, step, explain)) {
            continue;
        }
        if (explain && heading != step.packet) {
            heading = step.packet;
            fmt::print("    {}\n", reach::packetTitle(step.packet));
        }
        const auto* indent = explain ? "      " : "    ";
        fmt::print("{}{} {} (priority {}) {}\n", indent, reach::hookName(step.hook), step.chain,
                   step.priority, step.outcome.toString());
        for (const auto& place : step.rules) {
            fmt::print("{}  {}\n", indent, ruleText(ruleset, place));
        }
    }
    if (result.path.empty()) {
        fmt::print("    no rule applies\n");
    }
}

void printResult(const reach::Ruleset& ruleset, const reach::Result& result, bool explain) {
    if (!result.translated_to.empty()) {
        fmt::print("    sent to {}{}\n", result.translated_to,
                   result.forwarded ? ", past the input hook" : "");
    }
    const bool rules_decide = std::any_of(result.path.begin(), result.path.end(), [&](const auto& step) {
        return !step.rules.empty() && std::find(result.decided_by.begin(), result.decided_by.end(),
                                                step.rules[0]) != result.decided_by.end();
    });
    if (result.failing_packet) {
        fmt::print("    the {} {}{}\n", reach::packetTitle(*result.failing_packet),
                   result.verdict == Verdict::must_block ? "does not get through" : "may not get through",
                   rules_decide ? "" : fmt::format(": {}", fmt::join(result.decided_by, ", ")));
    }
    printPath(ruleset, result, explain);
    for (const auto& unknown : result.unknowns) {
        fmt::print("    not known: {}\n", unknown);
    }
    for (const auto& assumption : result.assumptions) {
        fmt::print("    assumed: {}\n", assumption);
    }
}

void print(const reach::Ruleset& ruleset, const ReachQuestion& question,
           const reach::Host::Interface& destination, const Way& way) {
    fmt::print("{} on {}{}\n", question.target, destination.address.toString(),
               way.interfaces[0].empty() ? " (by an interface that is not known)"
                                         : fmt::format(" (by {})", fmt::join(way.interfaces, ", ")));
    for (const auto& answer : way.answers) {
        fmt::print("  {}{} from {}\n", inCapitals(answer.result.verdict),
                   answer.result.rejected ? " (the sender is told)" : "", fromText(answer));
        printResult(ruleset, answer.result, question.explain);
    }
}

void putStep(json::Writer& out, const reach::Ruleset& ruleset, const reach::Step& step) {
    out.StartObject();
    json::put(out, "packet", reach::packetKindName(step.packet));
    json::put(out, "hook", reach::hookName(step.hook));
    json::put(out, "chain", step.chain);
    json::put(out, "priority", step.priority);
    json::put(out, "outcome", step.outcome.toString());
    json::key(out, "rules");
    out.StartArray();
    for (const auto& place : step.rules) {
        out.StartObject();
        json::put(out, "place", place);
        json::put(out, "text", ruleset.textOf(place));
        out.EndObject();
    }
    out.EndArray();
    out.EndObject();
}

void putAnswer(json::Writer& out, const reach::Ruleset& ruleset, const ReachQuestion& question,
               const std::vector<std::string>& interfaces, const Answer& answer) {
    const auto& result = answer.result;
    std::vector<std::string> from;
    for (const auto& range : answer.from) {
        from.push_back(range.toString());
    }
    out.StartObject();
    json::put(out, "target", question.target);
    json::put(out, "to", answer.packet.destination.toString());
    json::put(out, "interfaces", interfaces);
    json::put(out, "from", from);
    json::put(out, "verdict", reach::verdictName(result.verdict));
    json::put(out, "rejected", result.rejected);
    json::put(out, "failing_packet",
              result.failing_packet ? reach::packetKindName(*result.failing_packet) : "");
    json::put(out, "decided_by", result.decided_by);
    json::put(out, "translated_to", result.translated_to);
    json::put(out, "forwarded", result.forwarded);
    json::key(out, "path");
    out.StartArray();
    for (const auto& step : result.path) {
        putStep(out, ruleset, step);
    }
    out.EndArray();
    json::put(out, "unknowns", result.unknowns);
    json::put(out, "assumptions", result.assumptions);
    out.EndObject();
}

}  // namespace

int answerReach(const ReachQuestion& question) {
    auto packet = parseTarget(question.target);
    if (!packet) {
        fmt::print(stderr, "{}\n", packet.error().message);
        return kUsage;
    }
    const auto from = AddressRange::parse(question.from);
    if ((!question.from.empty() && !from) || (!question.to.empty() && !reach::Address::parse(question.to))) {
        fmt::print(stderr, "\"{}\" is no address\n",
                   !from && !question.from.empty() ? question.from : question.to);
        return kUsage;
    }
    const auto ruleset = readRuleset(question.snapshot);
    if (!ruleset) {
        fmt::print(stderr, "{}\n", ruleset.error().message);
        return kUnreachable;
    }
    const auto to = destinations(*ruleset, question, from);
    if (to.empty() || (from && from->family != to[0].address.family)) {
        fmt::print(stderr, "no address of this host is of the family of --from; give --to ADDRESS\n");
        return kUsage;
    }
    json::Writer out;
    out.StartObject();
    json::put(out, "version", kSchemaVersion);
    json::put(out, "managers", ruleset->managers());
    json::key(out, "answers");
    out.StartArray();
    if (!question.json && !ruleset->managers().empty()) {
        fmt::print("rules of {}\n", fmt::join(ruleset->managers(), ", "));
    }
    bool certain = true;
    for (const auto& destination : to) {
        const auto ways = waysTo(*ruleset, question, destination, *packet, from);
        if (!ways) {
            fmt::print(stderr, "{}\n", ways.error().message);
            return kUnreachable;
        }
        for (const auto& way : *ways) {
            for (const auto& answer : way.answers) {
                certain = certain && answer.result.verdict != Verdict::may;
                putAnswer(out, *ruleset, question, way.interfaces, answer);
            }
            if (!question.json) {
                print(*ruleset, question, destination, way);
            }
        }
    }
    out.EndArray();
    out.EndObject();
    if (question.json) {
        fmt::print("{}\n", out.text());
    }
    return certain ? kFine : kDegraded;
}

}  // namespace lapwing::agent
