// A tensor: a cheap, shared handle on shape, strides, dtype and storage. Copying the handle copies
// no elements. It knows nothing of gradients but an opaque pointer that autograd/ hangs on it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "runtime/check.h"
#include "runtime/device.h"
#include "runtime/dtype.h"
#include "runtime/shape.h"
#include "runtime/storage.h"
#include "runtime/view.h"

namespace lookback {

// What autograd/ keeps about a tensor; opaque here.
struct AutogradState {
  virtual ~AutogradState() = default;
};

class Tensor {
 public:
  Tensor() = default;  // undefined: no shape, no memory
  Tensor(std::shared_ptr<Storage> storage, Shape shape, Strides strides, DType dtype,
         std::int64_t offset = 0);

  bool defined() const { return body_ != nullptr; }
  const Shape& shape() const { return body_->shape; }
  const Strides& strides() const { return body_->strides; }
  std::int64_t size(int dim) const { return body_->shape[dim]; }
  int rank() const { return body_->shape.rank(); }
  std::int64_t numel() const { return body_->numel; }
  DType dtype() const { return body_->dtype; }
  Device device() const { return body_->storage->device(); }
  Backend backend() const { return device().backend; }
  bool is_contiguous() const;

  // The first element. Throws Error when T is not the dtype, and for the memory of a GPU
  // (runtime/transfer.h brings it to the CPU).
  template <class T>
  T* data() const {
    if (dtype_of<T> != dtype())
      fail("tensor", "data read as {}, the tensor holds {}", dtype_of<T>, dtype());
    if (backend() == Backend::cuda)
      fail("tensor", "elements {} read on a GPU: take them to the CPU first", shape());
    return static_cast<T*>(raw_data());
  }
  void* raw_data() const {
    return body_->storage->data() + static_cast<std::size_t>(body_->offset) * size_of(body_->dtype);
  }
  // All elements of a contiguous tensor.
  template <class T>
  std::span<T> elements() const {
    if (!is_contiguous())
      fail("tensor", "elements() of a tensor {} that is not contiguous", shape());
    return {data<T>(), static_cast<std::size_t>(numel())};
  }
  // The one number of a tensor with one element, converted.
  double item() const;

  // An undefined tensor gives an absent operand (null data).
  TensorView view() const;
  // The same memory seen with other sizes; `offset` in elements from this tensor's first. No
  // gradient flows through it: autograd/ops has the operations that do.
  Tensor alias(const Shape& shape, const Strides& strides, std::int64_t offset = 0) const;
  // The same memory, without its gradient history.
  Tensor detach() const { return alias(shape(), strides()); }

  const std::shared_ptr<Storage>& storage() const { return body_->storage; }
  std::uint64_t version() const { return body_->storage->version(); }
  std::shared_ptr<AutogradState>& autograd_state() const { return body_->autograd; }
  // Whether both are handles on the very same tensor.
  bool is(const Tensor& other) const { return body_ == other.body_; }
  // Whether no other handle and no other tensor sees this memory: then it may be written in place.
  bool is_only_handle() const { return body_.use_count() == 1 && body_->storage.use_count() == 1; }

 private:
  struct Body {
    std::shared_ptr<Storage> storage;
    Shape shape;
    Strides strides;
    std::int64_t numel;
    std::int64_t offset;
    DType dtype;
    std::shared_ptr<AutogradState> autograd;
  };
  std::shared_ptr<Body> body_;
};

// Uninitialized elements.
Tensor empty(const Shape& shape, DType dtype, Device device = default_device());
Tensor empty_like(const Tensor& x);  // contiguous
Tensor zeros(const Shape& shape, DType dtype, Device device = default_device());

// A tensor on the CPU with these elements, in row-major order; throws when their number differs.
template <class T>
Tensor from_values(std::span<const T> values, const Shape& shape) {
  if (static_cast<std::int64_t>(values.size()) != shape.numel()) {
    fail("from_values", "{} values for shape {} of {} elements", values.size(), shape,
         shape.numel());
  }
  auto result = empty(shape, dtype_of<T>, cpu_device);
  std::copy(values.begin(), values.end(), result.template data<T>());
  return result;
}
template <class T>
Tensor from_values(const std::vector<T>& values, const Shape& shape) {
  return from_values(std::span<const T>(values), shape);
}

}  // namespace lookback
