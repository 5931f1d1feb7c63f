// Bytes of text per second that tokenizers encode, on OMP_NUM_THREADS threads: every X.json and
// X.model of the folder LOOKBACK_TOKENIZERS with its text.txt, as tests/bench/tokenizer_speed.py
// makes them.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "apps/data/tokenizer_file.h"
#include "runtime/read_file.h"

namespace lookback {
namespace {

// Words are new to the tokenizer, as in the first text of a run.
void encode(benchmark::State& state, const std::string& path, const std::string& text) {
  for (auto _ : state) {
    state.PauseTiming();
    const auto tokenizer = read_tokenizer(path);
    state.ResumeTiming();
    benchmark::DoNotOptimize(tokenizer->encode(text));
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(text.size()));
}

const bool registered = [] {
  const char* folder = std::getenv("LOOKBACK_TOKENIZERS");
  if (folder == nullptr) return false;
  const auto text = read_file(std::filesystem::path(folder) / "text.txt", "bench");
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const auto path = entry.path().string();
    if (!is_tokenizer_file(path)) continue;
    benchmark::RegisterBenchmark(
        ("Tokenizer/" + entry.path().filename().string()).c_str(),
        [path, text](benchmark::State& state) { encode(state, path, text); })
        ->Unit(benchmark::kMillisecond)
        ->UseRealTime();
  }
  return true;
}();

}  // namespace
}  // namespace lookback
