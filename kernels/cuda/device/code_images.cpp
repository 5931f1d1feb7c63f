#include "kernels/cuda/device/code_images.h"

#include <fmt/ranges.h>

#include <sstream>
#include <vector>

namespace lookback::device {
namespace {

struct Architecture {
  std::string name;  // 90a
  int major = 0, minor = 0;
  bool is_specific = false;  // its instructions are those of one GPU

  bool has_machine_code_for(ComputeCapability gpu) const {
    return gpu.major == major && (is_specific ? gpu.minor == minor : gpu.minor >= minor);
  }
  bool has_ptx_for(ComputeCapability gpu) const {
    return !is_specific && (gpu.major > major || (gpu.major == major && gpu.minor >= minor));
  }
};

std::vector<Architecture> parsed(std::string_view built_for) {
  std::vector<Architecture> all;
  std::istringstream words{std::string(built_for)};
  for (std::string word; words >> word;) {
    const bool is_specific = word.back() == 'a';
    const int number = std::stoi(word);
    all.push_back({word, number / 10, number % 10, is_specific});
  }
  return all;
}

}  // namespace

std::string code_for(ComputeCapability gpu, std::string_view built_for) {
  std::string code;
  for (const auto& each : parsed(built_for)) {
    if (each.has_machine_code_for(gpu)) {
      code = "machine code of sm_" + each.name;
    } else if (code.empty() && each.has_ptx_for(gpu)) {
      code = "PTX of compute_" + each.name;
    }
  }
  return code;
}

std::string code_advice(ComputeCapability gpu, std::string_view built_for) {
  std::vector<std::string> machine, ptx;
  for (const auto& each : parsed(built_for)) {
    machine.push_back("sm_" + each.name);
    if (!each.is_specific) ptx.push_back("compute_" + each.name);
  }
  const bool is_hopper = gpu.major == 9 && gpu.minor == 0;
  return fmt::format(
      "this program holds machine code of {}{}{}; a build with -DLOOKBACK_CUDA_ARCHITECTURES={} "
      "holds what sm_{}{} runs",
      fmt::join(machine, ", "), ptx.empty() ? "" : " and PTX of ", fmt::join(ptx, ", "),
      is_hopper ? "90a" : "80", gpu.major, gpu.minor);
}

}  // namespace lookback::device
