// What is diagnosed: a model with or without weights, what it trains on, and how.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "apps/data/token_source.h"
#include "apps/train/run_options.h"
#include "nn/llama/llama.h"

namespace lookback {

enum class Effort { quick, full };

struct Subject {
  LlamaConfig config;                           // names its fault, where it has one
  std::optional<std::filesystem::path> folder;  // none: fresh weights, from the seed
  std::shared_ptr<const Llama> weights;         // trained in this process, in place of a folder's
  std::string given_config;                     // a config.json or a built-in's name; empty: none
  std::vector<std::string> given_presets;       // laid over it
  std::optional<RunOptions> run;                // of the folder, where a run made it
  TrainOptions options;                         // the run's, or the defaults
  TokenData data;                               // what training and validation read
  Effort effort = Effort::quick;
  std::uint64_t seed = 0;
  std::int64_t block_size = 64;  // T of the checks
  std::int64_t batch_size = 4;

  // Fresh weights, from the seed.
  std::unique_ptr<Llama> fresh_model(DType dtype = DType::f32) const;
  bool has_weights() const { return folder || weights != nullptr; }
  // The trained weights; where there are none, fresh ones.
  std::unique_ptr<Llama> model(DType dtype = DType::f32) const;
  // How its runs go: with a fault attention weights are explicit.
  ForwardOptions forward() const;
  // A training batch [batch_size, block_size].
  TokenBatch batch(std::int64_t step = 0, std::int64_t micro_step = 0) const;
  // Random tokens [rows, columns] of the model's vocabulary, from the seed and `stream`.
  Tensor random_ids(std::int64_t rows, std::int64_t columns, std::uint64_t stream = 0) const;
};

// The subject with fresh weights of the usual size, whatever its initializer_range: of larger ones
// a loss bends more than a difference quotient bears, and attention is sharper than bfloat16 bears;
// of none at all nothing can be made large.
Subject with_usual_weights(const Subject& subject);

}  // namespace lookback
