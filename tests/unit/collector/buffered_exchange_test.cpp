#include "collector/api/buffered_exchange.h"

#include <string>

#include "collector/limits/query_limits.h"
#include "tests/unit/catch.h"

using lapwing::ErrorKind;
using lapwing::api::AnswerBody;
using lapwing::api::BufferedRequest;
using lapwing::api::BufferedResponder;
using lapwing::api::Room;

namespace {
std::string textOf(AnswerBody& body) {
    std::string out;
    while (!body.empty()) {
        out += body.front();
        body.pop();
    }
    return out;
}
}  // namespace

TEST_CASE("a room limits each holder and all together, but always grants a small piece") {
    Room room(100, 60, 10);
    CHECK(room.take("a", 0, 60) == Room::Grant::granted);
    CHECK(room.take("a", 60, 1) == Room::Grant::holder_full);
    CHECK(room.take("b", 0, 41) == Room::Grant::full);
    CHECK(room.take("b", 0, 40) == Room::Grant::granted);
    CHECK(room.take("c", 0, 10) == Room::Grant::granted);
    CHECK(room.take("c", 10, 1) == Room::Grant::full);
    CHECK(room.used() == 110);
    room.giveBack("a", 60);
    room.giveBack("b", 40);
    room.giveBack("c", 10);
    CHECK(room.used() == 0);
    CHECK(room.take("a", 0, 60) == Room::Grant::granted);
}

TEST_CASE("an answer is kept in blocks and gives its room back") {
    Room room(1 << 20, 1 << 20, 0);
    std::string text(300'000, 'x');
    text += "end";
    {
        BufferedRequest request;
        request.method = "GET";
        BufferedResponder responder(request, room, "a", 1 << 20);
        responder.stream(200, "text/plain") << text;
        responder.finish();
        CHECK(responder.status() == 200);
        CHECK(room.used() == text.size());
        CHECK(responder.head(true).find("Content-Length: 300003\r\n") != std::string::npos);
        const auto first = responder.body().front().size();
        responder.body().pop();
        CHECK(room.used() == text.size() - first);
    }
    CHECK(room.used() == 0);
}

TEST_CASE("an answer without room becomes an error") {
    BufferedRequest request;
    request.method = "GET";
    Room room(1000, 1000, 100);
    BufferedResponder large(request, room, "a", 2000);
    large.stream(200, "application/json") << std::string(2001, 'x');
    large.finish();
    CHECK(large.status() == 422);
    CHECK(large.trouble() == AnswerBody::Trouble::too_large);
    CHECK(textOf(large.body()).find("too large") != std::string::npos);
    BufferedResponder late(request, room, "a", 2000);
    late.header("X-Kept", "1");
    late.stream(200, "application/json") << std::string(1001, 'x');
    late.finish();
    CHECK(late.status() == 503);
    CHECK(late.head(false).find("Retry-After: 5\r\n") != std::string::npos);
    CHECK(late.head(false).find("X-Kept: 1\r\n") != std::string::npos);
}

TEST_CASE("an answer counts for the memory of its query") {
    BufferedRequest request;
    request.method = "GET";
    Room room(100 << 20, 100 << 20, 100);
    BufferedResponder responder(request, room, "a", 100 << 20);
    {
        const lapwing::QueryLimits limits(10'000'000, lapwing::QueryLimits::Clock::time_point::max(),
                                          nullptr);
        auto& out = responder.stream(200, "application/json");
        const std::string part(1000, 'x');
        for (int i = 0; i < 20'000; ++i) {
            out << part;
        }
    }
    responder.finish();
    CHECK(responder.status() == 422);
    CHECK(responder.trouble() == AnswerBody::Trouble::too_large);
    CHECK(room.used() < 1000);
}

TEST_CASE("a compressed answer that has no room is replaced by a plain one") {
    BufferedRequest request;
    request.method = "GET";
    request.fields = {{"Accept-Encoding", "gzip"}};
    Room room(1000, 1000, 100);
    BufferedResponder responder(request, room, "a", 200);
    auto& out = responder.stream(200, "application/json");
    unsigned value = 1;
    for (int i = 0; i < 100'000; ++i) {
        value = value * 1664525U + 1013904223U;
        out << value;
    }
    responder.finish();
    CHECK(responder.status() == 422);
    CHECK(responder.head(true).find("gzip") == std::string::npos);
    CHECK(room.used() < 100);
}

TEST_CASE("a handler that answers nothing is an error, one that answers later is not") {
    BufferedRequest request;
    Room room(1000, 1000, 100);
    BufferedResponder none(request, room, "a", 200);
    none.finish();
    CHECK(none.status() == 500);
    BufferedResponder later(request, room, "a", 200);
    later.later(std::chrono::milliseconds(7));
    later.finish();
    CHECK_FALSE(later.sent());
    CHECK(later.takePause() == std::chrono::milliseconds(7));
    CHECK_FALSE(later.takePause());
}

TEST_CASE("a body that is too large, short or has no length is an error") {
    BufferedRequest request;
    request.longest = 100;
    request.text = "12345";
    CHECK(request.body(10).error().kind == ErrorKind::protocol);
    request.has_length = true;
    CHECK(request.body(4).error().kind == ErrorKind::exhausted);
    request.state = BufferedRequest::Body::too_large;
    CHECK(request.body(1000).error().message == "the body is larger than 100 bytes");
    request.state = BufferedRequest::Body::ended_early;
    CHECK(request.body(10).error().kind == ErrorKind::protocol);
    request.state = BufferedRequest::Body::read;
    CHECK(request.body(10) == "12345");
}
