// Running Python scripts that need torch, transformers and safetensors, or what else they name.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace lookback::tests {

// Whether there is such a Python: $LOOKBACK_PYTHON, or python3. If not, tests skip with this
// reason.
bool have_python(const std::string& modules = "torch, transformers, safetensors");
std::string why_no_python(const std::string& modules = "torch, transformers and safetensors");

// The JSON that tests/python/SCRIPT prints, last line of its stdout; fails the test when it does
// not succeed.
nlohmann::json run_python(const std::string& script,
                          const std::vector<std::string>& arguments = {});

}  // namespace lookback::tests

#define LOOKBACK_NEEDS_PYTHON() \
  if (!have_python()) GTEST_SKIP() << why_no_python()
