#pragma once

#include <chrono>
#include <string>
#include <vector>

namespace lapwing::test {

/// A running program: its output goes to files, and it is killed when the test ends.
class Program {
  public:
    Program(const std::string& folder, const std::vector<std::string>& arguments);
    ~Program();
    Program(const Program&) = delete;
    Program& operator=(const Program&) = delete;

    int pid() const { return pid_; }
    void signal(int number) const;
    /// The exit code, -1 if it was killed by a signal, -2 if it still runs after `limit` (and is killed
    /// then).
    int wait(std::chrono::milliseconds limit = std::chrono::seconds(30));
    std::string out() const;
    std::string err() const;

  private:
    std::string folder_;
    int pid_ = -1;
};

}  // namespace lapwing::test
