#include "runtime/shape.h"

#include "runtime/check.h"

namespace lookback {

Shape::Shape(std::span<const std::int64_t> sizes) {
  for (const auto size : sizes) push_back(size);
}

Shape Shape::filled(int rank, std::int64_t value) {
  Shape shape;
  for (int dim = 0; dim < rank; ++dim) shape.push_back(value);
  return shape;
}

std::int64_t Shape::numel() const {
  std::int64_t product = 1;
  for (const auto size : *this) product *= size;
  return product;
}

void Shape::push_back(std::int64_t size) { insert(count_, size); }

void Shape::insert(int dim, std::int64_t size) {
  if (count_ == max_rank)
    fail("shape", "{} has {} dimensions already: that is the most a tensor can have", *this,
         max_rank);
  std::copy_backward(begin() + dim, end(), end() + 1);
  ++count_;
  values_[position(dim)] = size;
}

void Shape::erase(int dim) {
  std::copy(begin() + dim + 1, end(), begin() + dim);
  --count_;
}

Strides contiguous_strides(const Shape& shape) {
  auto strides = Shape::filled(shape.rank(), 1);
  for (int dim = shape.rank() - 2; dim >= 0; --dim) {
    strides[dim] = strides[dim + 1] * std::max<std::int64_t>(shape[dim + 1], 1);
  }
  return strides;
}

std::string to_string(const Shape& shape) {
  std::string text = "(";
  for (int dim = 0; dim < shape.rank(); ++dim) {
    if (dim > 0) text += ", ";
    text += std::to_string(shape[dim]);
  }
  return text + (shape.rank() == 1 ? ",)" : ")");
}

Shape broadcast_shapes(std::string_view operation, const Shape& a, const Shape& b) {
  const int rank = std::max(a.rank(), b.rank());
  auto result = Shape::filled(rank, 1);
  for (int back = 1; back <= rank; ++back) {
    const auto size_a = back <= a.rank() ? a[-back] : 1;
    const auto size_b = back <= b.rank() ? b[-back] : 1;
    if (size_a != size_b && size_a != 1 && size_b != 1) {
      fail(operation,
           "a {} and b {} do not broadcast: a.dim(-{})={} must equal b.dim(-{})={}, or one of them "
           "be 1",
           a, b, back, size_a, back, size_b);
    }
    result[-back] = size_a == 1 ? size_b : size_a;
  }
  return result;
}

int normalize_dim(std::string_view operation, int dim, int rank) {
  if (dim < -rank || dim >= rank) {
    fail(operation, "dim={} is out of range: a tensor of {} dimensions has {} to {}", dim, rank,
         -rank, rank - 1);
  }
  return dim < 0 ? dim + rank : dim;
}

}  // namespace lookback
