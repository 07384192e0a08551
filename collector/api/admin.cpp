#include "collector/api/admin.h"

#include <limits>
#include <string>
#include <utility>

#include "collector/api/answers.h"
#include "collector/api/parameters.h"
#include "collector/api/silences.h"
#include "collector/storage/store.h"

namespace lapwing::api {
namespace {

constexpr std::size_t kMaxForm = 4U << 20;
constexpr const char* kPlain = "text/plain; charset=utf-8";

Expected<Parameters> readParameters(Request& request) {
    auto form = parseForm(request.query);
    if (request.header("Content-Type").starts_with("application/x-www-form-urlencoded")) {
        const auto body = request.body(kMaxForm);
        if (!body) {
            return fail(body.error());
        }
        auto posted = parseForm(*body);
        posted.values.insert(posted.values.end(), form.values.begin(), form.values.end());
        if (posted.problem.empty()) {
            posted.problem = form.problem;
        }
        form = std::move(posted);
    }
    // A partly valid list of selectors must not delete more than the whole list would.
    if (!form.problem.empty()) {
        return fail(ErrorKind::invalid, "error parsing form values: " + form.problem);
    }
    return std::move(form.values);
}

Expected<void> deleteSeries(storage::Store& store, Request& request) {
    const auto parameters = readParameters(request);
    if (!parameters) {
        return fail(parameters.error());
    }
    const auto any = matchParameters(*parameters);
    if (!any) {
        return fail(invalidParameter("match[]", any.error().message));
    }
    if (any->empty()) {
        return fail(ErrorKind::invalid, "no match[] parameter provided");
    }
    const auto from = timeParameter(*parameters, "start", 0);
    if (!from) {
        return fail(from.error());
    }
    const auto to = timeParameter(*parameters, "end", std::numeric_limits<TimestampMs>::max());
    if (!to) {
        return fail(to.error());
    }
    if (*to < *from) {
        return fail(invalidParameter("end", "end timestamp must not be before start time"));
    }
    return store.deleteSeries(*any, *from, *to);
}

Expected<void> forget(const AdminParts& parts, Request& request) {
    const auto parameters = readParameters(request);
    if (!parameters) {
        return fail(parameters.error());
    }
    return parts.forget(first(*parameters, "host"));
}

void reload(const AdminParts& parts, Responder& responder) {
    if (const auto loaded = parts.reload(); !loaded) {
        responder.send(500, kPlain, "failed to reload config: " + loaded.error().message + "\n");
    } else {
        responder.send(200, kPlain, "");
    }
}

}  // namespace

Handler adminHandler(const AdminParts& parts, Handler people) {
    return [parts, silences = SilencesApi(parts.silences), people = std::move(people)](Request& request,
                                                                                       Responder& responder) {
        if (silences.handle(request, responder) || parts.invitations.handle(request, responder) ||
            parts.acceptances.handle(request, responder)) {
            return;
        }
        const bool deletes = request.path == "/api/v1/admin/tsdb/delete_series";
        const bool reloads = request.path == "/-/reload";
        const bool forgets = request.path == "/api/lapwing/v1/agents/forget";
        if (!deletes && !reloads && !forgets && request.path != "/api/v1/admin/tsdb/clean_tombstones") {
            people(request, responder);
            return;
        }
        if (request.method != "POST" && request.method != "PUT") {
            responder.header("Allow", "POST, PUT");
            responder.send(405, kPlain, "Method Not Allowed\n");
            return;
        }
        if (reloads) {
            return reload(parts, responder);
        }
        const auto done = deletes   ? deleteSeries(parts.store, request)
                          : forgets ? forget(parts, request)
                                    : Expected<void>();
        if (!done) {
            failure(responder, done.error());
        } else {
            responder.send(204, "", "");
        }
    };
}

}  // namespace lapwing::api
