#pragma once

#include "collector/analysis/judgement.h"

namespace lapwing::analysis::exposure {

/// F1: no default-deny inbound, one finding a host.
void judgeDefaultDeny(const Context& context, Judgement& out);
/// F2: a database is reachable from addresses outside its declared and known clients.
void judgeDatabases(const Context& context, Judgement& out);
/// F3 to F5: HAProxy's statistics, the application past the load balancer, ssh.
void judgeServices(const Context& context, Judgement& out);
/// F6: a port that is closed over IPv4 and open over IPv6.
void judgeFamilies(const Context& context, Judgement& out);
/// F7: rules forward a port to another host (a container), past the rules of the input hook.
void judgeForwarded(const Context& context, Judgement& out);
/// F8: some ports are blocked, and the default accepts.
void judgeDenyList(const Context& context, Judgement& out);
/// F9: a flow that the site needs is blocked.
void judgeBlocked(const Context& context, Judgement& out);
/// F10: a reboot would open a port that is closed now, or close a port that the site needs.
void judgeBoot(const Context& context, Judgement& out);
/// F11: a change of the rules within the last day has opened a port.
void judgeDrift(const Context& context, Judgement& out);
/// F12: rules of legacy iptables beside nftables' own.
void judgeMixed(const Context& context, Judgement& out);
/// F13: outgoing connections are not restricted.
void judgeOutbound(const Context& context, Judgement& out);
/// F14: the host's exposure cannot be proven from inside.
void judgeUnprovable(const Context& context, Judgement& out);

/// The result of attempts of one kind since the last change of the rules, the worst first.
enum class Shown {
    open,
    refused,  ///< reset or ICMP
    silent,   ///< and the control port answered
    nothing,  ///< no attempt, or silence without a control
};
Shown shownBy(evidence::ConnectResult result, bool control_ok);

/// One level lower.
Severity lowered(Severity severity);

/// Filters that no verdict from inside a host can look at.
std::vector<std::string> notAssessedFromInside();

}  // namespace lapwing::analysis::exposure
