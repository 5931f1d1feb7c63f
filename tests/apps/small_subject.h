// Models small enough to be diagnosed in a moment: 2 layers, D 32, T 32, and room for the edges of
// two kinds of tiles.
#pragma once

#include <filesystem>
#include <string>

#include "apps/diagnosis/subject_choice.h"
#include "tests/apps/program_run.h"
#include "tests/paths.h"

namespace lookback::tests {

// Letters by a formula: text `kind` has nothing in common with text `kind + 1`.
inline std::string letters(int kind, int count) {
  std::string text;
  auto state = static_cast<std::uint64_t>(kind);
  for (int i = 0; i < count; ++i) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    text += static_cast<char>('a' + (state >> 33) % 26);
  }
  return text;
}

// A folder with a config; subjects that are made of it.
class SmallSubjects {
 public:
  SmallSubjects() {
    write_text(config(), R"({"model_type": "llama", "hidden_size": 32, "intermediate_size": 64,
        "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
        "vocab_size": 512, "max_position_embeddings": 72, "tie_word_embeddings": true})");
  }

  std::string config() const { return folder_.path() / "config.json"; }
  const std::filesystem::path& path() const { return folder_.path(); }

  SubjectChoice choice(const std::string& preset, const std::string& fault = "",
                       std::uint64_t seed = 0) const {
    SubjectChoice result;
    result.config = config();
    result.presets = {preset};
    result.fault = fault;
    result.data = "builtin:stories";
    result.block_size = 32;
    result.seed = seed;
    return result;
  }
  Subject subject(const std::string& preset, const std::string& fault = "",
                  std::uint64_t seed = 0) const {
    return choose_subject(choice(preset, fault, seed));
  }

  // A preset in which this fault can be.
  static std::string preset_for(const std::string& fault) {
    if (fault == "unmasked_recompute" || fault == "double_softmax") return "method1";
    return fault == "unregistered_parameter" ? "method3.2" : "llama";
  }

 private:
  TemporaryDirectory folder_;
};

}  // namespace lookback::tests
