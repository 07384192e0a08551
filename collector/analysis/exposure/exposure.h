#pragma once

#include "collector/analysis/judgement.h"

namespace lapwing::analysis::exposure {

/// F1: no default-deny inbound, one finding a host.
void judgeDefaultDeny(const Context& context, Judgement& out);
/// F2: a database is reachable from an address that has no business there.
void judgeDatabases(const Context& context, Judgement& out);
/// F3 to F5: HAProxy's statistics, the application past the load balancer, ssh.
void judgeServices(const Context& context, Judgement& out);
/// F6: a port that is closed over IPv4 and open over IPv6.
void judgeFamilies(const Context& context, Judgement& out);
/// F7: a port that the rules send on to another host (a container), past those that guard this one.
void judgeForwarded(const Context& context, Judgement& out);
/// F8: some ports are blocked, and the default accepts.
void judgeDenyList(const Context& context, Judgement& out);
/// F9: a flow that the site needs is blocked.
void judgeBlocked(const Context& context, Judgement& out);
/// F10: what is closed now would be open after a reboot, or the other way round what the site needs.
void judgeBoot(const Context& context, Judgement& out);
/// F11: within the last day a change of the rules has opened something.
void judgeDrift(const Context& context, Judgement& out);
/// F12: rules of legacy iptables beside nftables' own.
void judgeMixed(const Context& context, Judgement& out);
/// F13: whatever runs here may connect to anywhere.
void judgeOutbound(const Context& context, Judgement& out);
/// F14: what a host lets in cannot be proven from inside.
void judgeUnprovable(const Context& context, Judgement& out);

/// What attempts of one kind showed, the worst first: only those made since the rules are as they are.
enum class Shown {
    open,
    refused,  ///< reset or ICMP
    silent,   ///< and the control port answered
    nothing,  ///< no attempt, or silence without a control
};
Shown shownBy(evidence::ConnectResult result, bool control_ok);

/// Who may have business with the database of `host`: what the site declares, the replication peers, and the
/// hosts behind the load balancer.
std::vector<reach::AddressRange> allowedToDatabase(const Context& context);

/// One level lower.
Severity lowered(Severity severity);

/// What no verdict about exposure can look at from inside a host.
std::vector<std::string> notAssessedFromInside();

}  // namespace lapwing::analysis::exposure
