#pragma once

#include <string>
#include <vector>

namespace lapwing::doctor {

/// What `doctor` prints, and nothing else decides its exit code. Not synchronised.
class Report {
  public:
    enum class Result { well, wrong, unknown };
    struct Check {
        std::string area;   ///< "clock", "tls", "permissions": one word
        std::string tried;  ///< "the collector's clock"
        Result result = Result::unknown;
        std::string found;  ///< one line
        /// Commands or lines of a configuration, to be copied as they are. "" where none is known.
        std::string fix;
    };

    void well(const std::string& area, const std::string& tried, const std::string& found = "");
    /// A fault, with the commands that remove it.
    void wrong(const std::string& area, const std::string& tried, const std::string& found,
               const std::string& fix);
    /// Something that could not be seen, and why.
    void unknown(const std::string& area, const std::string& tried, const std::string& why);

    const std::vector<Check>& checks() const { return checks_; }
    /// Whether nothing is wrong. What is unknown is not wrong.
    bool allWell() const;
    /// For people: one line a check, each fix below its own from the first column, as it is pasted, and a
    /// last line with the numbers.
    std::string text() const;
    /// {"wrong": 1, "unknown": 0, "checks": [{"area", "tried", "result", "found", "fix"}]}
    std::string json() const;

  private:
    std::size_t count(Result result) const;
    std::vector<Check> checks_;
};

}  // namespace lapwing::doctor
