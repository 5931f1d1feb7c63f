# The headers from outside that most files include, read once for the whole build: they are a fifth of
# the time that most files take to compile, and more of a test's. A release build of GCC has them. All
# others do without, so that a header which a file forgot to include is found there; so do files for
# one instruction set, whose options no precompiled header fits.

set(precompile OFF)
if(CMAKE_BUILD_TYPE STREQUAL Release AND CMAKE_CXX_COMPILER_ID STREQUAL GNU)
  set(precompile ON)
endif()
option(LOOKBACK_PRECOMPILED_HEADERS
  "Read the headers of libraries once (the default of a release build with GCC)" ${precompile})

set(lookback_common_headers <algorithm> <array> <cmath> <cstdint> <filesystem> <functional> <limits>
  <map> <memory> <optional> <set> <span> <string> <string_view> <utility> <vector> <fmt/format.h>)

# lookback_precompile(TARGET [HEADER..] | TARGET REUSE_FROM OTHER_TARGET): with further headers than
# the common ones, or with another target's, which must have the same compile options.
function(lookback_precompile target)
  if(NOT LOOKBACK_PRECOMPILED_HEADERS)
    return()
  endif()
  # ccache learns from the first which header it was. With the second GCC collects garbage only
  # beyond 512 MB, which most files do not reach.
  target_compile_options(${target} PRIVATE -fpch-preprocess --param=ggc-min-heapsize=524288)
  # Over functions of a precompiled header GCC 12 gives false alarms on std::string (bug 105651).
  if(CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    target_compile_options(${target} PRIVATE -Wno-array-bounds -Wno-stringop-overflow)
  endif()
  if("${ARGV1}" STREQUAL REUSE_FROM)
    target_precompile_headers(${target} REUSE_FROM ${ARGV2})
  else()
    target_precompile_headers(${target} PRIVATE ${lookback_common_headers} ${ARGN})
  endif()
endfunction()
