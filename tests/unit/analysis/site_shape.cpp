#include "tests/unit/analysis/site_shape.h"

#include <algorithm>

namespace lapwing::test {

namespace {

using analysis::Site;
using reach::Address;
using reach::Family;

constexpr int kEntryPort = 80;
constexpr int kSecondPort = 8080;  // of the second backend
constexpr int kDatabase = 3306;
constexpr int kStatistics = 8404;
constexpr int kCollector = 9766;
constexpr int kApi = 9000;  // of web-01, for the application on web-02

struct HostPlace {
    const char* name;
    int number;  ///< the last number of its addresses
};
constexpr HostPlace kBalancer{"lb-01", 10};
constexpr HostPlace kWebs[] = {{"web-01", 11}, {"web-02", 12}};
constexpr HostPlace kMonitor{"monitor", 13};

Address addressOf(const HostPlace& host, Family family, bool second = false) {
    const auto number = std::to_string(host.number + (second ? 100 : 0));
    return *Address::parse((family == Family::ipv4 ? "10.77.0." : "2001:db8:77::") + number);
}

Address strangerOf(Family family) {
    return *Address::parse(family == Family::ipv4 ? "198.51.100.7" : "2001:db8:ffff::7");
}

Address administratorOf(Family family) {
    return *Address::parse(family == Family::ipv4 ? "192.0.2.9" : "2001:db8:99::9");
}

class Builder {
  public:
    Builder(const SiteShape& shape, SiteSamples& samples) : shape_(shape), samples_(samples) {
        if (shape.families != SiteShape::Families::ipv6) {
            families_.push_back(Family::ipv4);
        }
        if (shape.families != SiteShape::Families::ipv4) {
            families_.push_back(Family::ipv6);
        }
    }

    BuiltSite run() {
        declare();
        for (const auto& web : kWebs) {
            host(web);
            listen(web, "nginx", kEntryPort);
            listen(web, "mariadbd", kDatabase);
            if (shape_.backends == 2) {
                listen(web, "java", kSecondPort);
            }
            samples_.add("mysql_up", labels(web, {{"job", "mysql"}}));
            samples_.listener(web.name, Family::ipv4, "127.0.0.1", "8000", "gunicorn");
        }
        listen(kWebs[0], "node", kApi);
        host(kMonitor);
        listen(kMonitor, "lapwing-collect", kCollector);
        if (shape_.agent_on_balancer) {
            host(kBalancer);
            listen(kBalancer, "haproxy", kEntryPort);
            listen(kBalancer, "haproxy", kStatistics);
            if (shape_.backends == 2) {
                listen(kBalancer, "haproxy", kSecondPort);
            }
        }
        haproxy();
        visitors();
        replication();
        api();
        agentsToCollector();
        if (shape_.tried) {
            attempts();
        }
        samples_.write();
        return std::move(out_);
    }

  private:
    static Labels labels(const HostPlace& host, std::vector<Label> more) {
        more.push_back({"agent", host.name});
        more.push_back({"instance", host.name});
        return Labels(std::move(more));
    }

    Address inside(const HostPlace& host) const { return addressOf(host, insideFamily()); }
    Family insideFamily() const { return families_.size() == 1 ? families_.front() : shape_.inside; }
    Family entryFamily() const { return families_.size() == 1 ? families_.front() : shape_.entry; }

    std::vector<HostPlace> agents() const {
        std::vector<HostPlace> out{kWebs[0], kWebs[1], kMonitor};
        if (shape_.agent_on_balancer) {
            out.push_back(kBalancer);
        }
        return out;
    }

    void uses(const char* from, const HostPlace& to, const Address& source, int port, const char* why) {
        out_.flows.push_back({from, to.name, source, addressOf(to, source.family), port, why});
    }

    void declare() {
        const auto entry = addressOf(kBalancer, entryFamily()).toString();
        const auto host = shape_.entry_by_name            ? std::string("www.example.org")
                          : entryFamily() == Family::ipv6 ? "[" + entry + "]"
                                                          : entry;
        out_.site.entry = {"http://" + host + "/"};
        if (shape_.replication_declared && shape_.replication != SiteShape::Replication::none) {
            out_.site.replication = {{primary().name, replica().name}};
        }
        if (shape_.ssh_declared) {
            out_.site.allow = {{"ssh", {"192.0.2.0/24", "2001:db8:99::/64"}}};
        }
    }

