#include "tests/unit/rules/smtp_server.h"

#include <arpa/inet.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <stdexcept>

namespace lapwing::test {
namespace {

/// Lines over a socket, with or without TLS.
class Lines {
  public:
    Lines(int descriptor, const std::atomic<bool>& stopping) : descriptor_(descriptor), stopping_(stopping) {
        const timeval slice{0, 50'000};
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &slice, sizeof slice);
    }
    ~Lines() {
        SSL_free(ssl_);
        close(descriptor_);
    }
    Lines(const Lines&) = delete;
    Lines& operator=(const Lines&) = delete;

    bool secure(SSL_CTX* context) {
        ssl_ = SSL_new(context);
        SSL_set_fd(ssl_, descriptor_);
        int done = 0;
        while (!stopping_ && (done = SSL_accept(ssl_)) != 1) {
            const int reason = SSL_get_error(ssl_, done);
            if (reason != SSL_ERROR_WANT_READ && reason != SSL_ERROR_WANT_WRITE) {
                break;
            }
        }
        return done == 1;
    }

    /// False when the client has gone or the test ends.
    bool read(std::string& line) {
        while (!stopping_) {
            const auto end = rest_.find("\r\n");
            if (end != std::string::npos) {
                line = rest_.substr(0, end);
                rest_.erase(0, end + 2);
                return true;
            }
            char buffer[4096];
            if (ssl_ != nullptr) {
                const int got = SSL_read(ssl_, buffer, sizeof buffer);
                if (got > 0) {
                    rest_.append(buffer, static_cast<std::size_t>(got));
                }
                if (got <= 0 && SSL_get_error(ssl_, got) != SSL_ERROR_WANT_READ) {
                    return false;
                }
            } else {
                const auto got = recv(descriptor_, buffer, sizeof buffer, 0);
                if (got > 0) {
                    rest_.append(buffer, static_cast<std::size_t>(got));
                }
                if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
                    return false;
                }
            }
        }
        return false;
    }

    void write(const std::string& line) {
        const std::string bytes = line + "\r\n";
        if (ssl_ != nullptr) {
            SSL_write(ssl_, bytes.data(), static_cast<int>(bytes.size()));
        } else {
            send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        }
    }

    void hang() {
        std::string ignored;
        while (read(ignored)) {
        }
    }

    bool secured() const { return ssl_ != nullptr; }

  private:
    int descriptor_;
    const std::atomic<bool>& stopping_;
    SSL* ssl_ = nullptr;
    std::string rest_;
};

/// "\0user\0password" in base64, as "user password".
std::string decodeLogin(const std::string& base64) {
    std::string out(base64.size(), '\0');
    const int size = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                                     reinterpret_cast<const unsigned char*>(base64.data()),
                                     static_cast<int>(base64.size()));
    if (size < 0) {
        return "";
    }
    const auto padding = std::count(base64.begin(), base64.end(), '=');
    out.resize(static_cast<std::size_t>(size - padding));
    if (!out.empty()) {
        out.erase(0, 1);
    }
    std::replace(out.begin(), out.end(), '\0', ' ');
    return out;
}

}  // namespace

SmtpServer::SmtpServer(Behaviour behaviour) : behaviour_(std::move(behaviour)) {
    std::signal(SIGPIPE, SIG_IGN);
    if (!behaviour_.certificate.empty()) {
        context_ = SSL_CTX_new(TLS_server_method());
        if (SSL_CTX_use_certificate_chain_file(context_, behaviour_.certificate.c_str()) != 1 ||
            SSL_CTX_use_PrivateKey_file(context_, behaviour_.certificate.c_str(), SSL_FILETYPE_PEM) != 1) {
            throw std::runtime_error("certificate " + behaviour_.certificate);
        }
    }
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    descriptor_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(descriptor_, reinterpret_cast<sockaddr*>(&address), length) != 0 ||
        listen(descriptor_, 16) != 0) {
        throw std::runtime_error("listen");
    }
    getsockname(descriptor_, reinterpret_cast<sockaddr*>(&address), &length);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread(&SmtpServer::run, this);
}

SmtpServer::~SmtpServer() {
    stopping_ = true;
    thread_.join();
    close(descriptor_);
    SSL_CTX_free(context_);
}

std::vector<Mail> SmtpServer::mails() const {
    const std::lock_guard lock(mutex_);
    return mails_;
}

void SmtpServer::run() {
    while (!stopping_) {
        pollfd entry{descriptor_, POLLIN, 0};
        if (poll(&entry, 1, 20) <= 0) {
            continue;
        }
        const int accepted = accept4(descriptor_, nullptr, nullptr, SOCK_CLOEXEC);
        if (accepted >= 0) {
            talk(accepted);
        }
    }
}

void SmtpServer::talk(int descriptor) {
    Lines lines(descriptor, stopping_);
    if (behaviour_.tls_at_once && !lines.secure(context_)) {
        return;
    }
    if (behaviour_.hang_at == "CONNECT") {
        return lines.hang();
    }
    lines.write("220 test ESMTP");
    Mail mail;
    std::string line;
    while (lines.read(line)) {
        const std::string command = line.substr(0, line.find(' '));
        if (command == behaviour_.hang_at) {
            return lines.hang();
        }
        if (command == behaviour_.refuse || line == behaviour_.refuse) {
            lines.write("550 not here");
        } else if (command == "EHLO") {
            lines.write("250-test");
            if (context_ != nullptr && !lines.secured()) {
                lines.write("250-STARTTLS");
            }
            if (!behaviour_.password.empty()) {
                lines.write("250-AUTH PLAIN LOGIN");
            }
            lines.write("250 8BITMIME");
        } else if (command == "STARTTLS" && context_ != nullptr) {
            lines.write("220 go ahead");
            if (!lines.secure(context_)) {
                return;
            }
        } else if (command == "AUTH") {
            mail.login = decodeLogin(line.substr(line.rfind(' ') + 1));
            const bool right = mail.login.substr(mail.login.find(' ') + 1) == behaviour_.password;
            lines.write(right ? "235 welcome" : "535 wrong: " + mail.login);
        } else if (command == "MAIL") {
            mail.from = line;
            mail.secured = lines.secured();
            lines.write("250 ok");
        } else if (command == "RCPT") {
            mail.to.push_back(line);
            lines.write("250 ok");
        } else if (command == "DATA") {
            lines.write("354 go on");
            while (lines.read(line) && line != ".") {
                mail.data += (line.rfind("..", 0) == 0 ? line.substr(1) : line) + "\r\n";
            }
            lines.write("250 queued");
            const std::lock_guard lock(mutex_);
            mails_.push_back(mail);
        } else if (command == "QUIT") {
            lines.write("221 bye");
            return;
        } else {
            lines.write("502 what?");
        }
    }
}

}  // namespace lapwing::test
