#include "runtime/transfer.h"

#include <algorithm>
#include <cstring>

#include "runtime/check.h"
#include "runtime/device_runtime.h"
#include "runtime/taint_memory.h"

namespace lookback {
namespace {

// A proof knows the numbers that the host has made.
void become_known(const Tensor& from, const Tensor& to) {
  const auto bytes = static_cast<std::size_t>(from.numel()) * size_of(from.dtype());
  std::memcpy(to.raw_data(), from.raw_data(), bytes);
  const auto block = taint_block_of(to.raw_data());
  const auto first = (static_cast<const std::byte*>(to.raw_data()) - block.data) /
                     static_cast<std::ptrdiff_t>(size_of(to.dtype()));
  std::fill_n(block.sets + first, to.numel(), std::uint64_t{0});
  std::fill_n(block.known + first, to.numel(), std::uint8_t{1});
}

}  // namespace

void transfer(const Tensor& from, const Tensor& to) {
  const Check check{"transfer"};
  check(from.is_contiguous() && to.is_contiguous(), "both tensors {} and {} must be contiguous",
        from.shape(), to.shape());
  check(from.shape() == to.shape() && from.dtype() == to.dtype(),
        "from {} of {} to {} of {}: they must be equal", from.shape(), from.dtype(), to.shape(),
        to.dtype());
  const auto source = from.device(), target = to.device();
  check(source.backend != Backend::taint, "elements of the taint device are no numbers");
  const auto bytes = static_cast<std::size_t>(from.numel()) * size_of(from.dtype());
  if (bytes == 0) return;
  to.storage()->bump_version();
  const bool from_host = is_host_memory(source.backend), to_host = is_host_memory(target.backend);
  if (target.backend == Backend::taint) {
    check(from_host, "from {} to {}: take it to the CPU first", to_string(source),
          to_string(target));
    become_known(from, to);
  } else if (from_host && to_host) {
    std::memcpy(to.raw_data(), from.raw_data(), bytes);
  } else if (from_host) {
    device_runtime(target.backend)
        ->copy(target.index, Transfer::to_device, to.raw_data(), from.raw_data(), bytes);
  } else {
    check(to_host, "from {} to {}: take it to the CPU first", to_string(source), to_string(target));
    device_runtime(source.backend)
        ->copy(source.index, Transfer::to_host, to.raw_data(), from.raw_data(), bytes);
  }
}

Tensor to_device(const Tensor& x, Device device) {
  if (x.device() == device) return x;
  if (x.autograd_state() != nullptr) {
    fail("to_device", "x {} has a gradient history, which does not follow: detach() it", x.shape());
  }
  const auto result = empty(x.shape(), x.dtype(), device);
  transfer(x, result);
  return result;
}

HostView::HostView(const TensorView& device_view) : readable_(device_view) {
  if (is_host_memory(device_view.backend) || device_view.sizes.numel() == 0) return;
  std::int64_t elements = 1;
  for (int dim = 0; dim < device_view.sizes.rank(); ++dim) {
    elements += (device_view.sizes[dim] - 1) * device_view.strides[dim];
  }
  copy_.resize(static_cast<std::size_t>(elements) * size_of(device_view.dtype));
  device_runtime(device_view.backend)
      ->copy(default_device().index, Transfer::to_host, copy_.data(), device_view.data,
             copy_.size());
  readable_.data = copy_.data();
  readable_.backend = Backend::cpu;
}

Tensor on_host(const Tensor& x) {
  return is_host_memory(x.backend()) ? x.detach() : to_device(x.detach(), cpu_device);
}

Tensor to_default_device(const Tensor& x) {
  return is_host_memory(default_device().backend) ? x : to_device(x, default_device());
}

}  // namespace lookback
