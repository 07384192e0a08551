#pragma once

#include <Poco/AutoPtr.h>
#include <prometheus/metric_family.h>

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "collector/api/connection_table.h"
#include "collector/api/exchange.h"

namespace Poco::Net {
class Context;
}

namespace lapwing::api {

/// The thread on which the servers accept connections, shake hands, and read and write bytes. Handlers run on
/// the servers' own threads. Create it before the servers, destroy it after them.
class Loop {
  public:
    Loop();
    ~Loop();
    Loop(const Loop&) = delete;
    Loop& operator=(const Loop&) = delete;

    struct State;
    State& state() { return *state_; }

  private:
    std::unique_ptr<State> state_;
};

struct ServerOptions {
    std::string name;         ///< "people", "agents", "admin": for logs and metrics
    std::string address;      ///< numeric; or
    std::string unix_socket;  ///< a path (0660); a socket file of a dead process is replaced
    std::string
        unix_group;  ///< its members may use the socket; if it does not exist, the process's own group
    int port = 0;    ///< 0: the system chooses
    Poco::AutoPtr<Poco::Net::Context> tls;  ///< null: plain HTTP
    bool want_agent =
        false;  ///< a client's certificate names an agent: Request::agent is set, and it is the member. A
                ///< client without one stays a stranger: one request, within `header_time`
    ConnectionLimits connections;
    /// Requests for which `is_slow` is true have threads of their own. They may wait; the others must not.
    std::function<bool(const Request&)> is_slow;
    std::size_t slow_threads = 16;
    std::size_t quick_threads = 4;
    std::size_t threads_per_client = 4;        ///< of each kind
    std::size_t polls_per_member = 4;          ///< requests that wait for their handler's later()
    std::size_t uri_bytes = 16U << 10;         ///< longer ones are answered 414
    std::size_t body_bytes = 8U << 20;         ///< longer ones are not read
    std::size_t bodies_bytes = 64U << 20;      ///< of the bodies of all members
    std::size_t bodies_of_member = 16U << 20;  ///< of one member
    std::size_t answer_bytes = 64U << 20;      ///< longer answers are refused with 422
    std::size_t answers_bytes = 128U << 20;    ///< of all answers that wait for their clients
    std::chrono::milliseconds header_time{
        10'000};  ///< TLS handshake and first head together; each later head from its first byte
    std::chrono::milliseconds keep_alive{30'000};
    std::chrono::milliseconds exchange_time{150'000};  ///< for body and work; once more for the answer
    Gate gate;                                         ///< null: every request is admitted
    /// Called after each answer, from any thread.
    std::function<void(int status)> answered;
};

/// An HTTP/1.1 server. One thread (the Loop) serves all connections, so an idle or slow one costs memory and
/// nothing else: with TLS about 90 KB. A request takes a thread only once it has arrived whole, and its
/// answer is buffered before it is written. Strangers and members have separate limits (ConnectionTable).
class Server {
  public:
    /// Listens at once, and serves from start() on. Errors: `refused` (the port is taken), `denied`,
    /// `invalid`.
    static Expected<std::unique_ptr<Server>> listen(ServerOptions options, Handler handler, Loop& loop);
    ~Server();
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;

    void start();
    /// Accepts no more connections, ends idle ones, and lets the others finish within `grace`. Returns at
    /// once.
    void askToStop(std::chrono::milliseconds grace);
    /// Waits until all connections have ended. Ask the server to stop first.
    void stop();

    /// The port that was bound.
    int port() const;
    const std::string& name() const;

    /// Connections, those that met a limit, and the bytes held for clients (docs/metrics.md), for all servers
    /// together.
    static void addMetrics(const std::vector<std::unique_ptr<Server>>& servers,
                           std::vector<prometheus::MetricFamily>& out);

    struct State;

  private:
    explicit Server(std::shared_ptr<State> state);
    std::shared_ptr<State> state_;
};

}  // namespace lapwing::api
