#include "kernels/cuda/device/code_report.h"

#include "kernels/cuda/device/warpgroup.h"

namespace lookback::kernels {
namespace {

struct ReportCode {
  static constexpr int threads = 1;
  std::int32_t* has_warpgroups;
  LOOKBACK_DEVICE void operator()() const {
    *has_warpgroups = device::image_has_warpgroups ? 1 : 0;
  }
};

}  // namespace

void report_code(std::int32_t* has_warpgroups) {
  device::launch({.blocks = 1}, ReportCode{has_warpgroups});
}

}  // namespace lookback::kernels
