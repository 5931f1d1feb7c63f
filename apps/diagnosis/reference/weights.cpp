#include "apps/diagnosis/reference/weights.h"

#include <utility>

#include "runtime/check.h"

namespace lookback::reference {

void Weights::set(const std::string& name, NamedValues values) {
  turned_.erase(name);
  all_[name] = std::move(values);
}

const NamedValues& Weights::at(const std::string& name) const {
  const auto found = all_.find(name);
  if (found == all_.end()) fail("reference", "the model has no {}", name);
  return found->second;
}

const Matrix& Weights::turned(const std::string& name) const {
  auto& kept = turned_[name];
  if (kept.rows() > 0) return kept;
  const auto& [shape, values] = at(name);
  kept = Matrix(shape[1], shape[0]);
  for (std::size_t o = 0; o < shape[0]; ++o) {
    for (std::size_t i = 0; i < shape[1]; ++i) kept(i, o) = values[o * shape[1] + i];
  }
  return kept;
}

Matrix Weights::linear(const Matrix& x, const std::string& name) const {
  auto y = product(x, turned(name + ".weight"));
  if (!has(name + ".bias")) return y;
  const auto bias = values(name + ".bias");
  for (std::size_t t = 0; t < y.rows(); ++t) {
    for (std::size_t o = 0; o < y.columns(); ++o) y(t, o) += bias[o];
  }
  return y;
}

void Weights::add(const std::string& name, std::size_t index, double step) {
  turned_.erase(name);
  all_.at(name).values.at(index) += step;
}

}  // namespace lookback::reference
