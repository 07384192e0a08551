#pragma once

#include <set>
#include <span>
#include <string>

namespace lapwing::config {

/// One key of a configuration, for its manual page.
struct ManualKey {
    const char* path;   ///< "notify.webhook[].url": [] stands for each entry of a list
    const char* type;   ///< "text", "URL", "duration", "size", ...
    const char* value;  ///< the default; "" for none
    const char* text;   ///< what it means, as a sentence
};

/// A manual page in roff (man(7)), section 5.
struct ManualPage {
    const char* title;    ///< "lapwing-agent.yaml"
    const char* summary;  ///< for whatis(1)
    const char* file;     ///< "/etc/lapwing/agent.yaml"
    const char* program;  ///< "lapwing-agent"
    std::span<const ManualKey> keys;
};
std::string manualText(const ManualPage& page);

/// While it lives, gathers the keys for which this thread asks configurations (Node::allow()), as the paths
/// of ManualKey: a test compares them with the manual. At most one in a thread.
class AskedKeys {
  public:
    AskedKeys();
    ~AskedKeys();
    AskedKeys(const AskedKeys&) = delete;
    AskedKeys& operator=(const AskedKeys&) = delete;

    const std::set<std::string>& keys() const { return keys_; }
    /// Notes a key of the map at `path`, "notify.webhook[0]", where an AskedKeys lives.
    static void note(const std::string& path, const std::string& key);

  private:
    std::set<std::string> keys_;
};

}  // namespace lapwing::config
