#pragma once

#include <atomic>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "tests/unit/reach/namespaces.h"

namespace lapwing::test {

/// Servers on the ports 22, 3306 and 8080 of the server's and of the inner namespace, on every address. Each
/// sends a greeting over TCP, and returns what it receives over TCP and UDP.
class Listeners {
  public:
    explicit Listeners(const Namespaces& namespaces);
    ~Listeners();
    Listeners(const Listeners&) = delete;
    Listeners& operator=(const Listeners&) = delete;

  private:
    void serve();
    void greet(int listener);
    void echo(int connection);

    std::vector<int> tcp_;
    std::vector<int> udp_;
    std::set<int> connections_;
    std::atomic<bool> ends_{false};
    std::thread thread_;
};

struct Count {
    int rulesets = 0;
    int reach = 0;
    int block = 0;
    int may = 0;
    int modelled = 0;      ///< verdicts about rulesets whose constructs are all known
    int may_modelled = 0;  ///< of them
    int may_history = 0;   ///< of these: for the hardware addresses that the hosts have learned before
    int complete = 0;      ///< exchanges that came about
    int forwarded = 0;     ///< of `reach`: by way of the inner namespace
    std::map<std::string, int> may_reasons;  ///< the number of MAY verdicts for each reason
    std::vector<std::string> contradictions;

    int verdicts() const { return reach + block + may; }
    void add(const Count& other);
};

/// Prints the most frequent reasons of MAY.
void printReasons(const Count& count);

/// What the server's namespace holds, as the agent hands it to the evaluator.
std::string listingIn(const Namespaces& namespaces);

/// Makes an exchange from every address of the client with every port, over TCP and UDP, and compares with
/// the evaluator's verdict about the listing. A contradiction is one only if it stands after a second, longer
/// try.
void compareWithKernel(const Namespaces& namespaces, const std::string& listing, Count& count);

}  // namespace lapwing::test