    void host(const HostPlace& host) {
        const auto ruleset = R"({"nftables":[]})";
        samples_.agent(host.name, ruleset);
        for (const auto family : families_) {
            samples_.address(host.name, addressOf(host, family).toString(), "eth0");
            samples_.address(host.name, addressOf(host, family, true).toString(), "eth0");
            samples_.denies(host.name, false, family);
            const auto administrator = shape_.ssh_declared ? administratorOf(family) : strangerOf(family);
            uses("anybody", host, administrator, shape_.ssh_port, "ssh");
        }
        listen(host, "sshd", shape_.ssh_port);
    }

    void listen(const HostPlace& host, const char* process, int port) {
        for (const auto family : families_) {
            samples_.listener(host.name, family,
                              family == Family::ipv4 ? "0.0.0.0" : "::", std::to_string(port), process);
        }
    }

    std::string shownAddress(const HostPlace& web, int port) const {
        const auto address = inside(web).toString();
        auto bracketed = insideFamily() == Family::ipv6 ? "[" + address + "]" : address;
        switch (shape_.server_addresses) {
            case SiteShape::ServerAddresses::whole:
                return bracketed + ":" + std::to_string(port);
            case SiteShape::ServerAddresses::without_port:
                return bracketed;
            case SiteShape::ServerAddresses::names:
                return std::string(web.name) + ":" + std::to_string(port);
            case SiteShape::ServerAddresses::hidden:
                return "";
        }
        return "";
    }

    void haproxy() {
        for (int backend = 0; backend < shape_.backends; ++backend) {
            const int port = backend == 0 ? kEntryPort : kSecondPort;
            int number = 1;
            for (const auto& web : kWebs) {
                const auto server = shape_.server_names == SiteShape::ServerNames::hosts
                                        ? std::string(web.name)
                                        : "s" + std::to_string(number);
                ++number;
                samples_.server(backend == 0 ? "web" : "api", server, shownAddress(web, port));
                // A name may resolve to either family.
                const bool by_name = shape_.server_addresses == SiteShape::ServerAddresses::names;
                for (const auto family : by_name ? families_ : std::vector{insideFamily()}) {
                    uses(kBalancer.name, web, addressOf(kBalancer, family), port, "requests");
                }
            }
        }
        samples_.add("up", {{"agent", "web-01"}, {"instance", "lb-01"}, {"job", "haproxy"}, {"via", "http"}});
        uses(kWebs[0].name, kBalancer, inside(kWebs[0]), kStatistics, "HAProxy's statistics");
    }

    void visitors() { uses("anybody", kBalancer, strangerOf(entryFamily()), kEntryPort, "visitors"); }

    const HostPlace& primary() const {
        return kWebs[shape_.replication == SiteShape::Replication::from_web_02 ? 1 : 0];
    }
    const HostPlace& replica() const {
        return kWebs[shape_.replication == SiteShape::Replication::from_web_02 ? 0 : 1];
    }

    void replication() {
        if (shape_.replication == SiteShape::Replication::none) {
            return;
        }
        const auto master =
            shape_.primary_by_name ? std::string(primary().name) : inside(primary()).toString();
        for (const auto* metric :
             {"mysql_slave_status_slave_io_running", "mysql_slave_status_slave_sql_running"}) {
            samples_.add(metric, labels(replica(), {{"job", "mysql"}, {"master_host", master}}));
        }
        uses(replica().name, primary(), inside(replica()), kDatabase, "replication");
    }

    void api() {
        samples_.add("lapwing_outgoing_connections",
                     labels(kWebs[1], {{"job", "sockets"},
                                       {"address", inside(kWebs[0]).toString()},
                                       {"port", std::to_string(kApi)}}),
                     3);
        uses(kWebs[1].name, kWebs[0], inside(kWebs[1]), kApi, "the application");
    }

    void agentsToCollector() {
        for (const auto& agent : agents()) {
            if (agent.name != std::string(kMonitor.name)) {
                uses(agent.name, kMonitor, inside(agent), kCollector, "the agent");
            }
        }
    }

