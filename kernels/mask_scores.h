// y[b, .., t, s] = x[b, .., t, s] where the mask shows key s to row t of sequence b, `hidden`
// elsewhere (-inf for a softmax): a select, so that nothing a hidden score holds gets through.
// x, y: [(b, ..,) t, s] contiguous, one floating dtype; with two dimensions there is one sequence.
#pragma once

#include <limits>

#include "kernels/causal_mask.h"
#include "kernels/core/dependency.h"
#include "kernels/core/slot.h"

namespace lookback::kernels {

struct MaskScoresForwardArgs {
  In x;
  Out y;
  CausalMaskView mask;
  double hidden = -std::numeric_limits<double>::infinity();
  static constexpr auto dependency =
      select_visible(&MaskScoresForwardArgs::y, &MaskScoresForwardArgs::x,
                     &MaskScoresForwardArgs::mask, &MaskScoresForwardArgs::hidden);
};

// dx = dy where visible, 0 elsewhere. Operands as above.
struct MaskScoresBackwardArgs {
  In dy;
  Out dx;
  CausalMaskView mask;
};

// Filled by kernels/cpu/mask_scores.cpp and kernels/cuda/mask_scores.cu.
inline Slot<MaskScoresForwardArgs> mask_scores_forward{"mask_scores_forward"};
inline BackwardSlot<MaskScoresBackwardArgs> mask_scores_backward{"mask_scores_backward"};

}  // namespace lookback::kernels
