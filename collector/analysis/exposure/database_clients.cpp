#include "collector/analysis/exposure/database_clients.h"

#include <algorithm>
#include <set>

#include "collector/analysis/exposure/exposed.h"
#include "collector/analysis/exposure/nft_ruleset.h"
#include "collector/analysis/exposure/placed_servers.h"

namespace lapwing::analysis::exposure {

namespace {

using reach::AddressRange;
using reach::Family;

void append(std::vector<AddressRange>& out, const std::vector<AddressRange>& more) {
    out.insert(out.end(), more.begin(), more.end());
}

/// The addresses from which a replica connects to its primary, and from which the primary would after a
/// switch.
class ClientFinder {
  public:
    explicit ClientFinder(const Context& context) : context_(context) {}

    DatabaseClients run() {
        out_.from = declaredFor(context_.site, {"mysql", "tcp/3306"});
        for (const auto& pair : context_.site.replication) {
            peers_.insert(pair.primary);
            peers_.insert(pair.replica);
        }
        for (const auto& replica : context_.network.replicas) {
            replication(replica);
        }
        for (const auto& placed : placedServers(context_)) {
            if (isDatabase(placed)) {
                append(out_.from, balancerSources(context_));
            }
            if (placed.local) {
                // What runs there is not known. If it uses the database, its connections show.
                append(out_.from, addressesOf(context_, placed.balancer));
            } else if (!placed.host.empty()) {
                peers_.insert(placed.host);
            } else if (placed.isIdentified()) {
                out_.from.push_back(AddressRange::of(*placed.endpoint->address()));
            } else {
                missing(placed.missingHost());
            }
        }
        for (const auto& peer : peers_) {
            const auto callers = callersOf(context_, peer);
            if (callers.empty()) {
                missing("the addresses of " + peer + ", which has business with the database");
            }
            append(out_.from, callers);
        }
        evidence::sortUnique(out_.from);
        return std::move(out_);
    }

  private:
    void missing(const std::string& input) {
        if (std::find(out_.missing.begin(), out_.missing.end(), input) == out_.missing.end()) {
            out_.missing.push_back(input);
        }
    }

    /// A load balancer in TCP mode in front of the database.
    bool isDatabase(const PlacedServer& placed) const {
        const auto host = context_.network.hosts.find(placed.host);
        return host != context_.network.hosts.end() && placed.endpoint &&
               std::any_of(host->second.listeners.begin(), host->second.listeners.end(),
                           [&](const auto& listener) {
                               return listener.isTcp() && listener.port == placed.endpoint->port &&
                                      listener.program() == evidence::Program::mysql;
                           });
    }

    void replication(const evidence::SeenReplica& replica) {
        peers_.insert(replica.replica);
        const auto address = reach::Address::parse(replica.primary_address);
        if (!address) {
            if (const auto primary = hostNamed(context_, replica.primary_address); !primary.empty()) {
                peers_.insert(primary);
            }
            return;
        }
        out_.from.push_back(AddressRange::of(*address));
        const auto* primary = context_.network.holder(*address);
        if (primary != nullptr) {
            peers_.insert(primary->name);
        }
        const auto callers = callersOf(context_, replica.replica);
        const auto known = primary == nullptr ? std::vector<reach::Address>{}
                                              : evidence::knownAddresses(context_.network, primary->name);
        const bool usual = known.empty() || std::find(known.begin(), known.end(), *address) != known.end();
        if (!usual || ofFamily(callers, address->family).empty()) {
            furtherNetwork(replica.replica, address->family);
        }
    }

    /// The replica connects over a network without other evidence. It may use any address of its host except
    /// the second addresses of attempts.
    void furtherNetwork(const std::string& replica, Family family) {
        std::vector<AddressRange> own;
        const auto host = context_.network.hosts.find(replica);
        if (host != context_.network.hosts.end()) {
            for (const auto& held : host->second.addresses) {
                if (held.address.family == family && !held.address.isLoopback() &&
                    !held.address.isLinkLocal() && !context_.network.index.isSecond(replica, held.address)) {
                    own.push_back(AddressRange::of(held.address));
                }
            }
        }
        if (own.empty()) {
            missing(std::string("the ") + familyText(family) + " address from which " + replica +
                    " replicates");
        }
        append(out_.from, own);
    }

    const Context& context_;
    std::set<std::string> peers_;
    DatabaseClients out_;
};

}  // namespace

const DatabaseClients& databaseClients(const Context& context) {
    return context.memo->once<DatabaseClients>("", [&] { return ClientFinder(context).run(); });
}

}  // namespace lapwing::analysis::exposure
