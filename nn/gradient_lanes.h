// The gradients of a step in lanes. A step of M micro-batches in R lanes, R dividing M: lane j is
// the sum, in order, of the complete gradients of micro-batches j M/R to (j+1) M/R - 1, and lanes
// are joined by the binary counter (runtime/binary_counter.h), in the gradients' own dtype. One
// lane is the plain sum of all. Several processes that hold equal shares of the lanes come to the
// same bits as one that holds all of them.
//
// L lanes take the memory of floor(log2 L) + 1 sets of gradients.
#pragma once

#include <vector>

#include "nn/module.h"
#include "runtime/binary_counter.h"

namespace lookback {

class GradientLanes {
 public:
  explicit GradientLanes(std::vector<NamedParameter> parameters);

  // The gradients that the parameters hold are a lane's: they hold none afterwards.
  void end_lane();
  // The gradient that this parameter holds is the last lane's, and becomes the sum of all. One
  // without a gradient in some lanes has the sum of the others; without one in any, none.
  void close(std::size_t parameter);
  // The same for all that have not been closed.
  void close();

 private:
  std::vector<NamedParameter> parameters_;
  std::vector<BinaryCounter<Tensor>> sums_;  // of each parameter
  std::vector<bool> closed_;
};

}  // namespace lookback
