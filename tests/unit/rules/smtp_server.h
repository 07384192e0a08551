#pragma once

#include <openssl/types.h>

#include <atomic>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace lapwing::test {

struct Mail {
    std::string from;
    std::vector<std::string> to;
    std::string data;  ///< headers and body, lines ended by "\r\n", without dot-stuffing
    bool secured = false;
    std::string login;  ///< "" or "USER PASSWORD" as the client sent them
};

/// A small SMTP server on loopback, one connection after the other.
class SmtpServer {
  public:
    struct Behaviour {
        std::string certificate;   ///< one file with certificate and key; "" offers no TLS
        bool tls_at_once = false;  ///< else by STARTTLS
        std::string password;      ///< what AUTH PLAIN accepts; "" offers no login
        std::string hang_at;  ///< the command that is never answered; "CONNECT" hangs before the greeting
        std::string refuse;   ///< the command, or the whole line, that is refused with 550
    };

    explicit SmtpServer(Behaviour behaviour);
    ~SmtpServer();
    SmtpServer(const SmtpServer&) = delete;
    SmtpServer& operator=(const SmtpServer&) = delete;

    std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
    std::vector<Mail> mails() const;

  private:
    void run();
    void talk(int descriptor);

    Behaviour behaviour_;
    SSL_CTX* context_ = nullptr;
    int descriptor_ = -1;
    int port_ = 0;
    std::atomic<bool> stopping_{false};
    mutable std::mutex mutex_;
    std::vector<Mail> mails_;
    std::thread thread_;
};

}  // namespace lapwing::test
