# lapwing_library(NAME SOURCES file... [PUBLIC target...] [PRIVATE target...])
# One module: the static library lapwing_NAME. Headers are included from the root: "common/model/labels.h".
function(lapwing_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;PUBLIC;PRIVATE" ${ARGN})
  add_library(lapwing_${name} STATIC ${ARG_SOURCES})
  target_include_directories(lapwing_${name} PUBLIC ${PROJECT_SOURCE_DIR})
  target_link_libraries(lapwing_${name} PUBLIC ${ARG_PUBLIC} PRIVATE ${ARG_PRIVATE})
endfunction()

# The exit code by which a test tells ctest that it was skipped. Its output says why, in a line "Skipped: REASON".
set(LAPWING_SKIPPED 77)

# lapwing_test(NAME SOURCES file... LINK target... [ROOT] [TOGETHER tag...] [TIMEOUT seconds] [COST number])
# One test program, bin/test-NAME. Each of its test cases is the ctest test "NAME/test case", labelled unit.
# Catch2's CMake script lists the cases after each link. It cannot read a semicolon in the name of a case.
#   ROOT      Cases tagged [root] get the label root, too.
#   TOGETHER  Cases with such a tag share a server that takes long to start. They run as one ctest test, "NAME/tag".
#   COST      ctest starts tests with a high cost first.
# Fixtures are found through tests/unit/fixtures.h.
function(lapwing_test name)
  cmake_parse_arguments(ARG "ROOT" "TIMEOUT;COST" "SOURCES;LINK;TOGETHER" ${ARGN})
  add_executable(test-${name} ${ARG_SOURCES})
  target_include_directories(test-${name} PRIVATE ${PROJECT_SOURCE_DIR})
  target_link_libraries(test-${name} PRIVATE lapwing_test_main ${ARG_LINK})
  if(TARGET lapwing_test_pch)
    target_precompile_headers(test-${name} REUSE_FROM lapwing_test_pch)
  endif()

  # Catch2's script would split such a name into two tests.
  foreach(source IN LISTS ARG_SOURCES)
    file(STRINGS ${source} split REGEX "^TEST_CASE\\(\"[^\"]*\\;")
    if(split)
      message(FATAL_ERROR "${source}: the name of a test case must not contain a semicolon: ${split}")
    endif()
  endforeach()
  set(properties TIMEOUT 300 SKIP_RETURN_CODE ${LAPWING_SKIPPED} LABELS unit)
  if(ARG_TIMEOUT)
    list(APPEND properties TIMEOUT ${ARG_TIMEOUT})
  endif()
  if(ARG_COST)
    list(APPEND properties COST ${ARG_COST})
  endif()
  set(others "")
  foreach(tag IN LISTS ARG_TOGETHER)
    add_test(NAME "${name}/${tag}" COMMAND test-${name} "[${tag}]")
    set_tests_properties("${name}/${tag}" PROPERTIES ${properties} LABELS "unit;root")
    string(APPEND others "~[${tag}]")
  endforeach()
  if(ARG_ROOT)
    # ctest adds the second label to the first.
    catch_discover_tests(test-${name} TEST_PREFIX "${name}/" TEST_SPEC "[root]${others}"
                         TEST_LIST test-${name}_root PROPERTIES ${properties} LABELS root)
    string(APPEND others "~[root]")
  endif()
  catch_discover_tests(test-${name} TEST_PREFIX "${name}/" TEST_SPEC "${others}" PROPERTIES ${properties})
endfunction()

# lapwing_fuzzer(NAME SOURCES file... LINK target...): one libFuzzer program, bin/fuzz-NAME. The target `fuzzers` is all of
# them. Where none is built it is compiled at least.
function(lapwing_fuzzer name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINK" ${ARGN})
  if(LAPWING_FUZZERS)
    add_executable(fuzz-${name} ${ARG_SOURCES})
    target_link_options(fuzz-${name} PRIVATE -fsanitize=fuzzer)
    add_dependencies(fuzzers fuzz-${name})
  else()
    add_library(fuzz-${name} OBJECT ${ARG_SOURCES})
  endif()
  target_include_directories(fuzz-${name} PRIVATE ${PROJECT_SOURCE_DIR})
  target_link_libraries(fuzz-${name} PRIVATE ${ARG_LINK})
endfunction()
