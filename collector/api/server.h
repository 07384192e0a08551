#pragma once

#include <Poco/AutoPtr.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "collector/api/deadlines.h"
#include "collector/api/exchange.h"

namespace Poco::Net {
class Context;
}

namespace lapwing::api {

struct ServerOptions {
    std::string name;         ///< "people", "agents", "admin": for logs and metrics
    std::string address;      ///< numeric; or
    std::string unix_socket;  ///< a path (0660); a socket file of a dead process is replaced
    std::string
        unix_group;  ///< its members may use the socket; if it does not exist, the process's own group
    int port = 0;    ///< 0: the system chooses
    Poco::AutoPtr<Poco::Net::Context> tls;  ///< null: plain HTTP
    bool want_agent =
        false;  ///< the client's certificate names an agent: Request::agent is set, or the answer is 403
    int threads = 16;
    int queued = 64;
    int connections_per_address = 8;    ///< keeps one peer from occupying all threads
    std::size_t uri_bytes = 16U << 10;  ///< longer ones are answered 414
    std::chrono::milliseconds header_time{
        10'000};  ///< TLS handshake and header, from the first byte's due time
    std::chrono::milliseconds keep_alive{30'000};
    std::chrono::milliseconds exchange_time{150'000};  ///< for body, work and answer
    /// Called after each answer, from its thread.
    std::function<void(int status)> answered;
};

/// An HTTP/1.1 server: Poco's messages and thread pool, with deadlines that a slow peer cannot extend. Each
/// connection occupies a thread while it lives; while connections wait for a thread, none is kept alive.
class Server {
  public:
    /// Listens at once, and serves from start() on. Errors: `refused` (the port is taken), `denied`,
    /// `invalid`.
    static Expected<std::unique_ptr<Server>> listen(ServerOptions options, Handler handler,
                                                    Deadlines& deadlines);
    ~Server();
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;

    void start();
    /// Accepts no more connections, ends idle ones, and lets the others finish within `grace`.
    void stop(std::chrono::milliseconds grace);

    /// The port that was bound.
    int port() const;

  private:
    struct State;
    explicit Server(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace lapwing::api
