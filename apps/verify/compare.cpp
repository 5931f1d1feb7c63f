#include "apps/verify/compare.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "runtime/transfer.h"

namespace lookback {
namespace {

// As ReferenceGroup has them.
constexpr std::array<std::string_view, 6> group_names = {"out",   "grad",   "trace",
                                                         "train", "decode", "decode.kept"};
constexpr double infinity = std::numeric_limits<double>::infinity();

std::vector<double> as_doubles(const Tensor& tensor) {
  return visit_any(tensor.dtype(), [&]<class T>(TypeTag<T>) {
    const auto here = on_host(tensor);
    const auto elements = here.elements<T>();
    std::vector<double> values(elements.size());
    std::ranges::transform(elements, values.begin(), [](T x) { return static_cast<double>(x); });
    return values;
  });
}

bool all_finite(const std::vector<double>& values) {
  return std::ranges::all_of(values, [](double x) { return std::isfinite(x); });
}

double largest_magnitude(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0,
                         [](double largest, double x) { return std::max(largest, std::abs(x)); });
}

// a / b, where nothing beside nothing is no error and something beside nothing an infinite one.
double ratio(double a, double b) { return a == 0 ? 0 : a / b; }

double largest_difference(const std::vector<double>& a, const std::vector<double>& b) {
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) largest = std::max(largest, std::abs(a[i] - b[i]));
  return largest;
}

// 1 - cosine of the angle between them. Scaled first: squares of gradients may be too small.
double turn_between(const std::vector<double>& a, const std::vector<double>& b) {
  const double scale_a = largest_magnitude(a), scale_b = largest_magnitude(b);
  double product = 0, square_a = 0, square_b = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double x = a[i] / scale_a, y = b[i] / scale_b;
    product += x * y;
    square_a += x * x;
    square_b += y * y;
  }
  return std::max(0.0, 1 - product / std::sqrt(square_a * square_b));
}

// Beside the largest of its group: what is zero but for how its sums were rounded.
constexpr double rounding = 1e-12;

// How one group is measured.
struct Measure {
  double floor;    // f x the group's largest
  double largest;  // of the group
  bool direction;  // gradients in bfloat16
  double error(const std::vector<double>& ours, const std::vector<double>& theirs) const {
    const double size = largest_magnitude(theirs);
    if (!direction) return ratio(largest_difference(ours, theirs), std::max(size, floor));
    if (size <= rounding * largest) return ratio(largest_magnitude(ours), largest);
    return largest_magnitude(ours) == 0 ? 1 : turn_between(ours, theirs);
  }
};

Measure measure_of(ReferenceGroup group, DType dtype, double largest) {
  const bool float32_gradients = dtype == DType::f32 && group == ReferenceGroup::grad;
  return {(float32_gradients ? 3e-2 : 1e-3) * largest, largest,
          dtype == DType::bf16 && group == ReferenceGroup::grad};
}

TensorComparison compare_one(const std::string& name, const std::vector<double>& theirs,
                             const Shape& shape, const std::map<std::string, Tensor>& ours,
                             const Measure& measure) {
  TensorComparison result{.name = name, .error = infinity, .tolerance = 0, .problem = ""};
  const auto found = ours.find(name);
  if (found == ours.end()) {
    result.problem = "this model has no such tensor";
  } else if (found->second.shape() != shape) {
    result.problem = fmt::format("ours is {}, theirs {}", found->second.shape(), shape);
  } else if (!all_finite(theirs)) {
    result.problem = "theirs holds a number that is not finite";
  } else {
    const auto values = as_doubles(found->second);
    if (!all_finite(values)) {
      result.problem = "ours holds a number that is not finite";
    } else {
      result.error = measure.error(values, theirs);
    }
  }
  return result;
}

double share_of_tolerance(const TensorComparison& tensor) {
  return ratio(tensor.error, tensor.tolerance);
}

}  // namespace

std::optional<ReferenceGroup> reference_group(std::string_view name) {
  if (name.starts_with("decode.kept.")) return ReferenceGroup::kept;
  const auto* found = std::ranges::find(group_names, name.substr(0, name.find('.')));
  if (found == group_names.end() || name.find('.') == std::string_view::npos) return std::nullopt;
  return static_cast<ReferenceGroup>(found - group_names.begin());
}

std::optional<double> default_tolerance(DType dtype, ReferenceGroup group) {
  // A choice may hang on what bfloat16 rounds.
  if (group == ReferenceGroup::kept) {
    return dtype == DType::bf16 ? std::nullopt : std::optional<double>(0);
  }
  switch (dtype) {
    case DType::f64: return 1e-9;
    case DType::f32: return group == ReferenceGroup::train ? 1e-3 : 1e-4;
    case DType::bf16:
      if (group == ReferenceGroup::train) return std::nullopt;
      return group == ReferenceGroup::grad ? 0.02 : 5e-2;
    default: fail("verify", "there are no results in {}", dtype);
  }
}

bool Comparison::passed() const { return std::ranges::all_of(tensors, &TensorComparison::passed); }

const TensorComparison& Comparison::worst() const {
  return *std::ranges::max_element(tensors, {}, share_of_tolerance);
}

Comparison compare_with_reference(const SafetensorsFile& reference,
                                  const std::map<std::string, Tensor>& ours, DType dtype,
                                  std::optional<double> tolerance) {
  std::map<std::string, Tensor> theirs;
  std::array<double, group_names.size()> largest{};
  for (const auto& name : reference.names()) {
    const auto group = reference_group(name);
    if (!group || !default_tolerance(dtype, *group)) continue;
    const auto tensor = reference.load(name);
    auto& size = largest[static_cast<std::size_t>(*group)];
    size = std::max(size, largest_magnitude(as_doubles(tensor)));
    theirs.emplace(name, tensor);
  }
  if (theirs.empty()) {
    fail("verify", "{}: holds no out., grad., trace. or train. tensor to compare",
         reference.source());
  }
  Comparison result;
  for (const auto& [name, tensor] : theirs) {
    const auto group = *reference_group(name);
    const auto measure = measure_of(group, dtype, largest[static_cast<std::size_t>(group)]);
    auto compared = compare_one(name, as_doubles(tensor), tensor.shape(), ours, measure);
    compared.tolerance = tolerance.value_or(*default_tolerance(dtype, group));
    result.tensors.push_back(std::move(compared));
  }
  return result;
}

}  // namespace lookback
