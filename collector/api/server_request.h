#pragma once

#include <Poco/Net/HTTPServerParams.h>
#include <Poco/Net/HTTPServerRequest.h>
#include <Poco/Net/HTTPServerResponse.h>
#include <Poco/Net/HTTPServerSession.h>
#include <Poco/Net/SocketAddress.h>

#include <cstddef>
#include <istream>
#include <memory>

namespace lapwing::api {

/// A session that reads single bytes.
class ServerSession : public Poco::Net::HTTPServerSession {
  public:
    using Poco::Net::HTTPServerSession::HTTPServerSession;
    /// The next byte; std::char_traits<char>::eof() at the end of the connection.
    int next() { return get(); }
};

/// A request whose head it reads itself: Poco's own class takes no URI of more than 16 KB. Its body is what
/// the head declares; without a length and the chunked encoding it lasts until the client ends its side.
/// Throws Poco's exceptions, and UriTooLong. Used by one thread.
class ServerRequest : public Poco::Net::HTTPServerRequest {
  public:
    struct UriTooLong {
        std::size_t limit = 0;
    };

    ServerRequest(Poco::Net::HTTPServerResponse& response, ServerSession& session,
                  Poco::Net::HTTPServerParams& params, std::size_t uri_limit);

    /// True if only the end of the connection ends the body.
    bool isUnsized() const { return unsized_; }

    std::istream& stream() override { return *body_; }
    const Poco::Net::SocketAddress& clientAddress() const override { return client_; }
    const Poco::Net::SocketAddress& serverAddress() const override { return server_; }
    const Poco::Net::HTTPServerParams& serverParams() const override { return params_; }
    Poco::Net::HTTPServerResponse& response() const override { return response_; }
    bool secure() const override { return secure_; }

  private:
    void readHead(ServerSession& session, std::size_t uri_limit);

    Poco::Net::HTTPServerResponse& response_;
    Poco::Net::HTTPServerParams& params_;
    Poco::Net::SocketAddress client_;
    Poco::Net::SocketAddress server_;
    bool secure_ = false;
    bool unsized_ = false;
    std::unique_ptr<std::istream> body_;
};

}  // namespace lapwing::api
