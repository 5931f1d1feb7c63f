// Every variant of a small Llama: the points of the axes, and weights to try them with.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tests/nn/small_llama.h"

namespace lookback::testing {

struct Variant {
  std::string name;
  LlamaConfig config;
};

// The names of the score scales.
std::vector<std::string> score_scales();

// All points of site, source, weights, stream and include_self.
std::vector<CrossLayerResidual> cross_layer_residuals();

// `base` under every cross-layer residual, and under none, with one score scale ("": none).
std::vector<Variant> variants_with_scale(const LlamaConfig& base, const std::string& scale);
// All of them: every point of every axis with every other.
std::vector<Variant> all_variants(const LlamaConfig& base);

// `base` under one preset, and under all of those that are not broken on purpose.
Variant preset_variant(const LlamaConfig& base, const std::string& preset);
std::vector<Variant> healthy_presets(const LlamaConfig& base);
// Those of them whose attention is the plain Llama's.
std::vector<Variant> presets_with_plain_attention(const LlamaConfig& base);

// The i-th way to shape a small model: of the plain attention the key-value heads from 1 to H;
// with and without biases and a tied head.
LlamaConfig shaped(LlamaConfig base, std::size_t i);

// Weights larger than a fresh model's; those that start from one number (norms, layer weights,
// scales) stand near it, all of them different.
std::unique_ptr<Llama> make_variant(const LlamaConfig& config, DType dtype = DType::f64,
                                    std::uint64_t seed = 0);

using ParametersByName = std::map<std::string, Tensor>;
ParametersByName by_name(const Llama& llama);

// max |a - b| over all elements; infinity where one is NaN or the shapes differ.
double largest_difference(const Tensor& a, const Tensor& b);
double largest_element(const Tensor& x);

// Runs for its own lifetime on one thread: small models only wait for more.
class OneThread {
 public:
  OneThread();
  ~OneThread();
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  int before_;
};

}  // namespace lookback::testing
