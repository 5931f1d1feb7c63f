#include "runtime/device.h"

#include <utility>

namespace lookback {
namespace {

thread_local Device current_default = cpu_device;

}  // namespace

Device default_device() { return current_default; }

DefaultDevice::DefaultDevice(Device device) : previous(std::exchange(current_default, device)) {}

DefaultDevice::~DefaultDevice() { current_default = previous; }

}  // namespace lookback
