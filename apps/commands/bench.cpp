// lookback bench
#include <nlohmann/json.hpp>

#include "apps/bench/benchmark.h"
#include "apps/model/attention_storage.h"
#include "apps/model/dtype_choice.h"

namespace lookback {
namespace {

using Json = nlohmann::ordered_json;

std::string written(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  return value.is_number_float() ? fmt::format("{:.4g}", value.get<double>()) : value.dump();
}

// One entry of a list: its first two fields as the row's name, then the figures.
void write_row(const Json& entry, std::string& text) {
  std::string row;
  for (const auto& [key, each] : entry.items()) {
    row += each.is_string() ? fmt::format("{:<30} ", written(each))
                            : fmt::format(" {} {:<10}", key, written(each));
  }
  text += (text.empty() ? "" : "\n") + row;
}

// One line per figure, one per entry of a list.
void write_lines(const Json& value, const std::string& name, std::string& text) {
  if (value.is_object() && (name.empty() || name == "gflops")) {
    for (const auto& [key, each] : value.items()) write_lines(each, key, text);
    return;
  }
  if (value.is_array()) {
    for (const auto& each : value) write_row(each, text);
    return;
  }
  text += (text.empty() ? "" : "\n") + fmt::format("{:<28} {}", name, written(value));
}

class Bench final : public Command {
 public:
  void declare(Flags& flags) override {
    flags.add_positional(
        {.placeholder = "WHAT",
         .help = "machine, gemm, ops, attention, train, decode, memory or collectives",
         .choices = Benchmarks::names(),
         .target = &what_});
    flags.add("config", options_.config, "FILE|DIR|NAME",
              "the model: a config.json, or smoke, tiny, 124m");
    flags.add("preset", options_.presets, "NAME", "a variant laid over the config");
    flags.add("batch-size", options_.batch_size, at_least_one, "sequences");
    flags.add("block-size", options_.block_size, at_least_one, "tokens of a sequence");
    flags.add_choice("dtype", options_.dtype, floating_dtypes, "number format");
    add_attention_storage_flag(flags, options_.attention_storage);
    flags.add_toggle("gradient-checkpointing", options_.gradient_checkpointing,
                     "keeps each layer's inputs alone and runs it again in backward");
    flags.add_toggle("no-cuda-graphs", options_.no_cuda_graphs,
                     "queues each kernel of a GPU's step by itself");
    flags.add("steps", options_.steps, at_least_one,
              "steps (tokens, for decode) that are measured");
    flags.add_toggle("profile", options_.profile,
                     "of train: times every operation of --steps more steps, by module");
    flags.add("trace", options_.trace, "FILE.json",
              "of a profile: every call on a line of time, for ui.perfetto.dev");
  }

  bool takes_several_ranks() const override { return true; }

  ExitCode run(const Session& session) override {
    if (const int ranks = session.ranks->size(); (ranks > 1) != (what_ == "collectives")) {
      usage_error("bench {}: {}", what_,
                  ranks > 1
                      ? "is one process's: start it without mpirun"
                      : "measures what ranks exchange: mpirun -n 2 lookback bench collectives");
    }
    if (options_.profile && what_ != "train") usage_error("--profile goes with bench train alone");
    if (!options_.trace.empty() && !options_.profile)
      usage_error("--trace goes with --profile: it holds the calls that a profile times");
    const auto object = Benchmarks::all().at(what_)(options_, session);
    std::string text;
    write_lines(object, "", text);
    session.console.result(text, object);
    session.note_device();
    return ExitCode::good;
  }

 private:
  std::string what_;
  BenchOptions options_;
};

const AddCommand<Bench> registered{"bench", "measures this machine and how fast Lookback is on it"};

}  // namespace
}  // namespace lookback
