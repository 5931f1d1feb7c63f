// Whose embedding moves whose logits: the norm of d logits_t / d x_s as a T x T picture.
#pragma once

#include <vector>

#include "nn/llama/llama.h"

namespace lookback {

struct GradientPicture {
  std::int64_t tokens = 0;
  // [T, T], row t: the logits; column s: position s of what goes into the layer; of each layer (0:
  // the embeddings) and of the last layer's output.
  std::vector<std::vector<double>> layers;

  // The largest entry with s > t; 0: nothing flows from later positions.
  double largest_ahead(std::size_t layer) const;
};

// ids [1, T]. The logits of each position are weighed with random numbers and differentiated once.
GradientPicture gradient_picture(const Llama& llama, const Tensor& ids,
                                 const ForwardOptions& forward, std::uint64_t seed);

}  // namespace lookback
