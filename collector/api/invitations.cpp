#include "collector/api/invitations.h"

#include <algorithm>
#include <ctime>

#include "collector/api/answers.h"
#include "collector/api/parameters.h"
#include "collector/trust/invitations.h"
#include "common/config/reader.h"
#include "common/endpoint.h"
#include "common/join_string.h"
#include "common/time_text.h"

namespace lapwing::api {
namespace {

constexpr std::string_view kInvitations = "/api/lapwing/v1/invitations";
constexpr std::string_view kRevoke = "/api/lapwing/v1/invitations/revoke";

/// The addresses to name: the given ones first, each once. Error `invalid` for an unusable one.
Expected<std::vector<std::string>> addressesOf(const AgentsContact& contact,
                                               const std::vector<std::string>& given) {
    std::vector<std::string> out;
    const auto add = [&](const std::string& address) {
        if (std::find(out.begin(), out.end(), address) == out.end() &&
            out.size() < JoinString::kMostAddresses) {
            out.push_back(address);
        }
    };
    for (const auto& text : given) {
        auto endpoint = Endpoint::parse(text);
        if (endpoint && endpoint->port == 0) {
            endpoint->port = contact.port;
        }
        if (!endpoint || !isJoinAddress(endpoint->toString())) {
            return fail(ErrorKind::invalid, "\"" + text + "\" must be HOST or HOST:PORT");
        }
        add(endpoint->toString());
    }
    for (const auto& address : contact.addresses) {
        add(address);
    }
    if (out.empty()) {
        return fail(ErrorKind::invalid,
                    "this machine has no address but the loopback: name one with --address HOST");
    }
    return out;
}

Expected<std::time_t> validityOf(const Parameters& parameters) {
    const auto text = first(parameters, "valid");
    if (text.empty()) {
        return trust::Invitations::kValid;
    }
    const auto ms = config::parseDuration(text);
    return ms ? Expected<std::time_t>(*ms / 1000) : fail(ms.error());
}

std::string timeText(std::time_t time) {
    return rfc3339(static_cast<TimestampMs>(time) * 1000);
}

}  // namespace

bool InvitationsApi::handle(Request& request, Responder& responder) const {
    const bool revokes = request.path == kRevoke;
    if (!revokes && request.path != kInvitations) {
        return false;
    }
    if (invitations_ == nullptr) {
        failure(responder, Error{ErrorKind::invalid, "no host can join: agents.listen is none"});
        return true;
    }
    if (request.method == "GET" && !revokes) {
        list(responder);
        return true;
    }
    if (request.method != "POST") {
        responder.header("Allow", revokes ? "POST" : "GET, POST");
        failure(responder, 405, "bad_data", "method not allowed");
        return true;
    }
    const auto form = parseForm(request.query);
    if (!form.problem.empty()) {
        failure(responder, Error{ErrorKind::invalid, form.problem});
    } else if (!revokes) {
        invite(form.values, responder);
    } else if (const auto done = invitations_->revoke(first(form.values, "host"), std::time(nullptr));
               !done) {
        failure(responder, done.error());
    } else {
        responder.send(204, "", "");
    }
    return true;
}

void InvitationsApi::invite(const Parameters& parameters, Responder& responder) const {
    const auto host = first(parameters, "host");
    const auto valid = validityOf(parameters);
    if (!valid) {
        return failure(responder, valid.error());
    }
    if (host.empty() == first(parameters, "valid").empty()) {
        return failure(responder, Error{ErrorKind::invalid, "either host or valid is given"});
    }
    const auto contact = contact_();
    if (!contact) {
        return failure(responder, contact.error());
    }
    auto addresses = addressesOf(*contact, all(parameters, "address"));
    if (!addresses) {
        return failure(responder, addresses.error());
    }
    const auto made = invitations_->invite(host, *valid, std::time(nullptr));
    if (!made) {
        return failure(responder, made.error());
    }
    const JoinString join{made->secret, contact->pin, host, std::move(*addresses)};
    success(responder, [&](JsonWriter& json) {
        json.StartObject();
        field(json, "join", join.toString());
        field(json, "host", host);
        field(json, "ends", timeText(made->ends));
        key(json, "addresses");
        json.StartArray();
        for (const auto& address : join.addresses) {
            text(json, address);
        }
        json.EndArray();
        json.EndObject();
    });
}

void InvitationsApi::list(Responder& responder) const {
    const auto all = invitations_->list();
    if (!all) {
        return failure(responder, all.error());
    }
    const auto now = std::time(nullptr);
    success(responder, [&](JsonWriter& json) {
        json.StartArray();
        for (const auto& each : *all) {
            json.StartObject();
            field(json, "host", each.host);
            field(json, "state", each.isOpen(now) ? "open" : each.joined.empty() ? "expired" : "used");
            field(json, "ends", timeText(each.ends));
            key(json, "joined");
            json.StartArray();
            for (const auto& [host, digest] : each.joined) {
                text(json, host);
            }
            json.EndArray();
            json.EndObject();
        }
        json.EndArray();
    });
}

}  // namespace lapwing::api
