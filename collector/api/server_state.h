#pragma once

// For server.cpp and connection.cpp only: everything here is a matter of Boost.Asio.
#include <array>
#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <unordered_map>
#include <utility>  // Boost 1.74 uses std::exchange without it

#include "collector/api/answer_body.h"
#include "collector/api/connection_table.h"
#include "collector/api/server.h"
#include "collector/api/work_queue.h"
#include "common/mutex.h"

namespace lapwing::api {

namespace net = boost::asio;

struct Loop::State {
    net::io_context context{1};
    net::executor_work_guard<net::io_context::executor_type> work{context.get_executor()};
    std::thread thread;
};

class Connection;

/// The limits at which a server ends connections or refuses requests, in the order of kLimitNames.
enum class Limit { strangers, idle, member, members, late, bodies, answers, queue, polls, descriptors };
inline constexpr std::array<const char*, 10> kLimitNames = {
    "strangers", "idle", "member", "members", "late", "bodies", "answers", "queue", "polls", "descriptors"};

/// Counts the limits that were met, and logs each at most once a minute. Thread-safe.
class LimitBook {
  public:
    explicit LimitBook(std::string listener) : listener_(std::move(listener)) {}
    void note(Limit limit, const std::string& who);
    std::uint64_t count(Limit limit) const { return counts_[static_cast<std::size_t>(limit)]; }

  private:
    using Clock = std::chrono::steady_clock;
    const std::string listener_;
    std::array<std::atomic<std::uint64_t>, kLimitNames.size()> counts_{};
    Mutex mutex_;
    std::array<std::optional<Clock::time_point>, kLimitNames.size()> told_at_ LAPWING_GUARDED_BY(mutex_){};
    std::array<std::uint64_t, kLimitNames.size()> told_ LAPWING_GUARDED_BY(mutex_){};
};

/// What the connections of a server share. Members without a note belong to the loop's thread.
struct Server::State : std::enable_shared_from_this<Server::State> {
    State(ServerOptions wanted, Handler handler, Loop& loop);

    void accept();
    void takeConnections();
    void pauseAccepting();
    void drain(std::chrono::milliseconds grace);
    /// Ends the connection with this number because of a limit.
    void endFor(std::optional<ConnectionTable::Id> id, Limit limit);
    void forget(ConnectionTable::Id id);
    void countConnections();

    const ServerOptions options;
    const Handler handler;
    net::io_context& context;
    std::optional<net::ssl::context> tls;
    int port = 0;

    LimitBook limits;  // thread-safe, as are the next five
    std::atomic<std::uint64_t> failed_handshakes{0};
    WorkQueue slow;
    WorkQueue quick;
    Room bodies;
    Room answers;

    net::generic::stream_protocol::socket listening;
    net::steady_timer retry;
    net::steady_timer grace;
    ConnectionTable table;
    std::unordered_map<ConnectionTable::Id, std::shared_ptr<Connection>> connections;
    std::map<std::string, std::size_t> polls;  // that wait, by member
    bool stopping = false;

    std::atomic<std::size_t> strangers{0};  // for the metrics
    std::atomic<std::size_t> members{0};

    Mutex ended_mutex;
    ConditionVariable ended_changed;
    bool ended LAPWING_GUARDED_BY(ended_mutex) = false;
};

}  // namespace lapwing::api