    void attempts() {
        for (const auto& from : agents()) {
            for (const auto family : families_) {
                for (const auto& web : kWebs) {
                    if (from.name != std::string(web.name)) {
                        attemptsAt(from, web, family, {shape_.ssh_port, kEntryPort});
                    }
                }
                if (from.name != std::string(kBalancer.name)) {
                    attemptsAt(from, kBalancer, family, {kEntryPort, kStatistics});
                }
            }
        }
    }

    void attemptsAt(const HostPlace& from, const HostPlace& to, Family family,
                    const std::vector<int>& ports) {
        const auto address = addressOf(to, family).toString();
        samples_.control(from.name, to.name, true, address);
        for (const int port : ports) {
            for (const bool second : {false, true}) {
                samples_.attempt(from.name, to.name, address, std::to_string(port).c_str(),
                                 addressOf(from, family, second).toString(), second ? "second" : "main",
                                 "open",
                                 port == kStatistics       ? "haproxy_stats"
                                 : port == shape_.ssh_port ? "ssh"
                                                           : nullptr,
                                 port == kStatistics ? "haproxy-stats" : "x");
            }
            // With declared ssh clients, an attempt is not a used flow.
            if (port != shape_.ssh_port || !shape_.ssh_declared) {
                uses(from.name, to, addressOf(from, family), port, "an attempt or its control");
            }
        }
    }

    const SiteShape& shape_;
    SiteSamples& samples_;
    std::vector<Family> families_;
    BuiltSite out_;
};

}  // namespace

SiteShape SiteShape::random(std::mt19937& random) {
    const auto draw = [&](int count) { return static_cast<int>(random() % static_cast<unsigned>(count)); };
    const auto family = [&] { return draw(2) == 0 ? Family::ipv4 : Family::ipv6; };
    SiteShape out;
    out.families = static_cast<Families>(draw(3));
    out.inside = family();
    out.entry = family();
    out.entry_by_name = draw(3) == 0;
    out.server_names = static_cast<ServerNames>(draw(2));
    out.server_addresses = static_cast<ServerAddresses>(draw(4));
    out.backends = 1 + draw(2);
    out.agent_on_balancer = draw(2) == 0;
    out.replication = static_cast<Replication>(draw(3));
    out.primary_by_name = draw(2) == 0;
    out.replication_declared = draw(2) == 0;
    out.ssh_port = draw(3) == 0 ? 2222 : 22;
    out.ssh_declared = draw(2) == 0;
    out.tried = draw(3) != 0;
    return out;
}

std::string SiteShape::text() const {
    static constexpr const char* families_text[] = {"IPv4", "IPv6", "both"};
    static constexpr const char* addresses_text[] = {"ADDRESS:PORT", "ADDRESS", "NAME:PORT", "hidden"};
    std::string out = families_text[static_cast<int>(families)];
    out += std::string(", inside ") + reach::familyName(inside) + ", entry " + reach::familyName(entry) +
           (entry_by_name ? " by name" : "");
    out += server_names == ServerNames::hosts ? ", servers web-01" : ", servers s1";
    out += std::string(" at ") + addresses_text[static_cast<int>(server_addresses)];
    out += ", backends " + std::to_string(backends);
    out += agent_on_balancer ? ", agent on lb-01" : "";
    out += replication == Replication::none          ? ", no replication"
           : replication == Replication::from_web_01 ? ", replication from web-01"
                                                     : ", replication from web-02";
    out += primary_by_name ? " by name" : "";
    out += replication_declared ? " (declared)" : "";
    out += ", ssh at " + std::to_string(ssh_port) + (ssh_declared ? " (declared)" : "");
    return out + (tried ? "" : ", not tried yet");
}

bool SiteShape::tellsEverything() const {
    if (server_names == ServerNames::others && server_addresses == ServerAddresses::hidden) {
        return false;
    }
    if (agent_on_balancer || tried) {
        return true;
    }
    // Only the declared address of the load balancer is known.
    if (entry_by_name) {
        return false;
    }
    const bool family_shown =
        server_addresses == ServerAddresses::whole || server_addresses == ServerAddresses::without_port;
    return families != Families::both || (family_shown && inside == entry);
}

std::string UsedFlow::text() const {
    return why + ": " + from + " (" + source.toString() + ") to " + to + " (" + destination.toString() +
           ") port " + std::to_string(port);
}

BuiltSite build(const SiteShape& shape, SiteSamples& samples) {
    return Builder(shape, samples).run();
}

}  // namespace lapwing::test
