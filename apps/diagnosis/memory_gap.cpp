#include "apps/diagnosis/memory_gap.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "apps/diagnosis/tensor_numbers.h"
#include "apps/diagnosis/thresholds.h"
#include "apps/train/token_tensors.h"
#include "autograd/grad_mode.h"
#include "nn/llama/generate.h"

namespace lookback {
namespace {

constexpr std::int64_t batches = 8, repeated_rows = 8, repeated_tokens = 12;

// Whether greedy decoding of the first part of a row goes on as the row does. Rows that are too
// short do not.
bool repeats(const Llama& llama, const TokenBatch& batch, std::int64_t row) {
  const auto begin = batch.inputs.begin() + row * batch.columns;
  const auto part = std::min(repeated_tokens, batch.columns / 2);
  const std::vector<std::int64_t> prompt(begin, begin + part);
  const auto made =
      generate(llama, prompt, {.max_new_tokens = part, .sampling = {.temperature = 0}});
  return part > 1 && std::equal(made.tokens.begin(), made.tokens.end(), begin + part);
}

Remembered remembered(const Subject& subject, const Llama& llama,
                      const std::function<TokenBatch(std::int64_t)>& batch_of) {
  double sum = 0, squares = 0, count = 0, rows = 0, repeated = 0;
  for (std::int64_t i = 0; i < batches; ++i) {
    const auto batch = batch_of(i);
    if (batch.rows == 0) break;
    const auto [ids, targets] = token_tensors(batch);
    const auto loss = llama.loss(ids, targets, {.keep_nats = true}, subject.forward());
    for (const double nats : to_vector(loss.nats)) {
      sum += nats;
      squares += nats * nats;
    }
    count += loss.count.item();
    for (std::int64_t row = 0; row < batch.rows && rows < repeated_rows; ++row) {
      ++rows;
      repeated += repeats(llama, batch, row) ? 1 : 0;
    }
  }
  count = std::max(count, 1.0);
  const double mean = sum / count;
  return {.nats = mean,
          .error = std::sqrt(std::max(0.0, squares / count - mean * mean) / count),
          .repeated = repeated / std::max(rows, 1.0)};
}

}  // namespace

double MemoryGap::error() const { return std::hypot(training.error, validation.error); }

bool MemoryGap::is_memory() const {
  const bool by_loss = nats() > thresholds::memorized_nats &&
                       nats() > thresholds::errors_of_a_gap * error() &&
                       training.nats < thresholds::memorized_share * validation.nats;
  return by_loss || training.repeated - validation.repeated > thresholds::repeated_rows;
}

std::string MemoryGap::evidence() const {
  return fmt::format(
      "training data cost {:.3f} nats per token, validation {:.3f}: {:.3f} more (standard error "
      "{:.3f}); of {} rows each, {:.0f} % of training are repeated word for word from their "
      "beginning, {:.0f} % of validation",
      training.nats, validation.nats, nats(), error(), repeated_rows, 100 * training.repeated,
      100 * validation.repeated);
}

MemoryGap memory_gap(const Subject& subject, const Llama& llama) {
  const NoGrad no_grad;
  const auto& validation = *subject.data.validation;
  const auto rows = validation.evaluation_rows(subject.block_size);
  const auto fresh = [&](std::int64_t i) {
    const auto first = i * subject.batch_size;
    if (rows && first >= *rows) return TokenBatch{};
    return validation.evaluation_batch(first, subject.batch_size, subject.block_size);
  };
  return {.training = remembered(subject, llama, [&](std::int64_t i) { return subject.batch(i); }),
          .validation = remembered(subject, llama, fresh)};
}

}  // namespace lookback
