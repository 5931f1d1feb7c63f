#include "apps/diagnosis/gradient_picture.h"

#include <algorithm>
#include <cmath>

#include "autograd/gradient.h"
#include "autograd/ops/to_vector.h"
#include "runtime/random.h"
#include "runtime/transfer.h"

namespace lookback {
namespace {

// Row b of the batch is the same sequence, and its logits at position b alone have a gradient.
Tensor one_position_per_row(const Tensor& logits, std::uint64_t seed) {
  const auto upstream = zeros(logits.shape(), logits.dtype(), cpu_device);
  const auto tokens = logits.size(1), words = logits.size(2);
  RandomStream random(seed, stream_of(RandomUse::diagnosis, 1));
  visit_floating(upstream.dtype(), [&]<class T>(TypeTag<T>) {
    for (std::int64_t row = 0; row < tokens; ++row) {
      auto* const at = upstream.data<T>() + (row * tokens + row) * words;
      for (std::int64_t v = 0; v < words; ++v) at[v] = static_cast<T>(random.normal());
    }
  });
  return to_device(upstream, logits.device());
}

// Norms over the last dimension of a gradient [T, T, D].
std::vector<double> norms_of(const Tensor& gradient) {
  const auto width = static_cast<std::size_t>(gradient.size(2));
  const auto numbers = to_vector(gradient);
  std::vector<double> norms;
  for (std::size_t row = 0; row < numbers.size() / width; ++row) {
    double sum = 0;
    for (std::size_t d = 0; d < width; ++d) {
      sum += numbers[row * width + d] * numbers[row * width + d];
    }
    norms.push_back(std::sqrt(sum));
  }
  return norms;
}

}  // namespace

double GradientPicture::largest_ahead(std::size_t layer) const {
  double largest = 0;
  for (std::int64_t t = 0; t < tokens; ++t) {
    for (auto s = t + 1; s < tokens; ++s) {
      const auto each = layers[layer][static_cast<std::size_t>(t * tokens + s)];
      if (each > largest) largest = each;
    }
  }
  return largest;
}

GradientPicture gradient_picture(const Llama& llama, const Tensor& ids,
                                 const ForwardOptions& forward, std::uint64_t seed) {
  GradientPicture picture{.tokens = ids.size(1), .layers = {}};
  const auto here = on_host(ids);
  const auto batch = empty({picture.tokens, picture.tokens}, DType::i64, cpu_device);
  for (std::int64_t row = 0; row < picture.tokens; ++row) {
    std::ranges::copy(here.elements<std::int64_t>(),
                      batch.data<std::int64_t>() + row * picture.tokens);
  }
  Trace trace;
  auto options = forward;
  options.trace = &trace;
  const auto logits = llama.logits(to_device(batch, ids.device()), options);
  const auto square = static_cast<std::size_t>(picture.tokens * picture.tokens);
  picture.layers.assign(trace.hidden_states.size(), std::vector<double>(square));
  for (std::size_t layer = 0; layer < trace.hidden_states.size(); ++layer) {
    if (!requires_grad(trace.hidden_states[layer])) continue;  // cut off: nothing flows
    add_hook(trace.hidden_states[layer], [&picture, layer](const Tensor& gradient) {
      picture.layers[layer] = norms_of(gradient);
      return gradient;
    });
  }
  if (requires_grad(logits)) backward(logits, one_position_per_row(logits, seed));
  clear_gradients(llama.parameters());
  return picture;
}

}  // namespace lookback
