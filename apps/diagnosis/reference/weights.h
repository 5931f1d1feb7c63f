// The tensors of a model by name, as doubles.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "apps/diagnosis/reference/matrix.h"

namespace lookback::reference {

struct NamedValues {
  std::vector<std::size_t> shape;
  std::vector<double> values;  // row after row
};

class Weights {
 public:
  // Replaces one of that name.
  void set(const std::string& name, NamedValues values);
  bool has(const std::string& name) const { return all_.contains(name); }
  // Throws Error where it is missing.
  const NamedValues& at(const std::string& name) const;
  std::span<const double> values(const std::string& name) const { return at(name).values; }
  // [out, in] turned over to [in, out], as a product with rows x reads it.
  const Matrix& turned(const std::string& name) const;
  // y = x W^T + b with name.weight [out, in], and with name.bias where there is one.
  Matrix linear(const Matrix& x, const std::string& name) const;
  // One number of one tensor, by its index in `values`, for a difference quotient.
  void add(const std::string& name, std::size_t index, double step);
  const std::map<std::string, NamedValues>& all() const { return all_; }

 private:
  std::map<std::string, NamedValues> all_;
  mutable std::map<std::string, Matrix> turned_;
};

}  // namespace lookback::reference
