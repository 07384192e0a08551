#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

namespace lapwing::test {

/// A temporary directory, removed with its content.
class Temporary {
  public:
    Temporary() {
        std::string name = (std::filesystem::temp_directory_path() / "lapwing-test-XXXXXX").string();
        root_ = ::mkdtemp(name.data());
    }
    ~Temporary() {
        std::error_code ignored;
        std::filesystem::remove_all(root_, ignored);
    }
    Temporary(const Temporary&) = delete;
    Temporary& operator=(const Temporary&) = delete;
    std::string path(const std::string& name) const { return (root_ / name).string(); }

  private:
    std::filesystem::path root_;
};

}  // namespace lapwing::test
