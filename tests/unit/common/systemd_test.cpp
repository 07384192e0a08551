#include "common/systemd.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>

#include "tests/unit/catch.h"
#include "tests/unit/common/certificates.h"
#include "tests/unit/common/unix_socket.h"
#include "tests/unit/temporary_folder.h"

using namespace std::chrono_literals;
using namespace lapwing;
using lapwing::test::TemporaryFolder;

TEST_CASE("notifications reach systemd's socket, and the watchdog's interval is read") {
    const TemporaryFolder dir;
    const auto path = dir.path("notify.sock");
    const int receiver = test::boundSocket(path, SOCK_DGRAM);
    REQUIRE(receiver >= 0);
    setenv("NOTIFY_SOCKET", path.c_str(), 1);
    notifySystemd("READY=1");
    char buffer[64] = {};
    CHECK(recv(receiver, buffer, sizeof buffer, MSG_DONTWAIT) == 7);
    CHECK(std::string(buffer) == "READY=1");
    close(receiver);
    notifySystemd("WATCHDOG=1");  // without a listener nothing happens
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
