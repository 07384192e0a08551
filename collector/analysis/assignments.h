#pragma once

#include <map>
#include <random>
#include <string>
#include <vector>

#include "collector/analysis/analyst.h"
#include "collector/analysis/judgement.h"

namespace lapwing::analysis {

/// Assigns work to the agents: each agent tries every listener of every other host, and pairs of hosts that
/// try each other get canaries. Not synchronised.
class Assignments {
  public:
    explicit Assignments(AnalystOptions options);

    void update(const Context& context);
    Assignment of(const std::string& agent) const;

    /// A canary uses the port, or used it a short while ago: the listener is not a service of the host.
    bool isCanaryPort(const std::string& host, int port) const;

  private:
    struct Canary {
        std::string id;
        std::string listener;
        std::string connector;
        int port = 0;
        std::string nonce;
        TimestampMs at = 0;
    };

    /// Of the list of attempts, or of hosts; both are sorted by host.
    struct Entry {
        std::string host;
        std::string json;
    };

    /// When a pair last got a canary, and how many canaries since its last answer.
    struct Asked {
        TimestampMs at = 0;
        int unanswered = 0;
    };

    void planCanaries(const Context& context);
    void planCanary(const Context& context, const evidence::Host& host, const std::string& connector);
    bool isDue(const Context& context, const evidence::Host& host, const std::string& connector);
    std::vector<Entry> attempts(const Context& context) const;
    static std::vector<Entry> hosts(const Context& context);
    static std::string shareOf(const std::string& agent, const std::vector<Entry>& all);
    std::string canariesFor(const std::string& agent) const;
    std::string randomHex(std::size_t bytes);

    AnalystOptions options_;
    std::random_device random_;
    std::vector<Canary> canaries_;
    std::map<std::pair<std::string, std::string>, Asked> asked_;  ///< by listener and connector
    std::map<std::string, TimestampMs> free_;  ///< by connector: the end of its last planned canary
    std::map<std::string, Assignment> current_;
    Assignment nothing_;
    TimestampMs now_ = 0;
};

}  // namespace lapwing::analysis
