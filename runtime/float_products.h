// How a GPU multiplies f32 matrices by f32 matrices.
#pragma once

namespace lookback {

// full: in f32. tf32: the operands rounded to TF32 (the exponent of f32, 10 bits of mantissa), sums
// in f32: on tensor cores, several times as fast and about 1e-3 away. Products in f64 and bf16, and
// everything else, are the same in both.
enum class FloatProducts { full, tf32 };

FloatProducts float_products();

// During its life, for this process.
class UseFloatProducts {
 public:
  explicit UseFloatProducts(FloatProducts products);
  ~UseFloatProducts();
  UseFloatProducts(const UseFloatProducts&) = delete;
  UseFloatProducts& operator=(const UseFloatProducts&) = delete;

 private:
  FloatProducts previous_;
};

}  // namespace lookback
