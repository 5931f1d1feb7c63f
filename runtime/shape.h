// Sizes and strides of a tensor, held inline: no allocation, at most six dimensions.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

namespace lookback {

class Shape {
 public:
  static constexpr int max_rank = 6;

  Shape() = default;
  Shape(std::initializer_list<std::int64_t> sizes)
      : Shape(std::span<const std::int64_t>(sizes.begin(), sizes.size())) {}
  // Throws Error past six dimensions.
  explicit Shape(std::span<const std::int64_t> sizes);
  // `rank` dimensions of size `value` each.
  static Shape filled(int rank, std::int64_t value);

  int rank() const { return count_; }
  // Negative dimensions count from the end: [-1] is the last.
  std::int64_t operator[](int dim) const { return values_[position(dim)]; }
  std::int64_t& operator[](int dim) { return values_[position(dim)]; }
  const std::int64_t* begin() const { return values_.data(); }
  const std::int64_t* end() const { return values_.data() + count_; }
  std::int64_t* begin() { return values_.data(); }
  std::int64_t* end() { return values_.data() + count_; }
  // Product of all sizes; 1 for a scalar.
  std::int64_t numel() const;
  void push_back(std::int64_t size);
  void insert(int dim, std::int64_t size);
  void erase(int dim);

  friend bool operator==(const Shape& a, const Shape& b) {
    return a.count_ == b.count_ && std::equal(a.begin(), a.end(), b.begin());
  }

 private:
  std::size_t position(int dim) const {
    return static_cast<std::size_t>(dim < 0 ? dim + count_ : dim);
  }

  std::array<std::int64_t, max_rank> values_{};
  int count_ = 0;
};

// Steps between neighbors, in elements (not bytes), one per dimension.
using Strides = Shape;

// Row-major strides.
Strides contiguous_strides(const Shape& shape);

// "(2, 3)"; "(3,)"; "()".
std::string to_string(const Shape& shape);

// The shape both broadcast to (numpy's rule); throws Error naming `operation` and both shapes.
Shape broadcast_shapes(std::string_view operation, const Shape& a, const Shape& b);

// `dim` in 0..rank-1, negative counted from the end; throws Error otherwise.
int normalize_dim(std::string_view operation, int dim, int rank);

}  // namespace lookback
