#pragma once

#include <ctime>
#include <map>
#include <string>

namespace lapwing::trust {

/// When the certificates of which names were revoked. A certificate counts if it was issued later. Names are
/// never taken out: a revocation outlives the record of its host.
class Revocations {
  public:
    /// Lines "HOST SECONDS"; other lines are left out.
    static Revocations parse(const std::string& text);
    std::string toText() const;

    /// The later time counts.
    void add(const std::string& host, std::time_t at);
    void add(const Revocations& more);
    /// 0 if the name was never revoked.
    std::time_t at(const std::string& host) const;
    bool operator==(const Revocations&) const = default;

  private:
    std::map<std::string, std::time_t> at_;
};

}  // namespace lapwing::trust
