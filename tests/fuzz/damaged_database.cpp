// A database file with any bytes: the reader of damaged files must stay within them.
#include "common/damaged_database.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <string>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const int fd = ::memfd_create("fuzz", 0);
    if (fd < 0 || ::write(fd, data, size) != static_cast<ssize_t>(size)) {
        return 0;
    }
    auto database = lapwing::DamagedDatabase::open("/proc/self/fd/" + std::to_string(fd));
    ::close(fd);
    if (database) {
        static_cast<void>(database->eachRow([](const auto&) { return lapwing::Expected<void>(); }));
    }
    return 0;
}
