# Finds the libraries that Lookback stands on and says, all at once, which Debian packages are
# missing. Sets lookback_libraries: what every part of the program is compiled and linked with, and
# lookback_app_libraries: what apps/ needs beside them.

set(missing_packages "")
set(missing_names "")

macro(lookback_find name debian_package)
  find_package(${name} ${ARGN} QUIET)
  if(NOT ${name}_FOUND)
    list(APPEND missing_names ${name})
    list(APPEND missing_packages ${debian_package})
  endif()
endmacro()

# Libraries that bring no CMake package: a header and a library make lookback::NAME.
macro(lookback_find_library name header library debian_package)
  find_path(lookback_${name}_header ${header})
  find_library(lookback_${name}_library ${library})
  if(lookback_${name}_header AND lookback_${name}_library)
    add_library(lookback::${name} UNKNOWN IMPORTED)
    set_target_properties(lookback::${name} PROPERTIES
      IMPORTED_LOCATION ${lookback_${name}_library}
      INTERFACE_INCLUDE_DIRECTORIES ${lookback_${name}_header})
  else()
    list(APPEND missing_names ${name})
    list(APPEND missing_packages ${debian_package})
  endif()
endmacro()

lookback_find(Threads g++)
lookback_find(Eigen3 libeigen3-dev 3.4 NO_MODULE)
lookback_find(fmt libfmt-dev)
lookback_find(HWY libhwy-dev)
lookback_find(nlohmann_json nlohmann-json3-dev)
lookback_find(CLI11 libcli11-dev)
lookback_find(boost_headers libboost-dev)
if(LOOKBACK_PORTABLE)
  # Debian has no static SentencePiece: the portable program says so where it meets such a file.
  lookback_find_library(pcre2 pcre2.h libpcre2-8.a libpcre2-dev)
  lookback_find_library(utf8proc utf8proc.h libutf8proc.a libutf8proc-dev)
  lookback_find_library(zlib zlib.h libz.a zlib1g-dev)
  lookback_find_library(zstd zstd.h libzstd.a libzstd-dev)
else()
  lookback_find_library(pcre2 pcre2.h pcre2-8 libpcre2-dev)
  lookback_find_library(utf8proc utf8proc.h utf8proc libutf8proc-dev)
  lookback_find_library(zlib zlib.h z zlib1g-dev)
  lookback_find_library(zstd zstd.h zstd libzstd-dev)
  lookback_find_library(sentencepiece sentencepiece_processor.h sentencepiece libsentencepiece-dev)
endif()
# Compiled into runtime/checksum.cpp: nothing is linked, and programs that use the installed package
# need nothing of it.
find_path(lookback_xxhash_header xxhash.h)
if(NOT lookback_xxhash_header)
  list(APPEND missing_names xxHash)
  list(APPEND missing_packages libxxhash-dev)
endif()
find_file(LOOKBACK_CHART_JS NAMES chart.min.js chart.umd.js DOC "Chart.js, minified"
  PATHS /usr/share/javascript/chart.js /usr/share/nodejs/chart.js/dist)
if(NOT LOOKBACK_CHART_JS)
  list(APPEND missing_names Chart.js)
  list(APPEND missing_packages libjs-chart.js)
endif()
if(LOOKBACK_TESTS)
  lookback_find(GTest libgtest-dev)
  if(GTest_FOUND AND NOT TARGET GTest::gmock)
    list(APPEND missing_names GMock)
    list(APPEND missing_packages libgmock-dev)
  endif()
  lookback_find(boost_context libboost-context-dev)
  find_package(benchmark QUIET)  # lookback_bench is there when Google Benchmark is
endif()

if(missing_packages)
  list(JOIN missing_names ", " missing_names)
  list(JOIN missing_packages " " missing_packages)
  message(FATAL_ERROR "Not found: ${missing_names}. On Debian and Ubuntu install with\n"
    "  apt-get install ${missing_packages}\n"
    "or run apps/quickstart.sh or tests/run.sh, which install what third_party/packages.txt lists.")
endif()

if(LOOKBACK_PORTABLE)
  # Debian ships fmt and Highway as shared libraries only. fmt has a header-only form; of Highway
  # nothing but the choice of the instruction set lies in its library: highway_static.cpp makes it.
  set(lookback_libraries Threads::Threads fmt::fmt-header-only)
else()
  set(lookback_libraries Threads::Threads fmt::fmt hwy::hwy)
endif()
list(APPEND lookback_libraries nlohmann_json::nlohmann_json)
set(lookback_app_libraries CLI11::CLI11 Boost::headers lookback::pcre2 lookback::utf8proc
  lookback::zlib lookback::zstd)
if(TARGET lookback::sentencepiece)
  list(APPEND lookback_app_libraries lookback::sentencepiece)
endif()
