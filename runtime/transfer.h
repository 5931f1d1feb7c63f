// Tensors from one device to another.
#pragma once

#include <vector>

#include "runtime/tensor.h"

namespace lookback {

// The same elements on `device`, contiguous there; `x` itself where it lies there already. x must
// be contiguous. No gradient flows through it: throws Error for a tensor with a history. Between
// the host and a GPU; the way to the host waits until the elements have arrived. On the taint
// device what comes from the host are known constants, and nothing goes back.
Tensor to_device(const Tensor& x, Device device);

// x without its gradient history, where the host can read it. On the taint device that is x itself.
Tensor on_host(const Tensor& x);

// What the host has made, where the kernels of this thread work: on default_device() where that is
// a GPU; elsewhere x itself.
Tensor to_default_device(const Tensor& x);

// What a view looks at, where the host can read it.
class HostView {
 public:
  explicit HostView(const TensorView& device_view);
  // The same sizes and strides; the memory itself, or a copy that lives as long as this object.
  const TensorView& view() const { return readable_; }

 private:
  TensorView readable_;
  std::vector<std::byte> copy_;
};

// The elements of `from` into the memory of `to`: equal shapes and dtypes, both contiguous.
void transfer(const Tensor& from, const Tensor& to);

}  // namespace lookback
