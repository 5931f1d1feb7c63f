#include "apps/train/evaluate.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "apps/train/token_tensors.h"
#include "autograd/grad_mode.h"
#include "autograd/ops/to_vector.h"

namespace lookback {
namespace {

constexpr std::int64_t batches_of_endless_data = 100;

// Sums over tokens, in the order of the tokens.
struct Sums {
  double nats = 0, floor = 0, difference = 0, squared_difference = 0;
  std::int64_t tokens = 0, correct = 0;
};

void add_batch(Sums& sums, const Llama& llama, const TokenSource& source, const TokenBatch& batch,
               const ForwardOptions& forward) {
  const auto [ids, targets] = token_tensors(batch);
  const auto loss = llama.loss(ids, targets, {.count_correct = true, .keep_nats = true}, forward);
  sums.tokens += static_cast<std::int64_t>(loss.count.item());
  sums.correct += static_cast<std::int64_t>(loss.correct.item());
  const auto floor = source.has_floor() ? source.nats(batch) : std::vector<double>{};
  const auto nats = to_vector(loss.nats);
  for (std::size_t i = 0; i < nats.size(); ++i) {
    sums.nats += nats[i];
    if (floor.empty() || batch.targets[i] == ignored_target) continue;
    const double difference = nats[i] - floor[i];
    sums.floor += floor[i];
    sums.difference += difference;
    sums.squared_difference += difference * difference;
  }
}

}  // namespace

Evaluation evaluate(const Llama& llama, const TokenSource& source, const EvaluationPlan& plan,
                    const ForwardOptions& forward) {
  const NoGrad no_grad;
  const auto rows = source.evaluation_rows(plan.block_size);
  const auto all = rows.value_or(std::numeric_limits<std::int64_t>::max());
  Sums sums;
  std::int64_t batch = 0;
  for (std::int64_t row = 0; row < all && (!plan.batches || batch < *plan.batches); ++batch) {
    const auto count = std::min(plan.batch_size, all - row);
    add_batch(sums, llama, source, source.evaluation_batch(row, count, plan.block_size), forward);
    row += count;
  }
  const Check check{"evaluation"};
  check(sums.tokens > 0, "there is no token to score");
  const auto n = static_cast<double>(sums.tokens);
  Evaluation result{.loss = sums.nats / n,
                    .accuracy = static_cast<double>(sums.correct) / n,
                    .tokens = sums.tokens};
  if (source.has_floor()) {
    const double mean = sums.difference / n;
    const double variance = std::max(0.0, sums.squared_difference / n - mean * mean);
    result.floor = sums.floor / n;
    result.floor_error = std::sqrt(variance / n);
  }
  return result;
}

EvaluationPlan whole_evaluation(const TokenSource& source, std::int64_t batch_size,
                                std::int64_t block_size) {
  EvaluationPlan plan{.batch_size = batch_size, .block_size = block_size};
  if (!source.evaluation_rows(block_size)) plan.batches = batches_of_endless_data;
  return plan;
}

}  // namespace lookback
