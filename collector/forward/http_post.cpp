#include "collector/forward/http_post.h"

#include <memory>
#include <optional>

#include "collector/forward/url.h"
#include "common/http/credentials.h"

namespace lapwing::forward {
namespace {

class HttpPost {
  public:
    HttpPost(const Destination& destination, std::chrono::milliseconds deadline)
        : destination_(destination), deadline_(deadline) {
        request_.path = splitUrl(destination.url).target;
        request_.method = "POST";
        request_.max_response_bytes = 1U << 20;
    }

    Expected<http::Response> operator()(const std::string& body) {
        if (!client_) {
            if (auto prepared = prepare(); !prepared) {
                return tl::unexpected(prepared.error());
            }
        }
        request_.body = body;
        auto answer = client_->request(request_, deadline_);
        if (!answer || answer->status / 100 != 2) {
            client_.reset();
        }
        return answer;
    }

  private:
    Expected<void> prepare() {
        request_.headers = {{"Content-Type", "application/x-protobuf"},
                            {"Content-Encoding", "snappy"},
                            {"X-Prometheus-Remote-Write-Version", "0.1.0"},
                            {"User-Agent", "lapwing-collector"}};
        request_.headers.insert(request_.headers.end(), destination_.headers.begin(),
                                destination_.headers.end());
        if (!destination_.bearer_token_file.empty()) {
            const auto token = http::readSecret(destination_.bearer_token_file);
            if (!token) {
                return tl::unexpected(token.error());
            }
            request_.headers.emplace_back("Authorization", "Bearer " + *token);
        } else if (!destination_.user.empty()) {
            const auto password = http::readSecret(destination_.password_file);
            if (!password) {
                return tl::unexpected(password.error());
            }
            request_.headers.push_back(http::basicAuthorization(destination_.user, *password));
        }
        auto client = http::Client::create(destination_.url, destination_.tls);
        if (!client) {
            return tl::unexpected(client.error());
        }
        client_ = std::move(*client);
        return {};
    }

    const Destination& destination_;
    const std::chrono::milliseconds deadline_;
    http::Request request_;
    std::optional<http::Client> client_;
};

}  // namespace

Post httpPost(const Destination& destination, std::chrono::milliseconds deadline) {
    // A std::function must be copyable, but a connection is not.
    return [post = std::make_shared<HttpPost>(destination, deadline)](const std::string& body) {
        return (*post)(body);
    };
}

}  // namespace lapwing::forward
