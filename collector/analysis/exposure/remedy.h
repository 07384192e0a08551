#pragma once

#include <set>
#include <string>
#include <vector>

#include "collector/analysis/exposure/flows.h"
#include "collector/analysis/judgement.h"

namespace lapwing::analysis::exposure {

// The rulesets that findings propose. Where an input is not known, the first line says which, and that the
// ruleset is incomplete.

/// "" where nothing is missing. A comment, so that a remedy that is a ruleset alone can be loaded as it is.
std::string incompleteLine(const std::vector<std::string>& missing);

/// For the host's input: drops by default and lets the flows in.
NftTable inputTable(const std::vector<Flow>& flows);

/// `advice` in words, what the evaluator says of the ruleset for the host's input, and the steps that load
/// it.
std::string firewallRemedy(const Context& context, const evidence::Host& host, const std::string& advice);

/// For some ports of a host's input: only `from` connect to them. Everything else stays as it is.
NftTable portsTable(const std::set<int>& ports, std::vector<reach::AddressRange> from);

/// `advice` in words, and the steps for portsTable() for a host with no known facts but some ports. Only the
/// advice if `ports` is empty.
std::string portsRemedy(const Context& context, const std::string& host, const std::set<int>& ports,
                        std::vector<reach::AddressRange> from, const std::string& advice);

struct OutputTable {
    NftTable table;
    std::vector<std::string> missing;  ///< as of Flows
};

/// For the host's output: drops by default, and lets out what the site needs and the connections that there
/// are now.
OutputTable outputTable(const Context& context, const evidence::Host& host);

std::string outboundRemedy(const Context& context, const evidence::Host& host);

/// On the forward path: only `from` connect to `to`, to which rules send what comes in by `interface`.
NftTable forwardTable(const std::string& interface, const reach::Address& to, int port,
                      const std::vector<reach::AddressRange>& from);

}  // namespace lapwing::analysis::exposure
