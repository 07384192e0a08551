#include "collector/api/admin.h"

#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "collector/api/answers.h"
#include "collector/api/parameters.h"
#include "collector/promql/engine.h"
#include "collector/storage/store.h"

namespace lapwing::api {
namespace {

constexpr std::size_t kMaxForm = 1U << 20;

Expected<Parameters> readParameters(Request& request) {
    auto parameters = parseForm(request.query);
    if (!parameters || request.header("Content-Type").rfind("application/x-www-form-urlencoded", 0) != 0) {
        return parameters;
    }
    const auto body = request.body(kMaxForm);
    if (!body) return tl::unexpected(body.error());
    auto form = parseForm(*body);
    if (form) form->insert(form->end(), parameters->begin(), parameters->end());
    return form;
}

Expected<void> deleteSeries(storage::Store& store, Request& request) {
    const auto parameters = readParameters(request);
    if (!parameters) return tl::unexpected(parameters.error());
    std::vector<storage::Matchers> any;
    for (const auto& selector : all(*parameters, "match[]")) {
        auto matchers = promql::parseSelector(selector);
        if (!matchers) {
            return fail(ErrorKind::invalid, "invalid parameter \"match[]\": " + matchers.error().message);
        }
        any.push_back(std::move(*matchers));
    }
    if (any.empty()) return fail(ErrorKind::invalid, "no match[] parameter provided");
    TimestampMs from = 0;
    TimestampMs to = std::numeric_limits<TimestampMs>::max();
    for (const auto& [name, time] : {std::pair{"start", &from}, std::pair{"end", &to}}) {
        const auto text = first(*parameters, name);
        if (text.empty()) continue;
        const auto parsed = parseTime(text);
        if (!parsed) {
            return fail(ErrorKind::invalid,
                        std::string("invalid parameter \"") + name + "\": " + parsed.error().message);
        }
        *time = *parsed;
    }
    if (to < from) {
        return fail(ErrorKind::invalid,
                    "invalid parameter \"end\": end timestamp must not be before start time");
    }
    return store.deleteSeries(any, from, to);
}

}  // namespace

Handler adminHandler(storage::Store& store, Handler people) {
    return [&store, people = std::move(people)](Request& request, Responder& responder) {
        const bool deletes = request.path == "/api/v1/admin/tsdb/delete_series";
        if (!deletes && request.path != "/api/v1/admin/tsdb/clean_tombstones") {
            people(request, responder);
            return;
        }
        if (request.method != "POST" && request.method != "PUT") {
            responder.header("Allow", "POST, PUT");
            responder.send(405, "text/plain; charset=utf-8", "Method Not Allowed\n");
            return;
        }
        const auto done = deletes ? deleteSeries(store, request) : Expected<void>();
        if (!done) {
            failure(responder, done.error());
        } else {
            responder.send(204, "", "");
        }
    };
}

}  // namespace lapwing::api
