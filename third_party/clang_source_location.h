// For a clang before 16, which does not let libstdc++ have std::source_location: included in front
// of every file (CMakeLists.txt, tests/tidy.sh).
#pragma once

#include <version>

#ifndef __cpp_lib_source_location
namespace std {  // NOLINT(cert-dcl58-cpp): there is no other place for it

class source_location {
 public:
  static constexpr source_location current(const char* file = __builtin_FILE(),
                                           unsigned line = __builtin_LINE()) noexcept {
    source_location here;
    here.name = file;
    here.number = line;
    return here;
  }
  constexpr const char* file_name() const noexcept { return name; }
  constexpr unsigned line() const noexcept { return number; }

 private:
  const char* name = "";
  unsigned number = 0;
};

}  // namespace std
#endif
