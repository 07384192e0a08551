#pragma once

#include <Poco/DeflatingStream.h>
#include <Poco/Net/HTTPServerResponseImpl.h>

#include <atomic>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>

#include "collector/api/exchange.h"
#include "collector/api/server_request.h"

namespace lapwing::api {

/// A request whose header Poco has read. Used by one thread; must not outlive its sources.
class PocoRequest : public Request {
  public:
    PocoRequest(ServerRequest& request, Poco::Net::HTTPServerResponseImpl& response,
                const std::atomic<bool>& gone);

    std::string header(const std::string& name) const override { return request_.get(name, ""); }
    Expected<std::string> body(std::size_t limit) override;
    const std::atomic<bool>& gone() const override { return gone_; }

    /// Whether the next request begins at the present position of the stream.
    bool complete() const { return complete_; }

  private:
    ServerRequest& request_;
    Poco::Net::HTTPServerResponseImpl& response_;
    const std::atomic<bool>& gone_;
    bool continued_ = false;
    bool complete_ = false;
};

/// Between hold() and its destruction, written bytes wait until a segment is full. Poco writes a streamed
/// answer in chunks of 4 KB, and each chunk would otherwise wake the client.
class Cork {
  public:
    explicit Cork(int fd) : fd_(fd) {}
    ~Cork() {
        if (held_) {
            set(0);
        }
    }
    Cork(const Cork&) = delete;
    Cork& operator=(const Cork&) = delete;
    void hold() {
        held_ = true;
        set(1);
    }

  private:
    void set(int value) const;

    int fd_;
    bool held_ = false;
};

/// The answer to such a request. Poco's response writes the end of the answer in its destructor, so the
/// cork must outlive it.
class PocoResponder : public Responder {
  public:
    PocoResponder(const ServerRequest& request, Poco::Net::HTTPServerResponseImpl& response,
                  const PocoRequest& wrapped, Cork& cork)
        : request_(request), response_(response), wrapped_(wrapped), cork_(cork) {}

    void header(const std::string& name, const std::string& value) override { response_.set(name, value); }
    void send(int status, const std::string& content_type, std::string_view body) override;
    std::ostream& stream(int status, const std::string& content_type) override;

    /// Ends the compression of a streamed answer.
    void finish();
    bool sent() const { return response_.sent(); }
    int status() const { return status_; }

  private:
    bool takesGzip() const;
    void begin(int status, const std::string& content_type);

    const ServerRequest& request_;
    Poco::Net::HTTPServerResponseImpl& response_;
    const PocoRequest& wrapped_;
    Cork& cork_;
    std::optional<Poco::DeflatingOutputStream> deflating_;
    std::ostream nowhere_{nullptr};  ///< for the body of an answer to HEAD
    int status_ = 0;
};

}  // namespace lapwing::api
