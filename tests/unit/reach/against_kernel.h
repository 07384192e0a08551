#pragma once

#include <string>
#include <vector>

#include "tests/unit/reach/namespaces.h"

namespace lapwing::test {

/// Servers on the ports 22, 3306 and 8080 of the server's and of the inner namespace, on every address.
class Listeners {
  public:
    explicit Listeners(const Namespaces& namespaces);
    ~Listeners();
    Listeners(const Listeners&) = delete;
    Listeners& operator=(const Listeners&) = delete;

  private:
    std::vector<int> fds_;
};

struct Count {
    int rulesets = 0;
    int reach = 0;
    int block = 0;
    int may = 0;
    int forwarded = 0;  ///< of `reach`: by way of the inner namespace
    std::vector<std::string> contradictions;

    void add(const Count& other);
};

/// What the server's namespace holds, as the agent hands it to the evaluator.
std::string listingIn(const Namespaces& namespaces);

/// Connects from every address of the client to every port and compares with what the evaluator says of the
/// listing. A contradiction is one only if it stands after a second, longer try.
void compareWithKernel(const Namespaces& namespaces, const std::string& listing, Count& count);

}  // namespace lapwing::test
