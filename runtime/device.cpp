#include "runtime/device.h"

namespace lookback {
namespace {

thread_local Device current_default = cpu_device;

}  // namespace

Device default_device() { return current_default; }

DefaultDevice::DefaultDevice(Device device) : default_(current_default, device) {}

}  // namespace lookback
