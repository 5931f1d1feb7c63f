#include "apps/train/checkpoint.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "apps/model/model_folder.h"
#include "kernels/cpu/isa.h"
#include "runtime/replacing_file.h"
#include "runtime/safetensors.h"

namespace lookback {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view prefix = "checkpoint-";

std::optional<std::int64_t> step_of(const fs::path& folder) {
  const auto name = folder.filename().string();
  if (!name.starts_with(prefix)) return std::nullopt;
  std::int64_t step = 0;
  const auto* end = name.data() + name.size();
  const auto [stop, problem] = std::from_chars(name.data() + prefix.size(), end, step);
  return problem == std::errc{} && stop == end ? std::optional(step) : std::nullopt;
}

void remove_oldest(const fs::path& run, std::int64_t limit) {
  std::vector<std::pair<std::int64_t, fs::path>> checkpoints;
  for (const auto& entry : fs::directory_iterator(run)) {
    if (const auto step = step_of(entry.path())) checkpoints.emplace_back(*step, entry.path());
  }
  std::ranges::sort(checkpoints);
  const auto extra = static_cast<std::int64_t>(checkpoints.size()) - limit;
  for (std::int64_t i = 0; i < extra; ++i)
    fs::remove_all(checkpoints[static_cast<std::size_t>(i)].second);
}

void write_optimizer(const fs::path& path, const AdamW& optimizer) {
  NamedTensors tensors;
  for (const auto& [name, first_moment, second_moment] : optimizer.states()) {
    tensors.emplace_back("first_moment." + name, first_moment);
    tensors.emplace_back("second_moment." + name, second_moment);
  }
  write_safetensors(path, tensors, {{"step", std::to_string(optimizer.steps_taken())}});
}

void write_state(const fs::path& path, const TrainerState& state) {
  const nlohmann::ordered_json object{{"step", state.step},
                                      {"tokens", state.tokens},
                                      {"seconds", state.seconds},
                                      {"seed", state.seed},
                                      {"instruction_set", kernels::isa_description()}};
  ReplacingFile file(path);
  file.write(object.dump(2) + "\n");
  file.commit();
}

}  // namespace

void save_checkpoint(const fs::path& run, const Llama& llama, const AdamW& optimizer,
                     const TrainerState& state, std::int64_t limit) {
  const auto name = std::string(prefix) + std::to_string(state.step);
  const auto partial = run / ("." + name + ".partial");
  try {
    fs::remove_all(partial);
    fs::create_directory(partial);
    save_model(llama, partial);
    write_optimizer(partial / "optimizer.safetensors", optimizer);
    write_state(partial / "trainer_state.json", state);
    fs::rename(partial, run / name);
    remove_oldest(run, limit);
  } catch (const std::exception& error) {
    std::error_code ignored;
    fs::remove_all(partial, ignored);
    const auto* system = dynamic_cast<const fs::filesystem_error*>(&error);
    if (system == nullptr) throw;
    fail("checkpoint", "{}: cannot be written: {}", (run / name).string(),
         system->code().message());
  }
}

}  // namespace lookback
