// AdamW (Loshchilov & Hutter 2019), over all parameters in one pass.
#pragma once

#include <optional>
#include <vector>

#include "nn/module.h"
#include "nn/shards.h"

namespace lookback {

struct AdamWOptions {
  double beta1 = 0.9;
  double beta2 = 0.95;
  double epsilon = 1e-8;
  double weight_decay = 0.1;  // only on parameters of two or more dimensions
};

// For a parameter w with gradient g (times the clipping factor), at step t (from 1):
//   m = beta1 m + (1 - beta1) g,  v = beta2 v + (1 - beta2) g^2
//   w = w (1 - rate decay);  w -= rate m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + epsilon)
// A parameter without a gradient counts as one with a gradient of zero.
class AdamW {
 public:
  AdamW(std::vector<NamedParameter> parameters, AdamWOptions adamw_options);
  // Moves the elements of these ranges alone, of parameters that are contiguous: the moments are
  // theirs, in this order, each of the shape [size].
  AdamW(std::vector<NamedParameter> parameters, AdamWOptions adamw_options,
        std::vector<ParameterRange> ranges);

  // What the gradients are multiplied by, with clipping, for which the host need not know their
  // norm: it is read where it lies. A norm that is not finite leaves parameters and moments as they
  // are.
  struct GradientScale {
    double scale = 1;
    double max_norm = 0;  // of the scaled gradients; 0: no clipping
    Tensor norm = {};     // gradient_norm_tensor(); undefined: no clipping
  };

  // One step with the gradients that the parameters hold: begin_step() and update().
  void step(double learning_rate, const GradientScale& gradients);
  void step(double learning_rate, double gradient_scale) {
    step(learning_rate, GradientScale{.scale = gradient_scale});
  }

  // What the host says of the next step; handed to the device before the step is at work there.
  void begin_step(double learning_rate, double gradient_scale);
  // The device's part, the same each time: it can be captured and launched
  // (runtime/captured_work.h).
  void update(double max_norm, const Tensor& norm);

  struct State {
    std::string name;
    Tensor first_moment, second_moment;  // of the shape and dtype of what it moves
  };
  const std::vector<State>& states() const { return moments_; }
  std::int64_t steps_taken() const { return steps_; }
  // For moments that a file has filled: the next step is the one after so many.
  void resume_after(std::int64_t steps_done) { steps_ = steps_done; }

 private:
  // What is moved: a parameter or a range of one, and what belongs to that of its gradient.
  struct Part {
    std::size_t parameter;
    std::optional<ParameterRange> range = {};
    Tensor of(const Tensor& whole) const { return range ? part_of(whole, *range) : whole; }
  };

  void add_part(const Part& part);

  std::vector<NamedParameter> parameters_;
  std::vector<Part> parts_;
  std::vector<State> moments_;  // of each part
  AdamWOptions options_;
  Tensor numbers_;  // of the step at hand, [4] f64: kernels::AdamWNumbers
  std::int64_t steps_ = 0;
};

// sqrt of the sum of squares of all gradients, [] f64; missing ones count as zero.
Tensor gradient_norm_tensor(const std::vector<NamedParameter>& parameters);
// The same as a number, for which a GPU is waited for.
double gradient_norm(const std::vector<NamedParameter>& parameters);

// min(1, max_norm / norm); 1 when max_norm is 0 (no clipping).
double clipping_factor(double norm, double max_norm);

}  // namespace lookback
