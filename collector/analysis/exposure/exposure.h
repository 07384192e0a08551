#pragma once

#include "collector/analysis/judgement.h"

namespace lapwing::analysis::exposure {

/// F1: no default-deny inbound, one finding a host.
void judgeDefaultDeny(const Context& context, Judgement& out);
/// F2: a database is reachable from an address that has no business there.
void judgeDatabases(const Context& context, Judgement& out);
/// F14: what a host lets in cannot be proven from inside.
void judgeUnprovable(const Context& context, Judgement& out);

/// What attempts of one kind showed, the worst first: only those made since the rules are as they are.
enum class Shown {
    open,
    refused,  ///< reset or ICMP
    silent,   ///< and the control port answered
    nothing,  ///< no attempt, or silence without a control
};
Shown shownBy(const std::string& result, bool control_ok);

/// Who may have business with the database of `host`: what the site declares, the replication peers, and the
/// hosts behind the load balancer.
std::vector<reach::AddressRange> allowedToDatabase(const Context& context);

/// What no verdict about exposure can look at from inside a host.
std::vector<std::string> notAssessedFromInside();

}  // namespace lapwing::analysis::exposure
