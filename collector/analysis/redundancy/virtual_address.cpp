#include "collector/analysis/redundancy/virtual_address.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "collector/analysis/exposure/loading.h"
#include "collector/analysis/redundancy/pair_hosts.h"
#include "collector/analysis/redundancy/redundancy.h"
#include "common/endpoint.h"

namespace lapwing::analysis::redundancy {

namespace {

using reach::Address;
using reach::AddressRange;
using topology::Entry;

const char* const kSysctlFile = "/etc/sysctl.d/60-lapwing-virtual-address.conf";

class Steps {
  public:
    Steps(const Context& context, const Entry& entry, const BalancerPair& pair)
        : context_(context),
          entry_(entry),
          pair_(pair),
          active_(sideOf(context, pair.active, *entry.address, "FIRST")),
          standby_(sideOf(context, pair.standby, *entry.address, "SECOND")),
          virtual_(freeAddress(context, *entry.address)),
          virtual_text_(virtual_ ? virtual_->toString() : "$VIRTUAL"),
          router_(freeRouter(context)) {
        active_.priority = 150;
    }

    std::string run() {
        return introduction() + block(standby_, active_) + block(active_, standby_) + check() + afterwards();
    }

  private:
    std::string old() const { return entry_.address->toString(); }
    bool isSix() const { return entry_.address->family == reach::Family::ipv6; }
    std::string newAddress() const { return virtual_ ? virtual_->toString() : "the new address"; }
    std::string nameOf(const Side& side) const { return side.host.empty() ? "the second host" : side.host; }

    std::string introduction() const {
        std::string out = "Give the site a new address, which keepalived moves between " + active_.host +
                          " and " + nameOf(standby_) + ". The present address " + old() + " stays on " +
                          active_.host +
                          ", and the site answers at it all the time. (Do not let keepalived move " + old() +
                          " itself: " + active_.host + " would lose its own address with it.)\n";
        if (standby_.host.empty()) {
            out += "You need a second host in the same network for it. Give it the same " + pair_.title +
                   " configuration: copy /etc/" + pair_.program + " and the certificates from " +
                   active_.host + ".\n";
        }
        out +=
            virtual_
                ? "Nobody may use the new address yet. Lapwing knows no host that has " + newAddress() +
                      ", but ask who assigns the addresses of your network, and check that nothing "
                      "answers: `ping -c 3 " +
                      newAddress() + "`. If it is taken, write another one in its place everywhere below.\n"
                : "Ask your provider for one more address that may move between the two hosts (a failover or "
                  "floating address), and write it where VIRTUAL is set below.\n";
        return out + "\n";
    }

    /// The assignments of the values that are not known.
    std::string variables(const Side& side, const Side& peer) const {
        std::string out;
        if (!virtual_) {
            out += "VIRTUAL=WRITE_THE_NEW_ADDRESS_HERE\n";
        }
        if (!active_.address) {
            out += "FIRST=WRITE_THE_ADDRESS_OF_" + active_.host + "_HERE\n";
        }
        if (!standby_.address) {
            out += "SECOND=WRITE_THE_ADDRESS_OF_THE_SECOND_HOST_HERE\n";
        }
        if (side.interface.empty()) {
            out += "INTERFACE=$(ip -o route get " + peer.address_text +
                   " | sed 's/.* dev \\([^ ]*\\).*/\\1/')\n";
        }
        return out;
    }

    std::string block(const Side& side, const Side& peer) const {
        const auto listening = bindCommands(side);
        return "# On " + (side.host.empty() ? "SECOND" : side.host) + ", as root:\n" + variables(side, peer) +
               "apt-get install -y " + pair_.program + " keepalived procps\n" + "# " + pair_.title +
               " may listen on the new address while the other host has it.\n" + "echo 'net." +
               (isSix() ? "ipv6" : "ipv4") + ".ip_nonlocal_bind = 1' >" + kSysctlFile + "\nsysctl -p " +
               kSysctlFile + "\n" + listening + configuration(side, peer) + firewallCommands(side, peer) +
               "keepalived -t\nsystemctl enable keepalived\n" + "systemctl restart keepalived\n\n";
    }

