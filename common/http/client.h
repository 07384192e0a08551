#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>

#include "common/error.h"
#include "common/http/message.h"

namespace lapwing::http {

/// Files of a mutual TLS client. All three may be one file that holds the certificate, the key and the CA.
struct ClientTls {
    std::string ca_file;    ///< the trusted CAs; "" means the system's store
    std::string cert_file;  ///< "" means no client certificate
    std::string key_file;
    /// The name that the server's certificate must carry; "" means the URL's host.
    std::string server_name;
    /// The CA is the site's: its certificates count from before their first day, for a clock may be wrong.
    bool site_ca = false;
};

struct Request {
    std::string method = "GET";
    std::string path;  ///< path and query, as it goes on the wire
    Headers headers;
    std::string body;
    std::size_t max_response_bytes = 16U << 20;
};

/// One server, one kept-alive connection, opened when first needed and again after a failure. Not
/// synchronised. URLs: "http://host:port", "https://host:port", "unix:/path/to/socket". A body in gzip or
/// deflate is decoded.
class Client {
  public:
    /// Errors: `invalid` for an unusable URL or malformed TLS files, `not_found` and `denied` for unreadable
    /// ones.
    static Expected<Client> create(const std::string& base_url, const ClientTls& tls = {});
    Client(Client&&) noexcept;
    Client& operator=(Client&&) noexcept;
    ~Client();

    /// The whole exchange ends within `deadline`: a trickle of bytes does not extend it. A response with any
    /// status is a Response. Errors are `timeout`, `refused`, `unreachable`, `tls`, `protocol`, `exhausted`
    /// (the response is larger than allowed), and for a unix socket `not_found` and `denied`. Redirects are
    /// not followed. If a kept-alive connection turns out to be closed before the first byte of the answer,
    /// it is opened again once, for idempotent and POST requests alike.
    Expected<Response> request(const Request& request, std::chrono::milliseconds deadline);

  private:
    struct State;
    explicit Client(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

/// One request on a connection of its own. `url` is absolute; request.path is ignored.
Expected<Response> fetch(const std::string& url, Request request, std::chrono::milliseconds deadline,
                         const ClientTls& tls = {});

}  // namespace lapwing::http
