// Numbers of the second opinion on a model: rows of doubles, and plain loops over them. Nothing
// here uses the tensors, kernels or modules that train.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace lookback::reference {

// [rows, columns], row after row; zeros to begin with.
class Matrix {
 public:
  Matrix() = default;
  Matrix(std::size_t rows, std::size_t columns)
      : rows_(rows), columns_(columns), values_(rows * columns) {}

  std::size_t rows() const { return rows_; }
  std::size_t columns() const { return columns_; }
  double& operator()(std::size_t row, std::size_t column) {
    return values_[row * columns_ + column];
  }
  double operator()(std::size_t row, std::size_t column) const {
    return values_[row * columns_ + column];
  }
  std::span<double> row(std::size_t row) { return {&values_[row * columns_], columns_}; }
  std::span<const double> row(std::size_t row) const {
    return {&values_[row * columns_], columns_};
  }
  std::span<double> values() { return values_; }
  std::span<const double> values() const { return values_; }

 private:
  std::size_t rows_ = 0, columns_ = 0;
  std::vector<double> values_;
};

// One matrix per head.
using Heads = std::vector<Matrix>;

// y[t, o] = sum_i x[t, i] w[i, o]
Matrix product(const Matrix& x, const Matrix& w);
// y = a + factor b
Matrix sum(const Matrix& a, const Matrix& b, double factor = 1);
// y = x / sqrt(mean_d x^2 + epsilon), row by row; times gain[d], where there is one.
Matrix rms_norm(const Matrix& x, std::span<const double> gain, double epsilon);
// y = (x - mean) / sqrt(variance + epsilon) gain + bias, row by row.
Matrix layer_norm(const Matrix& x, std::span<const double> gain, std::span<const double> bias,
                  double epsilon);
// y_j = exp(x_j) / sum_k exp(x_k); what is minus infinity becomes 0.
void softmax(std::span<double> x);
double log_sum_exp(std::span<const double> x);
// y = x between -limit and limit.
Matrix clamp(Matrix x, double limit);

// Columns [first, first + count).
Matrix columns(const Matrix& x, std::size_t first, std::size_t count);
// Cut into `count` heads side by side, and put side by side again.
Heads split(const Matrix& x, std::size_t count);
Matrix join(const Heads& heads);

// Indices of the k largest, the largest first; of equal ones the first.
std::vector<std::size_t> largest(std::span<const double> x, std::size_t k);

}  // namespace lookback::reference
