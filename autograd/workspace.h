// Calls of kernels that may want scratch on their device (Slot::workspace_bytes).
#pragma once

#include <cstdint>

#include "kernels/core/slot.h"
#include "runtime/tensor.h"

namespace lookback {

// slot(arguments) with the `workspace` that its kernel wants for them on this device.
template <class SlotType, class Arguments>
void run_with_workspace(const SlotType& slot, Device device, Arguments arguments) {
  const auto bytes = slot.workspace_bytes(device.backend, arguments);
  const auto workspace =
      bytes == 0 ? Tensor{} : empty({static_cast<std::int64_t>(bytes)}, DType::u8, device);
  arguments.workspace = workspace;
  slot(device.backend, arguments);
}

}  // namespace lookback
