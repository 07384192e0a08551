#include "agent/probes/nginx/nginx.h"

#include <chrono>
#include <string>
#include <utility>

#include "agent/probes/nginx/parse.h"
#include "agent/probes/nginx/processes.h"
#include "common/metric_names.h"
#include "common/model/families.h"

namespace lapwing::agent::nginx {
namespace {

bool saysNginx(const http::Response& response) {
    const auto server = response.header("Server");
    return server.substr(0, 5) == "nginx" || server.substr(0, 9) == "openresty";
}

/// Whether the answer proves that Nginx runs. One that does not say so is taken for it where it refuses us: a
/// proxy whose Nginx is down answers 502 to 504.
bool provesNginx(const http::Response& response) {
    return saysNginx(response) || kindOfStatus(response.status) == ErrorKind::denied;
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
    const auto words = unexpectedStatus(response);
    const auto colon = words.find(':');
    return fail(kindOfStatus(response.status), place.url + ": " + words.substr(0, colon) +
                                                   " instead of the stub_status page" +
                                                   (colon == std::string::npos ? "" : words.substr(colon)));
}

}  // namespace

NginxProbe::Answer NginxProbe::ask(const HttpTarget& place, std::chrono::milliseconds budget) {
    Answer answer;
    auto request = place.request();
    if (!request) {
        answer.families = tl::unexpected(request.error());
        return answer;
    }
    request->max_response_bytes = 64U << 10;
    if (!client_) {
        auto client = http::Client::create(place.base, place.tls());
        if (!client) {
            answer.families = tl::unexpected(client.error());
            return answer;
        }
        client_.emplace(std::move(*client));
    }
    answer.asked = true;
    const auto response = client_->request(*request, budget);
    if (!response) {
        answer.alive = provesServer(response.error());
        answer.families = tl::unexpected(response.error());
        return answer;
    }
    answer.families = familiesOf(place, *response);
    answer.alive = answer.families.has_value() || provesNginx(*response);
    return answer;
}

Expected<ProbeResult> NginxProbe::collect(const Deadline& deadline) {
    ProbeResult result;
    bool alive = false;
    bool asked = false;
    std::string refusal;
    for (std::size_t i = 0; i < places_.size(); ++i) {
        if (places_.size() > 1) {
            client_.reset();
        }
        auto answer = ask(places_[i], deadline.budget() / static_cast<int>(places_.size() - i));
        alive = alive || answer.alive;
        asked = asked || answer.asked;
        if (answer.families) {
            if (places_.size() > 1) {
                places_ = {places_[i]};
            }
            result.families = std::move(*answer.families);
            result.failure.reset();
            break;
        }
        result.failure = std::move(answer.families.error());
        refusal = answer.alive ? result.failure->message : refusal;
    }
    // A refusal proves that Nginx runs, though its status cannot be read.
    if (alive || asked) {
        result.families.push_back(gauge(exporter::kNginxUp, "1 if Nginx answered."));
        add(result.families.back(), {}, alive ? 1 : 0);
    }
    if (alive && result.failure) {
        result.families.push_back(refusalFamily(refusal));
    }
    if (!places_.empty() && places_.front().isLocal()) {
        if (const auto orphans = workersWithoutMaster(proc_)) {
            result.families.push_back(gauge(metric::kNginxWorkersWithoutMaster,
                                            "Workers of Nginx whose master process has ended."));
            add(result.families.back(), {}, static_cast<double>(*orphans));
        }
    }
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
