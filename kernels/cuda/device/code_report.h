// What the code that the driver has loaded says of itself.
#pragma once

#include <cstdint>

namespace lookback::kernels {

// Queues a kernel that writes 1 where it is compiled for warpgroups (warpgroup.h), else 0.
void report_code(std::int32_t* has_warpgroups);

}  // namespace lookback::kernels
