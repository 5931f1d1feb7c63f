// One case per differentiable operation; the runner makes the tests from it (op_case.cpp):
// forward against the reference in f64, f32 and bf16, gradcheck in f64, non-contiguous inputs,
// large magnitudes, the same bits at one and at three threads, and the error texts. A test fails
// for every operation on the tape that has no case of its name, so nothing is forgotten.
#pragma once

#include <functional>
#include <random>
#include <string>
#include <vector>

#include "runtime/tensor.h"

namespace lookback::testing {

using Inputs = std::vector<Tensor>;
using Shapes = std::vector<Shape>;

struct OpCaseOptions {
  // The shapes of the inputs, one list per variant to run.
  std::vector<Shapes> shapes;
  std::function<Tensor(const Inputs&)> call;
  // The same, written from the formula: contiguous f64 inputs (integers as they are) to f64.
  std::function<Tensor(const Inputs&)> reference;
  // Floating inputs are uniform in [low, high).
  double low = -2;
  double high = 2;
  // Input `which`, where it is not plain random numbers (indices, masks); undefined: the default.
  std::function<Tensor(std::size_t which, const Shape& shape, std::mt19937_64& random)> input = {};
  // Number of terms in the longest sum, for the error bound factor * eps * sqrt(terms).
  std::function<double(const Shapes&)> terms = {};
  double factor = 4;
  // Inputs of the large-magnitude test are multiplied by this; 0 leaves the test out.
  double large = 100;
  std::vector<DType> dtypes = {DType::f64, DType::f32, DType::bf16};
  // Inputs that must be refused, and a part of the message.
  struct Refused {
    std::function<void()> call;
    std::string message;
  };
  std::vector<Refused> refused = {};
};

class OpCase {
 public:
  // `name`: the node's name, or "name/what" where one operation has several cases.
  OpCase(std::string name, OpCaseOptions case_options);
  const std::string name;
  const OpCaseOptions options;
  std::string operation() const { return name.substr(0, name.find('/')); }
  static const std::vector<const OpCase*>& all();
};

// Its name as GoogleTest takes it.
std::string test_name(const OpCase& op);

// Inputs of these shapes, f64 (integers as the case makes them), floating ones times `scale`; the
// same ones each time.
Inputs drawn_inputs(const OpCaseOptions& options, const Shapes& shapes, double scale);

// A f64 tensor from a function of the flat index; for references.
Tensor make_f64(const Shape& shape, const std::function<double(std::int64_t)>& value);
// The elements of any tensor, row-major, as f64.
std::vector<double> to_doubles(const Tensor& x);

// The same elements in another dtype, on their device.
Tensor converted(const Tensor& x, DType dtype);
// All floating ones in this dtype; integers as they are.
Inputs as_dtype(const Inputs& inputs, DType dtype);
// The same elements in memory with a gap after each, dimensions in reversed order.
Tensor scattered(const Tensor& x);

// |ours - reference| <= bound_factor * epsilon(dtype) * the largest of the reference.
void expect_close(const std::vector<double>& ours, const std::vector<double>& reference,
                  double bound_factor, DType dtype);

// The result and the gradients of all floating inputs, where there are any, for a fixed dy.
struct ForwardAndGradients {
  Tensor y;
  std::vector<Tensor> gradients;
};
ForwardAndGradients run_with_gradients(const OpCaseOptions& options, const Inputs& inputs);

}  // namespace lookback::testing
