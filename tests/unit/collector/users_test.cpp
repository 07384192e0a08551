#include "collector/api/users.h"

#include "tests/unit/catch.h"

using namespace lapwing;
using namespace lapwing::api;

namespace {

// openssl passwd -6 -salt salt secret; openssl passwd -6 -salt other geheim
constexpr const char* kFile =
    "# comment\n\n"
    "ann:$6$salt$egUxKNxDs8kPfh8iPMNcosMhb2eWah6d3R44JDm5Rj/j/XWR5E33QPd0YmHXoDHOIDR6kL5D3JcQcz0O8FHE00\r\n"
    "bob:$6$other$w0Uwyj89N6X5aajPcGCIOC5d86r5RGf3m.Gp9U5ZL8tj7WoczFyFx9hkuQvM4l.OjUPmEKEJbKkzQqYOGwMQV0\n";

}  // namespace

TEST_CASE("A password is verified alike the first time and later") {
    const auto users = Users::parse(kFile);
    REQUIRE(users);
    for (int i = 0; i < 3; ++i) {
        CHECK(users->verify("ann", "secret"));
        CHECK(users->verify("bob", "geheim"));
        CHECK_FALSE(users->verify("ann", "geheim"));
        CHECK_FALSE(users->verify("ann", ""));
        CHECK_FALSE(users->verify("ann", "secret "));
        CHECK_FALSE(users->verify("nobody", "secret"));
        CHECK_FALSE(users->verify("", ""));
    }
    // A verified credential is remembered with a fixed border between user and password.
    CHECK_FALSE(users->verify(std::string("ann\0secret", 10), ""));
    CHECK_FALSE(users->verify("ann", std::string(100'000, 'x')));
}

TEST_CASE("Basic credentials are decoded strictly") {
    const auto users = Users::parse(kFile);
    REQUIRE(users);
    CHECK(users->verifyHeader("Basic YW5uOnNlY3JldA=="));
    CHECK(users->verifyHeader("basic YW5uOnNlY3JldA=="));
    for (const char* bad : {"", "Basic", "Basic ", "Basic YW5uOnNlY3JldA", "Basic !!!!",
                            "Bearer YW5uOnNlY3JldA==", "Basic YW5u", "Basic YW5uOnNlY3JldAA="}) {
        INFO(bad);
        CHECK_FALSE(users->verifyHeader(bad));
    }
}

TEST_CASE("A bad line is reported by its number and never shown") {
    for (const char* bad :
         {"ann", ":x", "ann:plain", "ann:rqXexS6ZhobKA", "ann:$1$salt$qJH7.N4xYta3aEG/dfqo/0", "ann:"}) {
        const auto users = Users::parse("# one\n" + std::string(bad) + "\n");
        INFO(bad);
        REQUIRE_FALSE(users);
        CHECK(users.error().kind == ErrorKind::invalid);
        CHECK(users.error().message.find("line 2") != std::string::npos);
        CHECK(users.error().message.find("rqXexS6ZhobKA") == std::string::npos);
    }
    CHECK_FALSE(Users::parse(""));
    CHECK_FALSE(Users::parse("# nobody\n"));
    CHECK(Users::load("/nowhere/users").error().kind == ErrorKind::not_found);
}
