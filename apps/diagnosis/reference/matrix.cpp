#include "apps/diagnosis/reference/matrix.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace lookback::reference {
namespace {

// So many rows share a pass over w.
constexpr std::size_t rows_together = 8;

double mean_of(std::span<const double> x) {
  return std::accumulate(x.begin(), x.end(), 0.0) / static_cast<double>(x.size());
}

double mean_square(std::span<const double> x) {
  double total = 0;
  for (const double value : x) total += value * value;
  return total / static_cast<double>(x.size());
}

}  // namespace

Matrix product(const Matrix& x, const Matrix& w) {
  Matrix y(x.rows(), w.columns());
  for (std::size_t first = 0; first < x.rows(); first += rows_together) {
    const auto last = std::min(first + rows_together, x.rows());
    for (std::size_t i = 0; i < x.columns(); ++i) {
      const auto of_w = w.row(i);
      for (std::size_t t = first; t < last; ++t) {
        const double factor = x(t, i);
        const auto of_y = y.row(t);
        for (std::size_t o = 0; o < of_y.size(); ++o) of_y[o] += factor * of_w[o];
      }
    }
  }
  return y;
}

Matrix sum(const Matrix& a, const Matrix& b, double factor) {
  Matrix y = a;
  for (std::size_t i = 0; i < y.values().size(); ++i) y.values()[i] += factor * b.values()[i];
  return y;
}

Matrix rms_norm(const Matrix& x, std::span<const double> gain, double epsilon) {
  Matrix y = x;
  for (std::size_t t = 0; t < x.rows(); ++t) {
    const double root = std::sqrt(mean_square(x.row(t)) + epsilon);
    for (std::size_t d = 0; d < x.columns(); ++d) {
      y(t, d) = x(t, d) / root * (gain.empty() ? 1 : gain[d]);
    }
  }
  return y;
}

Matrix layer_norm(const Matrix& x, std::span<const double> gain, std::span<const double> bias,
                  double epsilon) {
  Matrix y = x;
  for (std::size_t t = 0; t < x.rows(); ++t) {
    const double mean = mean_of(x.row(t));
    for (double& value : y.row(t)) value -= mean;
    const double root = std::sqrt(mean_square(y.row(t)) + epsilon);
    for (std::size_t d = 0; d < x.columns(); ++d) y(t, d) = y(t, d) / root * gain[d] + bias[d];
  }
  return y;
}

double log_sum_exp(std::span<const double> x) {
  const double top = *std::ranges::max_element(x);
  if (top == -std::numeric_limits<double>::infinity()) return top;
  double total = 0;
  for (const double value : x) total += std::exp(value - top);
  return top + std::log(total);
}

void softmax(std::span<double> x) {
  const double top = *std::ranges::max_element(x);
  double total = 0;
  for (double& value : x) total += value = std::exp(value - top);
  for (double& value : x) value /= total;
}

Matrix clamp(Matrix x, double limit) {
  for (double& value : x.values()) value = std::clamp(value, -limit, limit);
  return x;
}

Matrix columns(const Matrix& x, std::size_t first, std::size_t count) {
  Matrix y(x.rows(), count);
  for (std::size_t t = 0; t < x.rows(); ++t) {
    for (std::size_t d = 0; d < count; ++d) y(t, d) = x(t, first + d);
  }
  return y;
}

Heads split(const Matrix& x, std::size_t count) {
  const auto width = x.columns() / count;
  Heads heads;
  for (std::size_t h = 0; h < count; ++h) heads.push_back(columns(x, h * width, width));
  return heads;
}

Matrix join(const Heads& heads) {
  const auto width = heads[0].columns();
  Matrix y(heads[0].rows(), heads.size() * width);
  for (std::size_t h = 0; h < heads.size(); ++h) {
    for (std::size_t t = 0; t < y.rows(); ++t) {
      for (std::size_t d = 0; d < width; ++d) y(t, h * width + d) = heads[h](t, d);
    }
  }
  return y;
}

std::vector<std::size_t> largest(std::span<const double> x, std::size_t k) {
  std::vector<std::size_t> order(x.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, std::greater{}, [&](std::size_t i) { return x[i]; });
  order.resize(k);
  return order;
}

}  // namespace lookback::reference
