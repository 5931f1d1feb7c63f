#include "kernels/cuda/device/warpgroup.h"

#include <cstdlib>
#include <string_view>

#include "kernels/cuda/device/capability.h"
#include "runtime/check.h"

namespace lookback::device {
namespace emulated {
namespace {

using Are = WithWarpgroups::Are;

Are asked_for() {
  const char* gpu = std::getenv("LOOKBACK_EMULATED_GPU");
  return gpu != nullptr && std::string_view(gpu) == "sm_90a" ? Are::there : Are::missing;
}
Are& current() {
  static Are are = asked_for();
  return are;
}

}  // namespace

WithWarpgroups::WithWarpgroups(Are are) : are_(current(), are) {}

}  // namespace emulated

bool has_warpgroups() { return emulated::current() == emulated::Are::there; }
void stop_kernel() { fail("kernel", "was made for another GPU"); }

}  // namespace lookback::device
