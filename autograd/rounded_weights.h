#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "runtime/scoped_value.h"
#include "runtime/tensor.h"

namespace lookback {

// Weights in bfloat16, as Products::bfloat16 reads them: while one is in use, a weight is rounded
// once and its copy kept, in training until the optimizer writes both, in generation for good.
// Takes 2 bytes for each number of a weight. A weight that an operation has written since is
// rounded again; what is written through data() in the meantime is not seen. Saves nothing for
// backward.
class RoundedWeights {
 public:
  // Copies of every weight that comes.
  RoundedWeights() = default;
  // Of those alone that lie in the memory of these parameters, as rows of several joined do: others
  // are made anew in each step.
  explicit RoundedWeights(std::span<const Tensor> parameters);
  RoundedWeights(const RoundedWeights&) = delete;
  RoundedWeights& operator=(const RoundedWeights&) = delete;

  // Makes it the one that products on this thread ask, for its own lifetime.
  class Use {
   public:
    explicit Use(RoundedWeights& weights) : previous_(current(), &weights) {}

   private:
    ScopedValue<RoundedWeights*> previous_;
  };

  // The weight in bfloat16: the copy that the one in use keeps, or a new one.
  static Tensor copy_of(const Tensor& weight);

  // For an optimizer that is about to write these parameters: for each the part of a copy, of the
  // same shape, that is up to date and that it will write too; undefined where there is none.
  // end_update() when the parameters have their new versions.
  static std::vector<Tensor> begin_update(std::span<const Tensor> parameters);
  static void end_update();

  // Rounds again, in place, what is not up to date.
  void refresh();
  // As refresh() where the weights and their copies have been written by a captured update.
  void take_as_written();

 private:
  struct Copy {
    Tensor weight;  // without its gradient history; keeps its memory from another's use
    std::uint64_t version;
    Tensor rounded;
    bool is_written = false;  // by the update at hand
    bool is_of(const Tensor& other) const;
  };

  static RoundedWeights*& current();
  bool keeps(const Tensor& weight) const;
  Tensor part_of_a_copy(const Tensor& parameter);

  bool keeps_all_ = true;
  std::unordered_set<const Storage*> memory_;     // of the parameters
  std::unordered_map<const void*, Copy> copies_;  // by the first element
};

}  // namespace lookback
