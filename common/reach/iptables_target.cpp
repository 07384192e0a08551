// The targets of iptables' rules.
#include <map>
#include <set>

#include "common/endpoint.h"
#include "common/reach/iptables_rule.h"
#include "common/reach/iptables_save.h"

namespace lapwing::reach {

namespace {

/// `MARK --set-xmark 0x1/0xff`, `CONNMARK --save-mark --nfmask 0xff --ctmask 0xff`.
MarkChange markChange(const IptablesTarget& target) {
    const auto mask_of = [&](const char* option) {
        const auto found = target.options.find(option);
        return found == target.options.end() ? std::optional<std::uint64_t>(~0U) : saveNumber(found->second);
    };
    using Mark = MarkChange::Mark;
    MarkChange out;
    out.target = target.name == "CONNMARK" ? Mark::connection : Mark::packet;
    for (const auto* option : {"--set-xmark", "--set-mark"}) {
        const auto found = target.options.find(option);
        if (found == target.options.end()) {
            continue;
        }
        const auto parts = saveList(found->second, '/');
        const auto value = saveNumber(parts[0]);
        const auto mask = parts.size() > 1 ? saveNumber(parts[1]) : std::optional<std::uint64_t>(~0U);
        out.known = value && mask && std::string(option) == "--set-xmark";
        out.known = out.known || (value && parts.size() == 1);
        out.keep = ~static_cast<std::uint32_t>(mask.value_or(0));
        out.flip = static_cast<std::uint32_t>(value.value_or(0));
    }
    const bool saves = target.options.contains("--save-mark");
    if (saves || target.options.contains("--restore-mark")) {
        const auto of_packet = mask_of("--nfmask");
        const auto of_connection = mask_of("--ctmask");
        out.known = of_packet && of_connection && !target.options.contains("--mask");
        out.target = saves ? Mark::connection : Mark::packet;
        out.source = saves ? Mark::packet : Mark::connection;
        out.keep = ~static_cast<std::uint32_t>((saves ? of_connection : of_packet).value_or(0));
        out.take = static_cast<std::uint32_t>((saves ? of_packet : of_connection).value_or(0));
    }
    return out;
}

/// `--to-destination 10.0.0.2:80`, `--to-ports 80`. Where a range is given, the kernel chooses: unknown.
Statement translation(const IptablesTarget& from) {
    Statement statement;
    statement.kind = Statement::Kind::translate;
    statement.text = from.name;
    auto& target = statement.target;
    target.redirects = from.name == "REDIRECT";
    if (const auto to = from.options.find("--to-destination"); to != from.options.end()) {
        const auto endpoint = Endpoint::parse(to->second).value_or(Endpoint{"?", 0});
        if (!endpoint.host.empty()) {
            target.address = endpoint.address();
            target.unknown = !target.address;
        }
        if (endpoint.port != 0) {
            target.port = endpoint.port;
        }
    }
    if (const auto to = from.options.find("--to-ports"); to != from.options.end()) {
        target.port = parsePort(to->second);
        target.unknown = target.unknown || !target.port;
    }
    return statement;
}

}  // namespace

std::optional<Statement> targetStatement(const IptablesTarget& target, const Table& table) {
    static const std::map<std::string, Action> actions{
        {"ACCEPT", Action::accept},  {"DROP", Action::drop},   {"REJECT", Action::reject},
        {"RETURN", Action::return_}, {"QUEUE", Action::queue}, {"NFQUEUE", Action::queue}};
    static const std::set<std::string> neutral{"LOG",         "NFLOG",   "ULOG",       "TRACE",    "AUDIT",
                                               "TCPOPTSTRIP", "DSCP",    "TOS",        "CLASSIFY", "CHECKSUM",
                                               "SET",         "SECMARK", "CONNSECMARK"};
    static const std::map<std::string, FieldKind> overwriting{{"TTL", FieldKind::ip_ttl},
                                                              {"HL", FieldKind::ip6_hop_limit},
                                                              {"TCPMSS", FieldKind::tcp_segment_size}};
    const auto& name = target.name;
    if (name.empty() || neutral.contains(name)) {
        return std::nullopt;
    }
    if (table.chains.contains(name)) {
        return decisionOf(target.is_goto ? Action::go_to : Action::jump, name);
    }
    if (const auto action = actions.find(name); action != actions.end()) {
        return decisionOf(action->second);
    }
    if (const auto field = overwriting.find(name); field != overwriting.end()) {
        return overwriteStatement(field->second);
    }
    if (name == "MARK" || name == "CONNMARK") {
        return markStatement(markChange(target));
    }
    if (name == "CT" || name == "NOTRACK") {
        const bool untracks = name == "NOTRACK" || target.options.contains("--notrack");
        return untracks ? std::optional(notrackStatement()) : std::nullopt;
    }
    if (name == "SNAT" || name == "MASQUERADE") {
        Statement statement;
        statement.kind = Statement::Kind::translate_source;
        return statement;
    }
    if (name == "DNAT" || name == "REDIRECT") {
        return translation(target);
    }
    return unknownEffect("target " + name);
}

}  // namespace lapwing::reach
