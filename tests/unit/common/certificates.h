#pragma once

#include <string>

#include "tests/unit/temporary_folder.h"

namespace lapwing::test {

struct Leaf {
    std::string common_name;
    std::string subject_alt_name;  ///< "DNS:localhost,IP:127.0.0.1"
    bool server = true;            ///< false: a client's
    int from_days = -1;
    int to_days = 10;
};

/// A certificate authority of the test: ca.pem in `dir`. Throws std::runtime_error.
class TestCa {
  public:
    TestCa(const TemporaryFolder& dir, const std::string& name);
    ~TestCa();
    TestCa(const TestCa&) = delete;
    TestCa& operator=(const TestCa&) = delete;
    const std::string& certificate() const { return file_; }
    /// Writes one file that holds the certificate and its key; returns its path.
    std::string issue(const Leaf& leaf, const std::string& file_name) const;

  private:
    struct State;
    const TemporaryFolder& dir_;
    std::string file_;
    State* state_;
};

}  // namespace lapwing::test
