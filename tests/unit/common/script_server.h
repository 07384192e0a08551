#pragma once

#include <openssl/types.h>

#include <atomic>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace lapwing::test {

/// One connection that a ScriptServer accepted.
class Peer {
  public:
    Peer(int descriptor, SSL_CTX* context, const std::atomic<bool>& stopping);
    ~Peer();
    Peer(const Peer&) = delete;
    Peer& operator=(const Peer&) = delete;

    /// True if the TLS handshake succeeded, or without TLS.
    bool ready() const { return ready_; }
    /// One request, head and declared body; "" when the client has closed.
    std::string readRequest();
    /// False when the client has closed.
    bool write(std::string_view bytes);
    /// Waits without an answer until the client closes or the test ends.
    void hang();
    /// Ends the connection with a TCP reset.
    void reset();
    bool stopping() const { return stopping_; }

  private:
    int receive(char* buffer, int length);

    int descriptor_;
    SSL* ssl_ = nullptr;
    const std::atomic<bool>& stopping_;
    bool ready_ = true;
    std::string rest_;
};

/// A server that runs a test's function on each connection, with or without TLS, on loopback or a unix
/// socket.
class ScriptServer {
  public:
    using Script = std::function<void(Peer&)>;
    struct Tls {
        std::string certificate;  ///< one file: certificate and key
        std::string client_ca;    ///< "" accepts clients without a certificate
    };

    explicit ScriptServer(Script script, const Tls* tls = nullptr, const std::string& unix_path = "");
    ~ScriptServer();
    ScriptServer(const ScriptServer&) = delete;
    ScriptServer& operator=(const ScriptServer&) = delete;

    /// "http://127.0.0.1:PORT", "https://..." or "unix:PATH".
    std::string url() const;
    int port() const { return port_; }
    int connections() const { return connections_; }

  private:
    void run();

    Script script_;
    std::string unix_path_;
    SSL_CTX* context_ = nullptr;
    int descriptor_ = -1;
    int port_ = 0;
    std::atomic<bool> stopping_{false};
    std::atomic<int> connections_{0};
    std::vector<std::thread> peers_;
    std::thread accepting_;
};

}  // namespace lapwing::test
