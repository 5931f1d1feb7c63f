// What `lookback bench` can measure: each benchmark is one file that registers itself.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "apps/cli/command.h"
#include "apps/model/attention_storage.h"
#include "nn/llama/llama.h"

namespace lookback {

struct BenchOptions {
  std::string config = "smoke";
  std::vector<std::string> presets = {"llama"};
  std::int64_t batch_size = 4;
  std::int64_t block_size = 256;
  DType dtype = DType::f32;
  std::int64_t steps = 8;
  AttentionStorage attention_storage = AttentionStorage::qk;
  bool gradient_checkpointing = false;
  bool no_cuda_graphs = false;
  bool profile = false;    // of train
  std::string trace = {};  // of a profile: a file; empty: none
};

using Benchmark = nlohmann::ordered_json (*)(const BenchOptions&, const Session&);

using Benchmarks = Registered<Benchmark>;

// The model the options name, with its own vocabulary and values drawn from the seed.
std::unique_ptr<Llama> bench_model(const BenchOptions& options, std::uint64_t seed);

std::vector<std::int64_t> random_tokens(std::int64_t count, std::int64_t vocabulary,
                                        std::uint64_t seed);

}  // namespace lookback
