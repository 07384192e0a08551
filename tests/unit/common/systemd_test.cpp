#include "common/systemd.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "tests/unit/catch.h"
#include "tests/unit/common/certificates.h"

using namespace std::chrono_literals;
using namespace lapwing;
using lapwing::test::TempDir;

TEST_CASE("systemd is told over its socket, and asked how often") {
    const TempDir dir;
    const auto path = dir.path("notify.sock");
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    const int receiver = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    REQUIRE(bind(receiver, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    setenv("NOTIFY_SOCKET", path.c_str(), 1);
    notifySystemd("READY=1");
    char buffer[64] = {};
    CHECK(recv(receiver, buffer, sizeof buffer, MSG_DONTWAIT) == 7);
    CHECK(std::string(buffer) == "READY=1");
    close(receiver);
    notifySystemd("WATCHDOG=1");  // nobody there: no harm
    unsetenv("NOTIFY_SOCKET");

    CHECK_FALSE(watchdogInterval());
    setenv("WATCHDOG_USEC", "60000000", 1);
    CHECK(watchdogInterval() == 60s);
    setenv("WATCHDOG_PID", "1", 1);
    CHECK_FALSE(watchdogInterval());
    setenv("WATCHDOG_PID", std::to_string(getpid()).c_str(), 1);
    CHECK(watchdogInterval() == 60s);
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
}
