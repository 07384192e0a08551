#pragma once

#include <boost/beast/core/buffers_range.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "collector/api/buffered_exchange.h"
#include "collector/api/server_state.h"  // first: see there
#include "common/tls/identity.h"

namespace lapwing::api {

/// The body of a request as text. Unlike Beast's string_body it reserves nothing that the client declares.
struct TextBody {
    using value_type = std::string;
    class reader {  // NOLINT(readability-identifier-naming): the name that Beast asks for
      public:
        template <bool is_request, class Fields>
        reader(boost::beast::http::header<is_request, Fields>&, value_type& text) : text_(text) {}
        void init(const boost::optional<std::uint64_t>&, boost::beast::error_code& error) { error = {}; }
        template <class Buffers>
        std::size_t put(const Buffers& buffers, boost::beast::error_code& error) {
            error = {};
            std::size_t total = 0;
            for (const auto buffer : boost::beast::buffers_range_ref(buffers)) {
                text_.append(static_cast<const char*>(buffer.data()), buffer.size());
                total += buffer.size();
            }
            return total;
        }
        void finish(boost::beast::error_code& error) { error = {}; }

      private:
        value_type& text_;
    };
};

/// One connection: handshake, then requests one after another. It belongs to the loop's thread; while a
/// handler works on its exchange, the loop touches only the exchange's `hung_up`.
class Connection : public std::enable_shared_from_this<Connection> {
  public:
    using Socket = net::generic::stream_protocol::socket;
    using Id = ConnectionTable::Id;

    Connection(std::shared_ptr<Server::State> server, Socket socket, std::string address, Id id);

    void start();
    /// Closes at once.
    void end();
    /// The server stops: ends now if nothing is being answered, and tells the handler otherwise.
    void drain();
    /// The member, or the address of a stranger.
    const std::string& client() const { return member_.empty() ? stranger_ : member_; }

  private:
    using Milliseconds = std::chrono::milliseconds;
    using ErrorCode = boost::system::error_code;
    using Parser = boost::beast::http::request_parser<TextBody>;
    enum class Phase { handshake, head, body, working, parked, writing, ending, ended };
    struct Exchange {
        Exchange(std::shared_ptr<Server::State> of, const std::string& client);
        ~Exchange();
        Exchange(const Exchange&) = delete;
        Exchange& operator=(const Exchange&) = delete;

        const std::shared_ptr<Server::State> server;
        std::string holder;         ///< of the body's room
        std::size_t body_room = 0;  ///< bytes
        BufferedRequest request;
        BufferedResponder responder;
        std::atomic<bool> claimed{
            false};  ///< by the thread that works on it, or by its deadline in the queue
    };

    void arm(Milliseconds time);
    bool isStranger() const { return server_->options.want_agent && member_.empty(); }
    Milliseconds exchangeTime() const {
        return isStranger() ? server_->options.header_time : server_->options.exchange_time;
    }
    void late();
    void readMore(std::size_t most, void (Connection::*then)(ErrorCode));
    template <class Buffers, class Then>
    void write(const Buffers& buffers, Then then);

    void lookAtFirstByte();
    void shakeHands();
    void introduce();
    void readHead();
    void headArrived(ErrorCode error);
    void parseHead();
    void refuseHead(ErrorCode error);
    void takeHead();
    void afterGate(bool admitted);
    bool admit();
    void startBody();
    void bodyArrived(ErrorCode error);
    void parseBody();
    bool bodyHasRoom(std::size_t size);
    void handle();

    void dispatch(WorkQueue& queue, void (Connection::*work)());
    void workAtGate();
    void workAtHandler();
    void watchPeer();
    bool hungUp();

    void answered();
    void park(Milliseconds pause);
    void unpark();
    void refuse(Limit limit, int status, const std::string& text, unsigned retry_after_s);
    void respond();
    void writeNext(ErrorCode error);
    void next();
    void linger(bool say_goodbye);
    void readOut();
    void answerInPlain(const char* text);

    const std::shared_ptr<Server::State> server_;
    Socket socket_;
    std::optional<net::ssl::stream<Socket&>> tls_;
    const std::string address_;   ///< "" for a Unix socket
    const std::string stranger_;  ///< strangerAddress()
    const Id id_;
    Phase phase_ = Phase::handshake;
    net::steady_timer deadline_;
    net::steady_timer tick_;
    boost::beast::flat_buffer buffer_;
    std::optional<Parser> parser_;
    std::shared_ptr<Exchange> exchange_;
    std::string agent_;
    std::string certificate_;
    tls::Validity validity_;  ///< of the certificate
    std::string member_;
    std::optional<ConnectionTable::Admission> refused_;  ///< at the handshake; told with the first answer
    std::string out_;
    std::size_t left_to_read_out_ = 0;
    bool poll_counted_ = false;
    bool head_begun_ = false;
    bool until_end_ = false;   ///< the body lasts until the client ends its side
    bool complete_ = true;     ///< nothing of the request is left to be read
    bool keep_alive_ = false;  ///< of the request that is answered, or was answered last
};

}  // namespace lapwing::api
