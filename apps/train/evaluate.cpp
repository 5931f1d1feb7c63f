#include "apps/train/evaluate.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <vector>

#include "apps/train/document_separation.h"
#include "apps/train/token_tensors.h"
#include "autograd/grad_mode.h"
#include "autograd/ops/slice.h"
#include "autograd/ops/to_vector.h"
#include "nn/layer/attention_dtype.h"

namespace lookback {
namespace {

constexpr std::int64_t batches_of_endless_data = 100;

// Sums over tokens, in the order of the tokens.
struct Sums {
  double nats = 0, floor = 0, difference = 0, squared_difference = 0;
  std::int64_t tokens = 0, correct = 0;
};

// Of one batch, row by row.
struct Scores {
  std::int64_t tokens = 0, correct = 0;
  std::vector<double> nats;
};

Scores scores_of(const Llama& llama, const TokenTensors& batch, const ForwardOptions& forward) {
  const auto loss =
      llama.loss(batch.ids, batch.targets, {.count_correct = true, .keep_nats = true}, forward);
  return {.tokens = static_cast<std::int64_t>(loss.count.item()),
          .correct = static_cast<std::int64_t>(loss.correct.item()),
          .nats = to_vector(loss.nats)};
}

// The same, token by token through a cache that keeps what the policy says.
Scores scores_within_budget(const Llama& llama, const TokenTensors& batch,
                            const ForwardOptions& forward, const CachePolicy& policy) {
  const auto rows = batch.ids.size(0), columns = batch.ids.size(1);
  KeyValueCache cache(rows, columns, attention_dtype(llama.precision, forward, batch.ids.device()),
                      policy);
  auto through_cache = forward;
  through_cache.cache = &cache;
  Scores all{.nats = std::vector<double>(static_cast<std::size_t>(rows * columns))};
  for (std::int64_t t = 0; t < columns; ++t) {
    const TokenTensors column{slice(batch.ids, 1, t, t + 1), slice(batch.targets, 1, t, t + 1)};
    const auto scores = scores_of(llama, column, through_cache);
    all.tokens += scores.tokens;
    all.correct += scores.correct;
    for (std::int64_t row = 0; row < rows; ++row) {
      all.nats[static_cast<std::size_t>(row * columns + t)] =
          scores.nats[static_cast<std::size_t>(row)];
    }
  }
  return all;
}

Scores scores_by(const EvaluationPlan& plan, const Llama& llama, const TokenBatch& batch,
                 const ForwardOptions& forward) {
  const auto tensors = token_tensors(batch);
  return plan.cache_policy.kind == CachePolicy::Kind::full
             ? scores_of(llama, tensors, forward)
             : scores_within_budget(llama, tensors, forward, plan.cache_policy);
}

// Of a batch whose documents are cut apart, each number where the whole batch has it.
Scores scores_of_documents(const EvaluationPlan& plan, const Llama& llama,
                           const std::vector<DocumentRows>& documents, std::size_t tokens,
                           const ForwardOptions& forward) {
  Scores all{.nats = std::vector<double>(tokens)};
  for (const auto& rows : documents) {
    const auto scores = scores_by(plan, llama, rows.batch, forward);
    all.tokens += scores.tokens;
    all.correct += scores.correct;
    auto row = scores.nats.begin();
    for (const auto place : rows.places) {
      std::copy_n(row, rows.batch.columns, all.nats.begin() + place);
      row += rows.batch.columns;
    }
  }
  return all;
}

struct ScoredBatch {
  TokenBatch batch;
  Scores scores;
};

// What rank `from` has found becomes what all have.
void share(Communicator& ranks, int from, ScoredBatch& scored) {
  auto& [tokens, correct, nats] = scored.scores;
  nats.resize(scored.batch.inputs.size());
  std::vector<double> message{static_cast<double>(tokens), static_cast<double>(correct)};
  message.insert(message.end(), nats.begin(), nats.end());
  ranks.broadcast(std::as_writable_bytes(std::span(message)), from, "scores of an evaluation");
  tokens = static_cast<std::int64_t>(message[0]);
  correct = static_cast<std::int64_t>(message[1]);
  nats.assign(message.begin() + 2, message.end());
}

void add_batch(Sums& sums, const TokenSource& source, const TokenBatch& batch,
               const Scores& scores) {
  sums.tokens += scores.tokens;
  sums.correct += scores.correct;
  const auto floor = source.has_floor() ? source.nats(batch) : std::vector<double>{};
  const auto& nats = scores.nats;
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
                    const ForwardOptions& forward, Communicator* ranks) {
  const NoGrad no_grad;
  const auto rows = source.evaluation_rows(plan.block_size);
  const auto all = rows.value_or(std::numeric_limits<std::int64_t>::max());
  const int size = ranks == nullptr ? 1 : ranks->size(), own = size == 1 ? 0 : ranks->rank();
  Sums sums;
  std::vector<ScoredBatch> round;  // one batch for each rank
  const auto end_round = [&] {
    for (std::size_t i = 0; i < round.size() && size > 1; ++i)
      share(*ranks, static_cast<int>(i), round[i]);
    for (const auto& [batch, scores] : round) add_batch(sums, source, batch, scores);
    round.clear();
  };
  std::int64_t batch = 0;
  for (std::int64_t row = 0; row < all && (!plan.batches || batch < *plan.batches); ++batch) {
    const auto count = std::min(plan.batch_size, all - row);
    round.push_back({source.evaluation_batch(row, count, plan.block_size), {}});
    const auto& whole = round.back().batch;
    if (std::ssize(round) - 1 == own) {
      round.back().scores =
          plan.documents_apart
              ? scores_of_documents(plan, llama,
                                    DocumentSeparation(llama).evaluation(source, row, whole),
                                    whole.inputs.size(), forward)
              : scores_by(plan, llama, whole, forward);
    }
    if (std::ssize(round) == size) end_round();
    row += count;
  }
  end_round();
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
