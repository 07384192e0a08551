#pragma once

#include <Poco/Net/HTTPRequestHandler.h>
#include <Poco/Net/HTTPRequestHandlerFactory.h>
#include <Poco/Net/HTTPServer.h>
#include <Poco/Net/HTTPServerRequest.h>
#include <Poco/Net/HTTPServerResponse.h>
#include <Poco/Net/SecureServerSocket.h>
#include <Poco/StreamCopier.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "common/http/client.h"
#include "common/model/remote_write.h"
#include "common/tls/context.h"
#include "tests/unit/common/certificates.h"
#include "tests/unit/temporary_folder.h"
#include "tests/unit/written.h"

namespace lapwing::test {

/// A collector's side of delivery: a real HTTPS server with mutual TLS. A test decides its answers, and can
/// stop it and start it again on the same port. Stores the requests that it answers with 2xx or 400.
class FakeCollector {
  public:
    struct Answer {
        int status = 204;
        std::string body;
        std::map<std::string, std::string> headers;
        bool hang = false;  ///< no answer, until release()
    };
    struct Seen {
        std::chrono::steady_clock::time_point when;
        std::string path;
        std::map<std::string, std::string> headers;
        int status = 0;
        std::size_t samples = 0;
    };
    using Decide = std::function<Answer(const std::string& path, std::size_t samples)>;

    FakeCollector() : socket_port_(0) { start(); }
    ~FakeCollector() { stop(); }

    void start() {
        auto context = tls::serverContext(server_, server_, ca_.certificate());
        if (!context) {
            throw std::runtime_error(context.error().message);
        }
        released_ = false;
        Poco::Net::SecureServerSocket socket(
            Poco::Net::SocketAddress("127.0.0.1", static_cast<Poco::UInt16>(socket_port_)), 64, *context);
        socket_port_ = socket.address().port();
        auto* parameters = new Poco::Net::HTTPServerParams;
        parameters->setKeepAlive(true);
        parameters->setMaxThreads(4);
        http_ = std::make_unique<Poco::Net::HTTPServer>(new Factory(*this), socket, parameters);
        http_->start();
    }
    /// Ends the connections below TLS, which their own threads use.
    void stop() {
        release();
        if (!http_) {
            return;
        }
        http_->stop();
        for (const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(30);
             http_->currentConnections() > 0 && std::chrono::steady_clock::now() < until;) {
            shutDownConnections();
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
        }
        http_.reset();
    }
    void release() { released_ = true; }
    void decide(Decide how) {
        const std::lock_guard lock(mutex_);
        decide_ = std::move(how);
    }

    std::string url() const { return "https://127.0.0.1:" + std::to_string(socket_port_); }
    http::ClientTls clientTls() const { return {ca_.certificate(), client_, client_, "lapwing-collector"}; }
    const TemporaryFolder& dir() const { return dir_; }

    std::vector<double> values() const {
        const std::lock_guard lock(mutex_);
        return values_;
    }
    std::vector<MetricMetadata> metadata() const {
        const std::lock_guard lock(mutex_);
        return metadata_;
    }
    std::vector<std::string> documents() const {
        const std::lock_guard lock(mutex_);
        return documents_;
    }
    std::vector<Seen> seen() const {
        const std::lock_guard lock(mutex_);
        return seen_;
    }

  private:
    class Handler : public Poco::Net::HTTPRequestHandler {
      public:
        explicit Handler(FakeCollector& owner) : owner_(owner) {}
        void handleRequest(Poco::Net::HTTPServerRequest& request,
                           Poco::Net::HTTPServerResponse& response) override {
            owner_.handle(request, response);
        }

      private:
        FakeCollector& owner_;
    };
    class Factory : public Poco::Net::HTTPRequestHandlerFactory {
      public:
        explicit Factory(FakeCollector& owner) : owner_(owner) {}
        Poco::Net::HTTPRequestHandler* createRequestHandler(
            const Poco::Net::HTTPServerRequest& /*request*/) override {
            return new Handler(owner_);
        }

      private:
        FakeCollector& owner_;
    };

    void shutDownConnections() const {
        constexpr int most_descriptors = 1024;
        for (int descriptor = 3; descriptor < most_descriptors; ++descriptor) {
            sockaddr_in own{};
            socklen_t length = sizeof own;
            const bool is_ours = ::getsockname(descriptor, reinterpret_cast<sockaddr*>(&own), &length) == 0 &&
                                 own.sin_family == AF_INET && ntohs(own.sin_port) == socket_port_;
            if (is_ours) {
                ::shutdown(descriptor, SHUT_RDWR);
            }
        }
    }

    void handle(Poco::Net::HTTPServerRequest& request, Poco::Net::HTTPServerResponse& response) {
        const auto now = [] {
            using namespace std::chrono;
            return std::to_string(
                duration_cast<microseconds>(system_clock::now().time_since_epoch()).count() + 5'000'000);
        };
        const std::string received = now();
        std::string body;
        Poco::StreamCopier::copyToString(request.stream(), body);
        const bool is_write = request.getURI() == "/api/v1/write";
        std::vector<double> values;
        std::vector<MetricMetadata> metadata;
        if (is_write) {
            const auto decoded = decodeWhole(body);
            if (decoded) {
                for (const auto& series : decoded->series) {
                    for (const auto& sample : series.samples) {
                        values.push_back(sample.value);
                    }
                }
                metadata = decoded->metadata;
            }
        }
        Answer answer;
        {
            const std::lock_guard lock(mutex_);
            if (decide_) {
                answer = decide_(request.getURI(), values.size());
            }
            seen_.push_back(
                {std::chrono::steady_clock::now(), request.getURI(), {}, answer.status, values.size()});
            for (const auto& [name, value] : request) {
                seen_.back().headers[name] = value;
            }
            const bool stored = !answer.hang && (answer.status < 300 || answer.status == 400);
            if (stored) {
                values_.insert(values_.end(), values.begin(), values.end());
            }
            if (stored) {
                metadata_.insert(metadata_.end(), metadata.begin(), metadata.end());
            }
            if (stored && !is_write) {
                documents_.push_back(request.getURI() + "\n" + body);
            }
        }
        while (answer.hang && !released_) {
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
        }
        response.setStatus(static_cast<Poco::Net::HTTPResponse::HTTPStatus>(answer.status));
        for (const auto& [name, value] : answer.headers) {
            response.set(name, value);
        }
        response.set("X-Lapwing-Time", received + " " + now());
        response.setContentLength(static_cast<std::streamsize>(answer.body.size()));
        try {
            response.send() << answer.body;
        } catch (const Poco::Exception&) {
            // The client did not wait.
        }
    }

    TemporaryFolder dir_;
    TestCa ca_{dir_, "ca"};
    std::string server_ = ca_.issue({"mon", "DNS:lapwing-collector,IP:127.0.0.1"}, "server.pem");
    std::string client_ = ca_.issue({"web-01", "", false}, "web-01.pem");
    int socket_port_;
    std::unique_ptr<Poco::Net::HTTPServer> http_;
    std::atomic<bool> released_{false};
    mutable std::mutex mutex_;
    Decide decide_;
    std::vector<double> values_;
    std::vector<MetricMetadata> metadata_;
    std::vector<std::string> documents_;
    std::vector<Seen> seen_;
};

}  // namespace lapwing::test
