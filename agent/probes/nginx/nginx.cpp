#include "agent/probes/nginx/nginx.h"

#include <chrono>
#include <string>
#include <utility>

#include "agent/probes/nginx/parse.h"
#include "common/metric_names.h"
#include "common/model/families.h"

namespace lapwing::agent::nginx {
namespace {

bool saysNginx(const http::Response& response) {
    const auto server = response.header("Server");
    return server.substr(0, 5) == "nginx" || server.substr(0, 9) == "openresty";
}

Expected<http::Request> requestTo(const HttpTarget& place) {
    http::Request request;
    request.path = place.path;
    request.max_response_bytes = 64U << 10;
    if (!place.user.empty()) {
        const auto password = readSecret(place.password_file);
        if (!password) {
            return tl::unexpected(password.error());
        }
        request.headers.push_back(basicAuthorization(place.user, *password));
    }
    return request;
}

Expected<std::vector<prometheus::MetricFamily>> familiesOf(const HttpTarget& place,
                                                           const http::Response& response) {
    if (response.status == 200) {
        auto families = parseStubStatus(response.body);
        if (!families) {
            return fail(families.error().kind, place.url + ": " + families.error().message);
        }
        return families;
    }
    const auto kind = response.status == 401 || response.status == 403 ? ErrorKind::denied
                      : response.status == 404                         ? ErrorKind::not_found
                                                                       : ErrorKind::protocol;
    return fail(kind,
                place.url + ": HTTP " + std::to_string(response.status) + " instead of the stub_status page");
}

}  // namespace

NginxProbe::Answer NginxProbe::ask(const HttpTarget& place, std::chrono::milliseconds budget) {
    Answer answer;
    const auto request = requestTo(place);
    if (!request) {
        answer.families = tl::unexpected(request.error());
        return answer;
    }
    if (!client_) {
        auto client = http::Client::create(place.base, {place.ca_file, {}, {}, {}});
        if (!client) {
            answer.families = tl::unexpected(client.error());
            return answer;
        }
        client_.emplace(std::move(*client));
    }
    const auto response = client_->request(*request, budget);
    if (!response) {
        answer.families = tl::unexpected(response.error());
        return answer;
    }
    answer.families = familiesOf(place, *response);
    answer.alive = answer.families.has_value() || saysNginx(*response);
    return answer;
}

Expected<ProbeResult> NginxProbe::collect(const Deadline& deadline) {
    ProbeResult result;
    bool alive = false;
    for (std::size_t i = 0; i < places_.size(); ++i) {
        if (places_.size() > 1) {
            client_.reset();
        }
        auto answer = ask(places_[i], deadline.budget() / static_cast<int>(places_.size() - i));
        alive = alive || answer.alive;
        if (answer.families) {
            if (places_.size() > 1) {
                places_ = {places_[i]};
            }
            result.families = std::move(*answer.families);
            result.failure.reset();
            break;
        }
        result.failure = std::move(answer.families.error());
    }
    // An error page proves that Nginx runs, though its status cannot be read.
    result.families.push_back(gauge(exporter::kNginxUp, "1 if Nginx answered."));
    add(result.families.back(), {}, alive ? 1 : 0);
    return result;
}

StatusAnswer requestStatus(const HttpTarget& place, std::chrono::milliseconds budget) {
    http::Request request;
    request.path = place.path;
    request.max_response_bytes = 64U << 10;
    auto client = http::Client::create(place.base);
    if (!client) {
        return {};
    }
    const auto response = client->request(request, budget);
    if (!response) {
        return {};
    }
    return {true, saysNginx(*response),
            response->status == 200 && parseStubStatus(response->body).has_value()};
}

}  // namespace lapwing::agent::nginx