    const evidence::Vrrp* vrrpOf(const Side& side) const {
        const auto found = context_.moment->services.vrrp.find(side.host);
        return found == context_.moment->services.vrrp.end() ? nullptr : &found->second;
    }

    /// keepalived.conf. Instances that are there already stay.
    std::string configuration(const Side& side, const Side& peer) const {
        const auto* vrrp = vrrpOf(side);
        const bool more = vrrp != nullptr && !vrrp->instances.empty();
        const auto id = std::to_string(router_);
        const auto name = "site_" + id;
        const auto length = isSix() ? "/128" : "/32";
        std::string out = "mkdir -p /etc/keepalived\n";
        if (more) {
            out +=
                "[ ! -e /etc/keepalived/keepalived.conf ] || cp -p /etc/keepalived/keepalived.conf "
                "/etc/keepalived/keepalived.conf.before\n";
        }
        out += std::string("cat ") + (more ? ">>" : ">") + "/etc/keepalived/keepalived.conf <<END\n";
        if (!more) {
            out += "global_defs {\n    enable_script_security\n    script_user root\n}\n";
        }
        return out + "vrrp_script " + name + " {\n    script \"/usr/bin/pgrep -x " + pair_.program +
               "\"\n    interval 1\n    fall 2\n    rise 2\n    user root\n}\nvrrp_instance " + name +
               " {\n    state " + (side.priority > peer.priority ? "MASTER" : "BACKUP") + "\n    interface " +
               side.interface_text + "\n    virtual_router_id " + id + "\n    priority " +
               std::to_string(side.priority) + "\n    advert_int 1\n    unicast_src_ip " + side.address_text +
               "\n    unicast_peer {\n        " + peer.address_text +
               "\n    }\n    virtual_ipaddress {\n        " + virtual_text_ + length + " dev " +
               side.interface_text + "\n    }\n    track_script {\n        " + name + "\n    }\n}\nEND\n" +
               "chmod 600 /etc/keepalived/keepalived.conf\n";
    }

    const evidence::Host* hostOf(const Side& side) const {
        const auto found = context_.network.hosts.find(side.host);
        return found == context_.network.hosts.end() ? nullptr : &found->second;
    }

    /// If the program listens on the host's own address alone, it must listen on the new one, too.
    std::string bindCommands(const Side& side) const {
        const auto* host = hostOf(side);
        if (host == nullptr || !host->listeners_known || !side.address || pair_.program != "haproxy") {
            return "";
        }
        const auto port = std::to_string(entry_.port);
        bool own = false;
        for (const auto& listener : host->listeners) {
            if (listener.isTcp() && listener.port == entry_.port &&
                listener.family == entry_.address->family) {
                if (listener.isWildcard()) {
                    return "";
                }
                own = own || listener.address == side.address->toString();
            }
        }
        if (!own) {
            return "";
        }
        // HAProxy takes an IPv6 address with and without brackets, and a prefix that names the family.
        const auto present = quoted(side.address->toString());
        const auto pattern = isSix() ? "\\(ipv6@\\)\\{0,1\\}\\[\\{0,1\\}" + present + "\\]\\{0,1\\}:" + port
                                     : "\\(ipv4@\\)\\{0,1\\}" + present + ":" + port;
        return fmt::format(
            "cp -p /etc/haproxy/haproxy.cfg /etc/haproxy/haproxy.cfg.before\n"
            "sed -i 's/^\\([[:blank:]]*\\)bind[[:blank:]]*{}\\([[:blank:]].*\\)\\{{0,1\\}}$/&\\n\\1bind "
            "{}\\3/' "
            "/etc/haproxy/haproxy.cfg\n"
            "haproxy -c -f /etc/haproxy/haproxy.cfg\nsystemctl reload haproxy\n",
            pattern, isSix() ? "[" + virtual_text_ + "]:" + port : virtual_text_ + ":" + port);
    }

