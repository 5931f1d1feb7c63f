#include "runtime/tensor.h"

#include "runtime/allocator.h"
#include "runtime/device_runtime.h"
#include "runtime/transfer.h"

namespace lookback {

Tensor::Tensor(std::shared_ptr<Storage> storage, Shape shape, Strides strides, DType dtype,
               std::int64_t offset)
    : body_(std::make_shared<Body>(
          Body{std::move(storage), shape, strides, shape.numel(), offset, dtype, nullptr})) {}

bool Tensor::is_contiguous() const {
  std::int64_t expected = 1;
  if (numel() == 0) return true;
  for (int dim = rank() - 1; dim >= 0; --dim) {
    if (size(dim) != 1 && strides()[dim] != expected) return false;
    expected *= size(dim);
  }
  return true;
}

double Tensor::item() const {
  if (numel() != 1) fail("item", "x {} must have one element", shape());
  if (backend() == Backend::taint) fail("item", "an element of the taint device is no number");
  if (!is_host_memory(backend())) return to_device(detach(), cpu_device).item();
  return visit_any(dtype(), [&]<class T>(TypeTag<T>) { return static_cast<double>(*data<T>()); });
}

TensorView Tensor::view() const {
  if (!defined()) return {};
  return {raw_data(), dtype(), backend(), shape(), strides()};
}

Tensor Tensor::alias(const Shape& shape, const Strides& strides, std::int64_t offset) const {
  return {body_->storage, shape, strides, dtype(), body_->offset + offset};
}

Tensor empty(const Shape& shape, DType dtype, Device device) {
  for (const auto size : shape) {
    if (size < 0) fail("empty", "shape {} has a negative size", shape);
  }
  const auto bytes = static_cast<std::size_t>(shape.numel()) * size_of(dtype);
  return {std::make_shared<Storage>(bytes, device), shape, contiguous_strides(shape), dtype};
}

Tensor empty_like(const Tensor& x) { return empty(x.shape(), x.dtype(), x.device()); }

Tensor zeros(const Shape& shape, DType dtype, Device device) {
  auto result = empty(shape, dtype, device);
  allocator_for(device).fill_zero(result.storage()->data(), result.storage()->bytes());
  return result;
}

}  // namespace lookback
