#pragma once

#include <string>
#include <vector>

#include "collector/analysis/topology/model.h"
#include "collector/analysis/topology/served.h"

namespace lapwing::analysis::topology {

/// The steps of build(). Each adds the components and edges that one kind of source shows.
class Builder {
  public:
    explicit Builder(const Inputs& inputs) : inputs_(inputs) {}
    Model run();

  private:
    void hosts();
    void machines();
    void balancers();
    void pools();
    void member(Pool& pool, const evidence::Server& server, ComponentKind otherwise);
    void checkedServers();
    void proxies();
    void nginxBalancer(const std::string& host);
    bool natRule(const std::string& host);
    void otherBalancer(const std::string& host, const reach::Address& entry);
    void balance(const std::string& host, const Balancer& by, Truth works,
                 const std::vector<evidence::Server>& servers);
    void concludeStates();
    bool receives(const std::string& host) const;
    void applications();
    bool configuredApplications(const std::string& host);
    void seenApplications(const std::string& host);
    void checkedApplications();
    std::vector<evidence::Route> routesOf(const std::string& host) const;
    std::set<int> requestedPorts(const std::string& host) const;
    std::string upstreamAt(const std::string& web_host, const std::string& address, const Evidence& source);
    std::string appOn(const std::string& host, const Evidence& source);
    void databases();
    void replication();
    void flows();
    void flow(const std::string& host, const reach::Address& address, int port, int count);
    void proxied(const std::string& host, const std::string& app, const Evidence& seen);
    void entries();
    void entry(Entry base);
    void findHolders(Entry& entry) const;
    void findActive(Entry& entry) const;
    void findStandbys(Entry& entry) const;
    void drawEntry(const Entry& entry);
    void collector();
    void groups();
    void add();
    void addBalancer(const std::string& host);
    void addWeb(const std::string& host);
    void addDatabase(const std::string& host);
    std::vector<std::string> balancerHosts() const;
    void runsOn();

    Component& component(ComponentKind kind, const std::string& host, Truth works, Evidence seen);
    Component& component(const std::string& id, ComponentKind kind, const std::string& host, Truth works,
                         Evidence seen);
    Edge& edge(const std::string& from, const std::string& to, EdgeKind kind, Evidence source);
    Truth worksOf(const std::map<std::string, Truth>& known, const std::string& instance) const;
    std::string hostAt(const std::optional<reach::Address>& address) const;
    std::string serverAt(const Served& served, const std::string& source);

    const Inputs& inputs_;
    Model model_;
    std::set<std::string>
        configured_;  ///< hosts whose Nginx configuration names every application that Nginx uses
};

/// Appends the services with their success functions and cut sets.
void addServices(const Inputs& inputs, Model& model);

}  // namespace lapwing::analysis::topology
