#pragma once

#include <functional>
#include <string>
#include <vector>

namespace lapwing::test {

/// Three network namespaces in a row, joined by veth pairs, with names of their own; removed at the end.
/// Needs root.
///   client: 10.213.7.2 to 10.213.7.`last_client` and fd13:7::2 to fd13:7::`last_client` on `veth-c`
///   server: 10.213.7.1/24 and fd13:7::1/64 on `veth-s`, 10.213.8.1/24 and fd13:8::1/64 on `veth-i`; forwards
///   inner: 10.213.8.2/24 and fd13:8::2/64, as a container behind the server
class Namespaces {
  public:
    static constexpr int kFirstClient = 2;  ///< the last numbers of the client's addresses
    static constexpr int kLastClient = 9;

    explicit Namespaces(int last_client = kLastClient);
    ~Namespaces();
    Namespaces(const Namespaces&) = delete;
    Namespaces& operator=(const Namespaces&) = delete;

    /// "" if they exist, else why this machine cannot make them.
    const std::string& missing() const { return missing_; }
    /// Skips the test case if they could not be made.
    void need() const;

    void inServer(const std::function<void()>& work) const { in(server_, work); }
    void inClient(const std::function<void()>& work) const { in(client_, work); }
    void inInner(const std::function<void()>& work) const { in(inner_, work); }

    /// In the server's; returns nft's stderr, "" if it loaded. Replaces what was there.
    std::string loadRules(const std::string& text) const;
    /// Every host has to ask again for the others' hardware addresses.
    void forgetNeighbours() const;
    /// `nft -j -s list ruleset` in the server's.
    std::string listRules() const;
    /// Runs a program in the server's; returns its stderr, "" if it ended well.
    std::string runInServer(const std::vector<std::string>& argv) const;

  private:
    static void in(const std::string& name, const std::function<void()>& work);
    std::string server_;
    std::string client_;
    std::string inner_;
    std::string missing_;
};

}  // namespace lapwing::test
