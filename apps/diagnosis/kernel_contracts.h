// Every kernel of a model's forward pass against what its operation declares
// (kernels/core/dependency.h), on the numbers, shapes, strides and dtypes of that pass. One
// position of an input is changed at a time, beside every tile edge, then one sequence, one head;
// whatever changes in the kernel's output must be declared to depend on it. A proof is about the
// declarations; this is what ties it to the kernels.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "nn/proof/causal_proof.h"

namespace lookback {

struct BrokenContract {
  enum class Kind {
    looks_ahead,    // a position changes with a later one
    mixes_rows,     // a sequence changes with another
    undeclared,     // something else changes that is not declared to
    not_repeatable  // the same call gives other bits
  } kind = Kind::undeclared;
  std::string operation, module;
  std::int64_t target = 0, source = 0;  // positions of a sequence
  std::string changed;                  // what was changed, where it is no position: "head 3"
  std::string where;                    // "130 tokens, evaluation"

  // "attention_forward in model.layers.0.self_attn: position 63 changes with position 64 (..)"
  std::string describe() const;
};

struct KernelContracts {
  std::int64_t calls = 0, changes = 0;  // kernels' calls that were looked at, slices changed
  std::vector<std::int64_t> lengths;
  std::optional<BrokenContract> broken;  // the first
};

// ids [B, T] for each length that is to be run, on the CPU; the model's own hooks stay in place.
KernelContracts hold_kernels_to_contracts(const Llama& llama, const std::vector<RunPath>& paths,
                                          const std::vector<Tensor>& ids);

// The same for the calls that `calls` makes, of operands that hold B sequences of T positions.
KernelContracts hold_calls_to_contracts(const std::function<void()>& calls, std::int64_t rows,
                                        std::int64_t tokens);

// Lengths at which all tiles of the kernels in use have an edge with a row on either side, up to
// `most` tokens: the least that do.
std::vector<std::int64_t> lengths_beside_edges(std::int64_t most);

}  // namespace lookback
