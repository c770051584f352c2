# What every target shares: warnings, sanitizers, ccache, the faster linker.

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM)
  # Another clone finds what this one has built; the rest is what ccache asks for where headers are precompiled.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1
      CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime ${CCACHE_PROGRAM})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    add_compile_options(-fpch-preprocess)
  endif()
endif()

find_program(MOLD_PROGRAM mold)
if(MOLD_PROGRAM)
  add_link_options(-fuse-ld=mold)
endif()

set(XEQ_SANITIZE "" CACHE STRING "address;undefined or thread")
if(XEQ_SANITIZE)
  string(REPLACE ";" "," sanitizers "${XEQ_SANITIZE}")
  add_compile_options(-fsanitize=${sanitizers} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${sanitizers})
endif()

add_library(xeq_warnings INTERFACE)
target_compile_options(xeq_warnings INTERFACE -Wall -Wextra -Werror)
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  target_compile_options(xeq_warnings INTERFACE -Wthread-safety)
endif()

# xeq_library(NAME SOURCES... DEPS...): a static library of one layer. Includes are written from the project's root.
function(xeq_library name)
  cmake_parse_arguments(arg "" "" "SOURCES;DEPS" ${ARGN})
  add_library(${name} STATIC ${arg_SOURCES})
  target_include_directories(${name} PUBLIC ${CMAKE_SOURCE_DIR})
  target_link_libraries(${name} PUBLIC ${arg_DEPS} PRIVATE xeq_warnings)
endfunction()

# xeq_test(NAME LABEL SOURCES... DEPS...): a GoogleTest program, each test a CTest entry named <program>.<Suite>.<Test>.
function(xeq_test name label)
  cmake_parse_arguments(arg "" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR})
  target_link_libraries(${name} PRIVATE ${arg_DEPS} GTest::gtest_main GTest::gmock xeq_warnings)
  gtest_discover_tests(${name} TEST_PREFIX ${name}. DISCOVERY_TIMEOUT 60 PROPERTIES LABELS ${label} TIMEOUT 120)
endfunction()
