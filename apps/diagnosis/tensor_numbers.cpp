#include "apps/diagnosis/tensor_numbers.h"

#include <cmath>

namespace lookback {
namespace {

// The larger one, and NaN beside NaN.
double larger(double a, double b) { return a > b || std::isnan(a) ? a : b; }

}  // namespace

double largest_difference(const Tensor& a, const Tensor& b) {
  const Check check{"largest_difference"};
  check(a.shape() == b.shape(), "a {} and b {} must have one shape", a.shape(), b.shape());
  const auto left = to_vector(a), right = to_vector(b);
  double largest = 0;
  for (std::size_t i = 0; i < left.size(); ++i) {
    largest = larger(largest, left[i] == right[i] ? 0 : std::fabs(left[i] - right[i]));
  }
  return largest;
}

double largest_number(const Tensor& x) {
  double largest = 0;
  if (!x.defined()) return largest;
  for (const double number : to_vector(x)) largest = larger(largest, std::fabs(number));
  return largest;
}

double norm_of(const Tensor& x) {
  if (!x.defined()) return 0;
  double largest = largest_number(x), sum = 0;
  if (largest == 0 || !std::isfinite(largest)) return largest;
  for (const double number : to_vector(x)) sum += number / largest * (number / largest);
  return largest * std::sqrt(sum);
}

}  // namespace lookback
