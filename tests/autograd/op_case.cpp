#include "tests/autograd/op_case.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "autograd/gradcheck.h"
#include "autograd/gradient.h"
#include "autograd/record.h"
#include "kernels/copy.h"
#include "runtime/parallel.h"
#include "runtime/transfer.h"

namespace lookback::testing {
namespace {

std::vector<const OpCase*>& registry() {
  static std::vector<const OpCase*> cases;
  return cases;
}

void compare_forward(const OpCaseOptions& options, const Shapes& shapes, DType dtype,
                     double scale) {
  const auto inputs = as_dtype(drawn_inputs(options, shapes, scale), dtype);
  const double terms = options.terms ? std::max(1.0, options.terms(shapes)) : 1.0;
  const auto reference = options.reference(as_dtype(inputs, DType::f64));
  const auto ours = options.call(inputs);
  EXPECT_TRUE(ours.dtype() == dtype || ours.dtype() == accumulator_of(dtype));
  ASSERT_EQ(ours.shape(), reference.shape());
  expect_close(to_doubles(ours), to_doubles(reference), options.factor * std::sqrt(terms),
               ours.dtype());
}

std::string label(const Shapes& shapes) {
  std::string text;
  for (const auto& shape : shapes) text += to_string(shape) + " ";
  return text;
}

bool is_large(const Shapes& shapes) {
  std::int64_t elements = 0;
  for (const auto& shape : shapes) elements += shape.numel();
  return elements > 600;  // central differences would take too long
}

// Bits of the result and of all gradients.
std::vector<double> run_bits(const OpCaseOptions& options, const Inputs& drawn) {
  const auto result = run_with_gradients(options, drawn);
  auto bits = to_doubles(result.y);
  for (const auto& gradient : result.gradients) {
    const auto more = to_doubles(gradient);
    bits.insert(bits.end(), more.begin(), more.end());
  }
  return bits;
}

void expect_same_bits(const std::vector<double>& a, const std::vector<double>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    ASSERT_TRUE(a[i] == b[i] || (std::isnan(a[i]) && std::isnan(b[i]))) << i;
  }
}

// The same elements, contiguous, in memory whose first element lies before them.
Tensor one_element_off(const Tensor& x) {
  const auto memory = empty({x.numel() + 1}, x.dtype(), x.device());
  const auto y = memory.alias(x.shape(), contiguous_strides(x.shape()), 1);
  kernels::copy_forward(x.backend(), {.x = x, .y = y});
  return y;
}

class Operation : public ::testing::TestWithParam<const OpCase*> {
 protected:
  const OpCaseOptions& options() const { return GetParam()->options; }
};

TEST_P(Operation, ForwardMatchesReference) {
  for (const auto& shapes : options().shapes) {
    for (const auto dtype : options().dtypes) {
      SCOPED_TRACE(label(shapes) + std::string(name_of(dtype)));
      compare_forward(options(), shapes, dtype, 1);
    }
  }
}

TEST_P(Operation, ForwardAtLargeMagnitudes) {
  if (options().large == 0) return;
  for (const auto& shapes : options().shapes) {
    SCOPED_TRACE(label(shapes));
    compare_forward(options(), shapes, DType::f64, options().large);
    compare_forward(options(), shapes, DType::f32, options().large);
  }
}

// Vectors and packed products must not rely on an operand's address.
TEST_P(Operation, SameResultsWhereOperandsBeginOneElementOff) {
  for (const auto& shapes : options().shapes) {
    for (const auto dtype : options().dtypes) {
      SCOPED_TRACE(label(shapes) + std::string(name_of(dtype)));
      const auto inputs = as_dtype(drawn_inputs(options(), shapes, 1), dtype);
      Inputs shifted;
      for (const auto& x : inputs) shifted.push_back(one_element_off(x));
      expect_same_bits(run_bits(options(), inputs), run_bits(options(), shifted));
    }
  }
}

TEST_P(Operation, Gradcheck) {
  bool checked = false;
  for (const auto& shapes : options().shapes) {
    if (is_large(shapes)) continue;
    checked = true;
    for (const bool contiguous : {true, false}) {
      SCOPED_TRACE(label(shapes) + (contiguous ? "contiguous" : "scattered"));
      auto inputs = drawn_inputs(options(), shapes, 1);
      for (auto& x : inputs) {
        if (!contiguous) x = scattered(x);
        if (is_floating(x.dtype())) set_requires_grad(x);
      }
      const auto result = gradcheck(options().call, inputs);
      EXPECT_TRUE(result.passed) << result.message;
      expect_close(to_doubles(options().call(inputs).detach()),
                   to_doubles(options().reference(as_dtype(inputs, DType::f64))),
                   options().factor * 8, DType::f64);
    }
  }
  EXPECT_TRUE(checked) << "no variant is small enough for central differences";
}

TEST_P(Operation, SameBitsAtAnyNumberOfThreads) {
  const int before = num_threads();
  for (const auto& shapes : options().shapes) {
    SCOPED_TRACE(label(shapes));
    const auto inputs = as_dtype(drawn_inputs(options(), shapes, 1),
                                 options().dtypes.back() == DType::f64 ? DType::f64 : DType::f32);
    set_num_threads(1);
    const auto one = run_bits(options(), inputs);
    set_num_threads(3);
    const auto three = run_bits(options(), inputs);
    set_num_threads(before);
    expect_same_bits(one, three);
  }
}

TEST_P(Operation, RefusesBadInputs) {
  for (const auto& refused : options().refused) {
    try {
      refused.call();
      ADD_FAILURE() << "was not refused: " << refused.message;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(refused.message), std::string::npos) << error.what();
      EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, Operation, ::testing::ValuesIn(OpCase::all()),
                         [](const ::testing::TestParamInfo<const OpCase*>& instance) {
                           return test_name(*instance.param);
                         });

TEST(OperationRegistry, EveryOperationOnTheTapeHasACase) {
  for (const auto* kind = detail::NodeKind::first(); kind != nullptr; kind = kind->next()) {
    bool found = false;
    for (const auto* op : OpCase::all()) found = found || op->operation() == kind->name;
    EXPECT_TRUE(found) << "no OpCase named " << kind->name;
  }
}

}  // namespace

Inputs drawn_inputs(const OpCaseOptions& options, const Shapes& shapes, double scale) {
  std::mt19937_64 random(shapes.size() * 1000 + static_cast<std::uint64_t>(shapes[0].numel()));
  std::uniform_real_distribution<double> uniform(options.low, options.high);
  Inputs inputs;
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    auto special = options.input ? options.input(i, shapes[i], random) : Tensor{};
    if (!special.defined()) {
      special = make_f64(shapes[i], [&](std::int64_t) { return scale * uniform(random); });
    }
    inputs.push_back(special);
  }
  return inputs;
}

