#include "collector/api/users.h"

#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <thread>

#include "collector/api/login_limit.h"
#include "tests/unit/catch.h"

using namespace lapwing;
using namespace lapwing::api;

namespace {

// openssl passwd -6 -salt salt secret; openssl passwd -6 -salt other geheim
constexpr const char* kFile =
    "# comment\n\n"
    "ann:$6$salt$egUxKNxDs8kPfh8iPMNcosMhb2eWah6d3R44JDm5Rj/j/XWR5E33QPd0YmHXoDHOIDR6kL5D3JcQcz0O8FHE00\r\n"
    "bob:$6$other$w0Uwyj89N6X5aajPcGCIOC5d86r5RGf3m.Gp9U5ZL8tj7WoczFyFx9hkuQvM4l.OjUPmEKEJbKkzQqYOGwMQV0\n";

// Each from an address of its own, so that no failure delays another.
std::string address() {
    static int count = 0;
    return "192.0.2." + std::to_string(++count % 250);
}
bool accepts(const Users& users, const std::string& user, const std::string& password) {
    return users.verify(user, password, address()).accepted();
}
bool acceptsHeader(const Users& users, const std::string& header) {
    return users.verifyHeader(header, address()).accepted();
}

}  // namespace

TEST_CASE("A password is verified alike the first time and later") {
    const auto users = Users::parse(kFile);
    REQUIRE(users);
    for (int i = 0; i < 3; ++i) {
        CHECK(accepts(*users, "ann", "secret"));
        CHECK(accepts(*users, "bob", "geheim"));
        CHECK_FALSE(accepts(*users, "ann", "geheim"));
        CHECK_FALSE(accepts(*users, "ann", ""));
        CHECK_FALSE(accepts(*users, "ann", "secret "));
        CHECK_FALSE(accepts(*users, "nobody", "secret"));
        CHECK_FALSE(accepts(*users, "", ""));
    }
    // A verified credential is remembered with a fixed border between user and password.
    CHECK_FALSE(accepts(*users, std::string("ann\0secret", 10), ""));
    CHECK_FALSE(accepts(*users, "ann", std::string(100'000, 'x')));
}

TEST_CASE("Basic credentials are decoded strictly") {
    const auto users = Users::parse(kFile);
    REQUIRE(users);
    CHECK(acceptsHeader(*users, "Basic YW5uOnNlY3JldA=="));
    CHECK(acceptsHeader(*users, "basic YW5uOnNlY3JldA=="));
    for (const char* bad : {"", "Basic", "Basic ", "Basic YW5uOnNlY3JldA", "Basic !!!!",
                            "Bearer YW5uOnNlY3JldA==", "Basic YW5u", "Basic YW5uOnNlY3JldAA="}) {
        INFO(bad);
        CHECK_FALSE(acceptsHeader(*users, bad));
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

TEST_CASE("A client that guesses must wait, and locks nobody else out") {
    const auto users = Users::parse(kFile);
    REQUIRE(users);
    const std::string guesser = "2001:db8:1:2::1";
    REQUIRE(users->verify("ann", "secret", "192.0.2.1").accepted());
    int refused = 0;
    Login last;
    for (int i = 0; i < 40; ++i) {
        // Another address of its network is the same client.
        last = users->verify("ann", "guess", "2001:db8:1:2::" + std::to_string(i + 1));
        refused += last.result == Login::Result::refused ? 1 : 0;
    }
    CHECK(last.result == Login::Result::delayed);
    CHECK(last.wait.count() >= 1);
    CHECK(refused >= 10);
    CHECK(refused < 20);
    // The right password does not help it, unless it was verified before.
    CHECK(users->verify("bob", "geheim", guesser).result == Login::Result::delayed);
    CHECK(users->verify("ann", "secret", guesser).accepted());
    CHECK(users->verify("bob", "geheim", "2001:db8:1:3::1").accepted());
}

TEST_CASE("The pause after failed logins grows, ends and is forgotten") {
    using std::chrono::seconds;
    LoginLimit limit;
    const auto start = LoginLimit::Clock::now();
    for (int i = 0; i < 9; ++i) {
        CHECK(limit.failed("ann", "a", start) == static_cast<std::size_t>(i + 1));
        CHECK(limit.wait("ann", "a", start) == seconds(0));
    }
    long expected[] = {1, 2, 4, 8, 16, 32, 60, 60};
    auto now = start;
    for (const long pause : expected) {
        limit.failed("ann", "a", now);
        CHECK(limit.wait("ann", "a", now) == seconds(pause));
        CHECK(limit.wait("bob", "a", now) == seconds(pause));
        now += seconds(pause);
        CHECK(limit.wait("ann", "a", now) == seconds(0));
    }
    // From many addresses: each has its first failure free, and then shares the user's pause.
    for (int i = 0; i < 20; ++i) {
        CHECK(limit.wait("ann", "b" + std::to_string(i), now) == seconds(0));
        limit.failed("ann", "b" + std::to_string(i), now);
    }
    CHECK(limit.wait("ann", "b0", now) == seconds(60));
    CHECK(limit.wait("bob", "b0", now) == seconds(0));
    CHECK(limit.wait("ann", "new", now) == seconds(0));
    CHECK(limit.wait("ann", "a", now + std::chrono::minutes(11)) == seconds(0));
    // A table that is full forgets the oldest.
    for (int i = 0; i < 10'000; ++i) {
        limit.failed("user" + std::to_string(i), "c" + std::to_string(i), now);
    }
    CHECK(limit.failed("ann", "b0", now) <= 2);
}

TEST_CASE("A changed file of users counts at once") {
    std::string pattern = "/tmp/lapwing-users-XXXXXX";
    const int fd = ::mkstemp(pattern.data());
    REQUIRE(fd >= 0);
    ::close(fd);
    const std::string all = kFile;
    std::ofstream(pattern) << all;
    const auto users = Users::load(pattern);
    REQUIRE(users);
    REQUIRE(users->verify("ann", "secret", "a").accepted());
    const auto until = [&](bool accepted) {
        for (int i = 0; i < 300 && users->verify("ann", "secret", address()).accepted() != accepted; ++i) {
            std::this_thread::sleep_for(std::chrono::milliseconds(100));
        }
        return users->verify("ann", "secret", address()).accepted() == accepted;
    };
    std::ofstream(pattern) << all.substr(all.find("bob:"));
    CHECK(until(false));
    CHECK(accepts(*users, "bob", "geheim"));
    std::ofstream(pattern) << "nonsense\n";
    std::this_thread::sleep_for(std::chrono::milliseconds(1200));
    CHECK(accepts(*users, "bob", "geheim"));
    std::ofstream(pattern) << all;
    CHECK(until(true));
    ::unlink(pattern.c_str());
}
