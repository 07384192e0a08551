#include "tests/unit/common/script_server.h"

#include <arpa/inet.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <stdexcept>

#include "tests/unit/common/unix_socket.h"

namespace lapwing::test {
namespace {

std::size_t bodyLength(const std::string& head) {
    std::size_t line = 0;
    while ((line = head.find("\r\n", line)) != std::string::npos) {
        line += 2;
        if (strncasecmp(head.c_str() + line, "content-length:", 15) == 0) {
            return std::stoul(head.substr(line + 15));
        }
    }
    return 0;
}

}  // namespace

Peer::Peer(int descriptor, SSL_CTX* context, const std::atomic<bool>& stopping)
    : descriptor_(descriptor), stopping_(stopping) {
    const timeval slice{0, 50'000};
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &slice, sizeof slice);
    if (context == nullptr) {
        return;
    }
    ssl_ = SSL_new(context);
    SSL_set_fd(ssl_, descriptor);
    int done = 0;
    while (!stopping_ && (done = SSL_accept(ssl_)) != 1) {
        const int reason = SSL_get_error(ssl_, done);
        if (reason != SSL_ERROR_WANT_READ && reason != SSL_ERROR_WANT_WRITE) {
            break;
        }
    }
    ready_ = done == 1;
}

Peer::~Peer() {
    if (ssl_ != nullptr) {
        if (ready_) {
            SSL_shutdown(ssl_);
        }
        SSL_free(ssl_);
    }
    if (descriptor_ >= 0) {
        close(descriptor_);
    }
}

int Peer::receive(char* buffer, int length) {
    while (!stopping_) {
        if (ssl_ != nullptr) {
            const int got = SSL_read(ssl_, buffer, length);
            if (got > 0) {
                return got;
            }
            if (SSL_get_error(ssl_, got) != SSL_ERROR_WANT_READ) {
                return 0;
            }
        } else {
            const auto got = recv(descriptor_, buffer, static_cast<std::size_t>(length), 0);
            if (got >= 0) {
                return static_cast<int>(got);
            }
            if (errno != EAGAIN && errno != EINTR) {
                return 0;
            }
        }
    }
    return 0;
}

std::string Peer::readRequest() {
    char buffer[65536];
    for (;;) {
        const auto head_end = rest_.find("\r\n\r\n");
        if (head_end != std::string::npos) {
            const std::size_t whole = head_end + 4 + bodyLength(rest_.substr(0, head_end + 2));
            if (rest_.size() >= whole) {
                std::string request = rest_.substr(0, whole);
                rest_.erase(0, whole);
                return request;
            }
        }
        const int got = receive(buffer, sizeof buffer);
        if (got <= 0) {
            return "";
        }
        rest_.append(buffer, static_cast<std::size_t>(got));
    }
}

bool Peer::write(std::string_view bytes) {
    while (!bytes.empty()) {
        const auto sent = ssl_ != nullptr ? SSL_write(ssl_, bytes.data(), static_cast<int>(bytes.size()))
                                          : send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent <= 0) {
            return false;
        }
        bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
}

void Peer::hang() {
    char buffer[4096];
    while (receive(buffer, sizeof buffer) > 0) {
    }
}

void Peer::reset() {
    const linger now{1, 0};
    setsockopt(descriptor_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(descriptor_);
    descriptor_ = -1;
    ready_ = false;
}

ScriptServer::ScriptServer(Script script, const Tls* tls, const std::string& unix_path)
    : script_(std::move(script)), unix_path_(unix_path) {
    std::signal(SIGPIPE, SIG_IGN);
    if (tls != nullptr) {
        context_ = SSL_CTX_new(TLS_server_method());
        if (SSL_CTX_use_certificate_chain_file(context_, tls->certificate.c_str()) != 1 ||
            SSL_CTX_use_PrivateKey_file(context_, tls->certificate.c_str(), SSL_FILETYPE_PEM) != 1) {
            throw std::runtime_error("certificate " + tls->certificate);
        }
        if (!tls->client_ca.empty()) {
            SSL_CTX_load_verify_file(context_, tls->client_ca.c_str());
            SSL_CTX_set_verify(context_, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
        }
    }
    auto local = unixAddress(unix_path);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const bool is_unix = !unix_path.empty();
    descriptor_ = socket(is_unix ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const auto* where = is_unix ? reinterpret_cast<sockaddr*>(&local) : reinterpret_cast<sockaddr*>(&address);
    socklen_t length = is_unix ? sizeof local : sizeof address;
    if (bind(descriptor_, where, length) != 0 || listen(descriptor_, 16) != 0) {
        throw std::runtime_error("listen");
    }
    if (!is_unix) {
        getsockname(descriptor_, reinterpret_cast<sockaddr*>(&address), &length);
        port_ = ntohs(address.sin_port);
    }
    accepting_ = std::thread(&ScriptServer::run, this);
}

ScriptServer::~ScriptServer() {
    stopping_ = true;
    accepting_.join();
    for (auto& peer : peers_) {
        peer.join();
    }
    close(descriptor_);
    SSL_CTX_free(context_);
}

std::string ScriptServer::url() const {
    if (!unix_path_.empty()) {
        return "unix:" + unix_path_;
    }
    return (context_ != nullptr ? "https" : "http") + std::string("://127.0.0.1:") + std::to_string(port_);
}

void ScriptServer::run() {
    while (!stopping_) {
        pollfd entry{descriptor_, POLLIN, 0};
        if (poll(&entry, 1, 20) <= 0) {
            continue;
        }
        const int accepted = accept4(descriptor_, nullptr, nullptr, SOCK_CLOEXEC);
        if (accepted < 0) {
            continue;
        }
        ++connections_;
        peers_.emplace_back([this, accepted] {
            Peer peer(accepted, context_, stopping_);
            if (peer.ready()) {
                script_(peer);
            }
        });
    }
}

}  // namespace lapwing::test
