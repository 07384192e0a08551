#pragma once

#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <string>

#include "tests/unit/catch.h"

namespace lapwing::test {

/// Runs `check` in a process of its own, with a file system of that size ("400k") at `mount_point`. `check`
/// returns 0 if everything held, otherwise the number of the check that failed. Skips the test case where the
/// machine allows no mount namespace.
inline void onSmallDisk(const std::string& mount_point, const char* size, const std::function<int()>& check) {
    constexpr int no_namespace = 77;
    const auto option = std::string("size=") + size;
    const pid_t child = fork();
    if (child == 0) {
        const bool may = unshare(CLONE_NEWNS) == 0 || unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0;
        const bool mounted = may && mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
                             mount("tmpfs", mount_point.c_str(), "tmpfs", 0, option.c_str()) == 0;
        _exit(mounted ? check() : no_namespace);
    }
    int status = 0;
    waitpid(child, &status, 0);
    REQUIRE(WIFEXITED(status));
    if (WEXITSTATUS(status) == no_namespace) {
        skip("this machine allows no mount namespace");
    }
    CHECK(WEXITSTATUS(status) == 0);
}

}  // namespace lapwing::test