    /// One permission in the form of the host's own firewall.
    std::string permit(const evidence::Host& host, const std::vector<std::string>& places, const Side& peer,
                       bool visitors) const {
        const auto family = std::string(isSix() ? "ipv6" : "ipv4");
        const auto port = std::to_string(entry_.port);
        const auto keeper = exposure::rulesKeeper(host.boot);
        if (keeper == exposure::RulesKeeper::ufw) {
            return visitors ? "ufw allow proto tcp from any to " + virtual_text_ + " port " + port + "\n"
                            : "ufw allow proto vrrp from " + peer.address_text + " to any\n";
        }
        if (keeper == exposure::RulesKeeper::firewalld) {
            const auto rule =
                visitors ? "destination address=\"" + virtual_text_ + "\" port port=\"" + port +
                               "\" protocol=\"tcp\" accept"
                         : "source address=\"" + peer.address_text + "\" protocol value=\"vrrp\" accept";
            return "firewall-cmd --permanent --add-rich-rule='rule family=\"" + family + "\" " + rule +
                   "'\nfirewall-cmd --reload\n";
        }
        std::string out;
        for (const auto& place : places) {
            if (place.starts_with("legacy ")) {
                const auto* tool = isSix() ? "ip6tables-legacy" : "iptables-legacy";
                const auto what = visitors ? fmt::format("-d {} -p tcp --dport {}", virtual_text_, port)
                                           : fmt::format("-s {} -p 112", peer.address_text);
                out += fmt::format("{} -I INPUT {} -j ACCEPT\n", tool, what);
                continue;
            }
            const auto chain = place.substr(0, std::min(place.find(" handle "), place.find(" policy ")));
            const auto* ip = isSix() ? "ip6" : "ip";
            const auto what = visitors ? fmt::format("{} daddr {} tcp dport {}", ip, virtual_text_, port)
                                       : fmt::format("{} saddr {} meta l4proto 112", ip, peer.address_text);
            const auto rule = fmt::format("insert rule {} {} accept", chain, what);
            out += fmt::format("nft '{}'\n", rule);
            if (keeper == exposure::RulesKeeper::nftables && !host.boot.sources.empty()) {
                out += fmt::format("echo '{}' >>/etc/nftables.conf\n", rule);
            }
        }
        if (keeper == exposure::RulesKeeper::netfilter_persistent) {
            return out + "netfilter-persistent save\n";
        }
        if (keeper != exposure::RulesKeeper::nftables || host.boot.sources.empty()) {
            out +=
                "# It is gone after a reboot: put it into the configuration that the host's rules come from, "
                "too.\n";
        }
        return out;
    }

    /// The rules for VRRP from the other host and for visitors to the new address, if the present ones keep
    /// them out.
    std::string firewallCommands(const Side& side, const Side& peer) const {
        const auto* host = hostOf(side);
        const auto* rules =
            host == nullptr || !host->firewall_up.value_or(false) ? nullptr : context_.ruleset(*host);
        if (rules == nullptr || !side.address || !peer.address) {
            return "# If this host has a firewall, let protocol 112 (VRRP) in from " + peer.address_text +
                   ".\n";
        }
        std::string out;
        reach::Packet advertisement;
        advertisement.protocol = reach::Protocol::vrrp;
        advertisement.source = AddressRange::of(*peer.address);
        advertisement.destination = *side.address;
        advertisement.interface = side.interface;
        const auto heard = rules->evaluate(advertisement);
        if (heard.verdict != reach::Verdict::must_reach) {
            out += "# The other host's VRRP (protocol 112).\n" + permit(*host, heard.decided_by, peer, false);
        }
        reach::Packet visitor;
        visitor.source = AddressRange::of(rules->stranger(entry_.address->family));
        visitor.destination = *side.address;
        visitor.interface = side.interface;
        visitor.port = static_cast<std::uint16_t>(entry_.port);
        const auto now = rules->evaluate(visitor);
        visitor.destination = virtual_.value_or(*side.address);
        const auto then = rules->evaluate(visitor);
        if (virtual_ && now.verdict == reach::Verdict::must_reach &&
            then.verdict != reach::Verdict::must_reach) {
            out += "# Visitors of the new address.\n" + permit(*host, then.decided_by, peer, true);
        }
        return out;
    }

