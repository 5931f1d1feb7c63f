// What `verify` measures: the tensors of a reference file against ours.
//
// Error of a tensor: max |ours - theirs| / max(max |theirs|, f x the largest |theirs| of its
// group). Groups are the first words of the names: out, grad, trace, train, decode; f is 1e-3, for
// gradients in float32 3e-2: what is small beside its group is measured against the group.
// Gradients in bfloat16 are held by their direction: 1 - cosine(ours, theirs); where theirs are all
// zero (or below 1e-12 of the group's largest) and have none, |ours| against the group's largest.
// decode.kept.<layer>, the positions that a cache kept, must be equal.
#pragma once

#include <array>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/safetensors.h"

namespace lookback {

enum class ReferenceGroup { out, grad, trace, train, decode, kept };

// The group of a tensor's name; none for inputs and parameters.
std::optional<ReferenceGroup> reference_group(std::string_view name);

// What an error may be, for results of this dtype: float64 1e-9; float32 1e-4, train 1e-3; bfloat16
// 5e-2 for out, trace and decode, 0.02 (cosine 0.98) for grad; kept 0; none: the group is left out.
std::optional<double> default_tolerance(DType dtype, ReferenceGroup group);

struct TensorComparison {
  std::string name;
  double error = 0;  // infinite for what cannot be compared at all
  double tolerance = 0;
  std::string problem;  // why not, in words; empty when there is a number
  bool passed() const { return error <= tolerance; }
};

struct Comparison {
  std::vector<TensorComparison> tensors;  // in the order of their names
  bool passed() const;
  // The one that uses most of its tolerance, the first of equals.
  const TensorComparison& worst() const;
};

// Holds every tensor of these groups against ours of the same name, computed in `dtype`. A
// tensor we have not made, of another shape, or with a number that is not finite on either side
// fails. `tolerance` takes the place of every group's own. Throws Error when the file has nothing
// to compare.
Comparison compare_with_reference(const SafetensorsFile& reference,
                                  const std::map<std::string, Tensor>& ours, DType dtype,
                                  std::optional<double> tolerance = std::nullopt);

}  // namespace lookback
