#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

namespace lapwing::agent {

/// systemd's units, read from its directories below `root`, without asking systemd.
class Units {
  public:
    explicit Units(std::string root);

    /// True on a machine that systemd has booted.
    bool systemdHasBooted() const;
    /// Services that a target wants or requires at boot, unless they are masked or have no file.
    std::set<std::string> enabled() const;
    /// The command lines that start the service, in words.
    std::vector<std::vector<std::string>> commandsOf(const std::string& service) const;
    /// The values of each key of the service's file and drop-ins ("Environment"), as written, in their order.
    /// An empty value has removed those before it.
    std::map<std::string, std::vector<std::string>> settingsOf(const std::string& service) const;

  private:
    std::string fileOf(const std::string& service) const;
    std::string root_;
};

/// Names of the entries of a directory, sorted; empty if it cannot be read.
std::vector<std::string> entriesOf(const std::string& directory);

/// The first bytes of a file, at most `most`; "" if it cannot be read.
std::string textOfFile(const std::string& path, std::size_t most);

}  // namespace lapwing::agent
