// The proof that no output looks ahead (docs/diagnosis.md): the model's own code, run on the
// taint device, where an element is the set of positions that could have influenced it. Whatever
// the weights and the tokens are, no logit depends on more than these sets say.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "nn/llama/llama.h"
#include "nn/proof/leak.h"

namespace lookback {

// One way to run a model: the proof holds for the ways it was made for.
struct RunPath {
  std::string name;
  enum class Mode { training, evaluation, decoding } mode = Mode::training;
  AttentionPath attention = AttentionPath::streaming;
};
// Training, evaluation and cached decoding, with attention streaming and explicit.
std::vector<RunPath> run_paths();

struct CausalProof {
  std::vector<std::int64_t> lengths;  // the sequence lengths it was made for
  std::vector<std::string> paths;
  // The first in the order of paths and lengths; none: no logit at t holds a position after t.
  std::optional<Leak> leak;
  std::string leaking_path;
  std::int64_t leaking_length = 0;
  // Whether the leak enters in a norm: its statistics mix positions.
  bool through_a_norm = false;
  // What the device could not follow: an operation that declares no dependency. Empty: nothing.
  std::string not_followed;

  bool proved() const { return !leak && not_followed.empty(); }
};

// Needs neither weights nor data. Throws Error for a length that the model cannot take.
CausalProof prove_causal(const LlamaConfig& config, const std::vector<std::int64_t>& lengths,
                         const std::vector<RunPath>& paths = run_paths());

// Lengths to prove a model at: around `block_size`, and around the edges of tiles and words below.
std::vector<std::int64_t> proof_lengths(std::int64_t block_size);

}  // namespace lookback
