// A tensor's memory without its ownership: what kernels see.
#pragma once

#include "runtime/device.h"
#include "runtime/dtype.h"
#include "runtime/shape.h"

namespace lookback {

struct TensorView {
  void* data = nullptr;  // the first element; null: no such operand
  DType dtype = DType::f32;
  Backend backend = Backend::cpu;  // of the device that holds the memory
  Shape sizes;
  Strides strides;  // in elements
};

}  // namespace lookback
