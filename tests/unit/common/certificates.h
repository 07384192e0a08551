#pragma once

#include <filesystem>
#include <string>

namespace lapwing::test {

/// A temporary folder, removed with its content.
class TempDir {
  public:
    TempDir();
    ~TempDir();
    TempDir(const TempDir&) = delete;
    TempDir& operator=(const TempDir&) = delete;
    std::string path(const std::string& name) const { return (root_ / name).string(); }
    std::string root() const { return root_.string(); }

  private:
    std::filesystem::path root_;
};

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
    TestCa(const TempDir& dir, const std::string& name);
    ~TestCa();
    TestCa(const TestCa&) = delete;
    TestCa& operator=(const TestCa&) = delete;
    const std::string& certificate() const { return file_; }
    /// Writes one file that holds the certificate and its key; returns its path.
    std::string issue(const Leaf& leaf, const std::string& file_name) const;

  private:
    struct State;
    const TempDir& dir_;
    std::string file_;
    State* state_;
};

}  // namespace lapwing::test
