// The products of a step of the models of tests/bench (llama-124m, 0.5b, 1.4b), as cuBLAS takes
// them: column-major, so that the result's rows are its columns.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace lookback::probe {

enum class Operand { as_it_lies, transposed };

// c [m, n] = a [m, k] b [k, n], all column-major. a and b are bf16.
struct Product {
  std::string name;      // "mlp_up forward"
  std::string expected;  // of which figure of expected.py it is a part; empty: of none
  Operand a = Operand::as_it_lies, b = Operand::as_it_lies;
  std::int64_t m = 0, n = 0, k = 0;

  std::int64_t a_step() const { return a == Operand::as_it_lies ? m : k; }
  std::int64_t b_step() const { return b == Operand::as_it_lies ? k : n; }
  double flops() const {
    return 2.0 * static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k);
  }
};

// Of `tokens` rows: forward, the gradient of the rows, the gradient of the weight.
std::vector<Product> products_of_models(std::int64_t tokens);

}  // namespace lookback::probe
