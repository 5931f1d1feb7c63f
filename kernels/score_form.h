// What becomes of the scores of attention before the mask:
//
//   score = soft_cap tanh(score / soft_cap)                     where soft_cap > 0
//   score[h, t, s] -= slopes[h] (position of t - position of s)  where there are slopes
//
// The cap is that of Gemma 2 (Gemma Team 2024), the slopes are ALiBi's (Press et al. 2022). No
// gradient goes to the slopes. With S the capped score, before the slopes,
// d S / d score = 1 - (S / soft_cap)^2.
#pragma once

#include "kernels/core/operand.h"

namespace lookback::kernels {

struct ScoreForm {
  double soft_cap = 0;  // 0: none
  In slopes = {};       // [H] in the accumulator's dtype, contiguous; absent: none

  bool plain() const { return soft_cap == 0 && !slopes.present(); }

  // For the walk over a struct's operands (operand.h).
  template <class Visitor>
  void visit_operands(const Visitor& visit) const {
    if (slopes.present()) visit(slopes);
  }
};

}  // namespace lookback::kernels