OpCase::OpCase(std::string case_name, OpCaseOptions case_options)
    : name(std::move(case_name)), options(std::move(case_options)) {
  registry().push_back(this);
}

const std::vector<const OpCase*>& OpCase::all() { return registry(); }

std::string test_name(const OpCase& op) {
  auto text = op.name;
  for (auto& letter : text) {
    if (std::isalnum(static_cast<unsigned char>(letter)) == 0) letter = '_';
  }
  return text;
}

Tensor make_f64(const Shape& shape, const std::function<double(std::int64_t)>& value) {
  const auto x = empty(shape, DType::f64);
  for (std::int64_t i = 0; i < x.numel(); ++i) x.data<double>()[i] = value(i);
  return x;
}

std::vector<double> to_doubles(const Tensor& x) {
  const auto y = to_device(converted(x.detach(), DType::f64), cpu_device);
  const auto values = y.elements<double>();
  return {values.begin(), values.end()};
}

Tensor converted(const Tensor& x, DType dtype) {
  const auto y = empty(x.shape(), dtype, x.device());
  kernels::copy_forward(x.backend(), {.x = x, .y = y});
  return y;
}

// The same elements in memory with a gap after each, dimensions in reversed order.
Tensor scattered(const Tensor& x) {
  auto strides = Shape::filled(x.rank(), 0);
  std::int64_t step = 2;
  for (int dim = 0; dim < x.rank(); ++dim) {
    strides[dim] = step;
    step *= std::max<std::int64_t>(x.size(dim), 1);
  }
  const auto memory = empty({step}, x.dtype(), x.device());
  const auto y = memory.alias(x.shape(), strides);
  kernels::copy_forward(x.backend(), {.x = x, .y = y});
  return y;
}

Inputs as_dtype(const Inputs& inputs, DType dtype) {
  Inputs result;
  for (const auto& x : inputs) {
    result.push_back(converted(x, is_floating(x.dtype()) ? dtype : x.dtype()));
  }
  return result;
}

void expect_close(const std::vector<double>& a, const std::vector<double>& b, double bound_factor,
                  DType dtype) {
  ASSERT_EQ(a.size(), b.size());
  double largest = 0;
  for (const double value : b) {
    if (std::isfinite(value)) largest = std::max(largest, std::fabs(value));
  }
  // Below its smallest normal number a dtype has no relative precision left.
  const double smallest = dtype == DType::f64
                              ? std::numeric_limits<double>::min()
                              : static_cast<double>(std::numeric_limits<float>::min());
  const double bound = bound_factor * epsilon_of(dtype) * largest + smallest;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (std::isfinite(b[i])) {
      ASSERT_LE(std::fabs(a[i] - b[i]), bound)
          << "element " << i << ": " << a[i] << " against " << b[i];
    } else {
      ASSERT_TRUE(a[i] == b[i] || (std::isnan(a[i]) && std::isnan(b[i]))) << "element " << i;
    }
  }
}

ForwardAndGradients run_with_gradients(const OpCaseOptions& options, const Inputs& drawn) {
  Inputs inputs;
  for (const auto& x : drawn) {
    inputs.push_back(x.detach());
    if (is_floating(x.dtype())) set_requires_grad(inputs.back());
  }
  ForwardAndGradients result{.y = options.call(inputs), .gradients = {}};
  if (!requires_grad(result.y)) return result;
  const auto dy =
      make_f64(result.y.shape(), [](std::int64_t i) { return std::sin(static_cast<double>(i)); });
  backward(result.y, converted(to_device(dy, result.y.device()), result.y.dtype()));
  for (const auto& x : inputs) {
    if (gradient(x).defined()) result.gradients.push_back(gradient(x));
  }
  return result;
}

}  // namespace lookback::testing
