#pragma once

#include <string>

// Debian 12 has Catch2 v2, Debian 13 has v3: this header and main.cpp are the places that know.
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
using Catch::Approx;
#else
#include <catch2/catch.hpp>
#endif

namespace lapwing::test {

/// Ends the test case because this machine cannot run it, and prints the reason. The program then exits with
/// 77 unless an assertion failed, and ctest reports the case as skipped. Call it in the thread and process of
/// the test case.
[[noreturn]] void skip(const std::string& reason);

/// Skips the test case unless this process is root's.
void needRoot();

/// Whether the slow variants are to run (LAPWING_LONG is set).
bool isLong();

}  // namespace lapwing::test
