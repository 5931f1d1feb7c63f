#include "apps/train/run_settings.h"

#include <algorithm>
#include <array>

#include "runtime/check.h"

namespace lookback {
namespace {

// How long, how often and on what, and what becomes of steps that went wrong: nothing that decides
// what a step computes. (`attention-storage`
// and `gradient-checkpointing` trade memory for time; `attention-storage` and `tf32`, as another
// device, change last bits.)
constexpr std::array<std::string_view, 16> free_to_change = {"max-steps",
                                                             "epochs",
                                                             "eval-steps",
                                                             "eval-batches",
                                                             "save-steps",
                                                             "save-total-limit",
                                                             "logging-steps",
                                                             "inspect-every",
                                                             "load-best-model-at-end",
                                                             "on-spike",
                                                             "gradient-checkpointing",
                                                             "attention-storage",
                                                             "threads",
                                                             "no-cuda-graphs",
                                                             "tf32",
                                                             "config"};

constexpr std::array<std::string_view, 8> places = {"config",     "data",   "validation-data",
                                                    "tokenizer",  "device", "init-from",
                                                    "output-dir", "threads"};

std::string key_of(std::string_view flag) {
  std::string key(flag);
  std::replace(key.begin(), key.end(), '-', '_');
  return key;
}

}  // namespace

std::string current_key(std::string_view key) {
  return key == "record" ? "attention_storage" : std::string(key);
}

RunSettings with_current_keys(const RunSettings& settings) {
  RunSettings current;
  for (const auto& [key, value] : settings) current.emplace(current_key(key), value);
  return current;
}

RunSettings settings_of(const Flags& flags) {
  RunSettings settings;
  for (const auto& [name, value] : flags.saved_values()) {
    if (std::ranges::find(places, name) == places.end()) settings.emplace(key_of(name), value);
  }
  return settings;
}

std::string flag_of(std::string_view key) {
  std::string flag(key);
  std::replace(flag.begin(), flag.end(), '_', '-');
  return flag;
}

bool may_change(std::string_view name) {
  return std::ranges::find(free_to_change, flag_of(name)) != free_to_change.end();
}

void check_settings(const OptionsFile& options, const RunSettings& recorded,
                    const std::string& checkpoint) {
  const Check check{"run"};
  for (const auto& [key, value] : recorded) {
    check(options.keys.contains(key),
          "{}: has no {}, and {} was written with {} = {}: it was cut short or edited; put the "
          "line back",
          options.path, key, checkpoint, key, value);
  }
  // A setting that a later version of the program added has neither a line nor a record.
  auto wanted = recorded;
  for (const auto& key : options.keys) {
    if (options.settings.contains(key)) wanted.try_emplace(key, "none");
  }
  for (const auto& [key, then] : wanted) {
    const auto found = options.settings.find(key);
    const auto now = found == options.settings.end() ? "none" : found->second;
    check(may_change(key) || now == then,
          "{}: {} is {}, {} was trained with {}: put it back as it was", options.path, key, now,
          checkpoint, then);
  }
}

}  // namespace lookback