    std::string url(const std::string& host) const {
        const bool tls = entry_.url.starts_with("https:") || (entry_.url.empty() && entry_.port == 443);
        const int usual = tls ? 443 : 80;
        return std::string(tls ? "https" : "http") + "://" + (isSix() ? "[" + host + "]" : host) +
               (entry_.port == usual ? "" : ":" + std::to_string(entry_.port)) + "/";
    }

    std::string check() const {
        return "Within 5 seconds " + active_.host + " has " + newAddress() + ": `curl -k " +
               url(newAddress()) + "` answers as the present address does. Stop " + pair_.title + " on " +
               active_.host + " for a try: then " + nameOf(standby_) +
               " has the new address after about 3 seconds.\n\n";
    }

    std::string afterwards() const {
        if (!entry_.name.empty()) {
            return "At last let " + entry_.name + " lead to " + newAddress() + " instead of " + old() +
                   " (the record at your DNS provider). Until the old record's time to live has passed, "
                   "visitors "
                   "come to either address, and both answer: no request is lost. From then on the address "
                   "moves when " +
                   active_.host + " or its " + pair_.title +
                   " stops; the site does not answer for about 4 seconds.\n";
        }
        std::string out = "At last let the visitors use " + url(newAddress()) + " instead of " + url(old()) +
                          ". Both answer, so no request is lost.";
        const auto& collector = context_.moment->setup.collector_host;
        if (!entry_.url.empty() && !collector.empty() && virtual_) {
            auto moved = entry_.url;
            if (const auto at = moved.find(old()); at != std::string::npos) {
                moved.replace(at, old().size(), newAddress());
            }
            out += " Tell Lapwing, too:\n\n# On " + collector + ", as root:\nsed -i 's|" +
                   quoted(entry_.url) + "|" + moved +
                   "|' /etc/lapwing/collector.yaml\nsystemctl restart lapwing-collector\n\n";
        } else {
            out += " Write the new one into site.entry of collector.yaml.\n";
        }
        return out + "From then on the address moves when " + active_.host + " or its " + pair_.title +
               " stops; the site does not answer for about 4 seconds.\n";
    }

    /// For a basic regular expression.
    static std::string quoted(std::string text) {
        for (std::size_t at = 0; (at = text.find_first_of(".[]*", at)) != std::string::npos; at += 2) {
            text.insert(at, "\\");
        }
        return text;
    }

    const Context& context_;
    const Entry& entry_;
    const BalancerPair& pair_;
    Side active_;
    Side standby_;
    std::optional<Address> virtual_;
    std::string virtual_text_;
    int router_;
};

}  // namespace

BalancerPair BalancerPair::of(const topology::Model& model, const Entry& entry) {
    const auto standby = entry.standbys.empty() ? "" : entry.standbys.front().host;
    const auto found = model.balancers.find(entry.active);
    if (found == model.balancers.end()) {
        return {"nginx", "Nginx", entry.direct, standby};
    }
    const auto& by = found->second;
    return {by.process(), by.program.empty() ? "the load balancer" : by.program, entry.active, standby};
}

std::string virtualAddressSteps(const Context& context, const Entry& entry, const BalancerPair& pair) {
    if (!entry.address) {
        return "Declare the address at which visitors request the site (site.entry in collector.yaml): the "
               "steps "
               "depend on it.\n";
    }
    if (pair.program.empty()) {
        return "Set up a second host that passes the requests on as " + pair.active +
               " does, and let keepalived move a new address between the two, at which the visitors then "
               "request the "
               "site. (Do not let it move " +
               entry.address->toString() + ": " + pair.active + " would lose its own address with it.)\n";
    }
    return Steps(context, entry, pair).run();
}

}  // namespace lapwing::analysis::redundancy
