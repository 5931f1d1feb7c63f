#include "apps/diagnosis/leak_size.h"

#include <cmath>

#include "autograd/grad_mode.h"
#include "autograd/ops/contiguous.h"
#include "autograd/ops/cross_entropy.h"
#include "autograd/ops/slice.h"

namespace lookback {
namespace {

// Cross entropy of position t's next token, summed over sequences, from logits [B, T', V].
double nats_at(const Tensor& logits, const Tensor& ids, std::int64_t t) {
  const auto row = contiguous(slice(logits, 1, t, t + 1));
  const auto target = contiguous(slice(ids, 1, t + 1, t + 2));
  return cross_entropy(row, target).loss_sum.item();
}

}  // namespace

double leak_size(const Llama& llama, const Tensor& ids, const ForwardOptions& forward) {
  const NoGrad no_grad;
  const auto tokens = ids.size(1);
  if (tokens < 2) return 0;
  const auto whole = llama.logits(ids, forward);
  double gained = 0;
  for (std::int64_t t = 0; t + 1 < tokens; ++t) {
    const auto prefix = llama.logits(contiguous(slice(ids, 1, 0, t + 1)), forward);
    gained += nats_at(prefix, ids, t) - nats_at(whole, ids, t);
  }
  return gained / static_cast<double>((tokens - 1) * ids.size(0));
}

}  // namespace lookback
