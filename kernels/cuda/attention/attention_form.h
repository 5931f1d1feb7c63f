// What becomes of scores (kernels/score_form.h) on a GPU.
#pragma once

#include "kernels/cuda/attention/attention_operands.h"
#include "kernels/cuda/attention/attention_tiles.h"
#include "kernels/score_form.h"

namespace lookback::kernels {

// Of the scores of one head.
template <class Sum>
struct HeadForm {
  Sum soft_cap, inverse_cap, slope;  // soft_cap and slope: 0 for none

  struct Formed {
    Sum score, derivative;  // by what it was before
  };
  // `distance`: the position of the query less that of the key.
  LOOKBACK_DEVICE Formed operator()(Sum score, Sum distance) const {
    Formed formed{score, Sum{1}};
    if (soft_cap > 0) {
      const Sum capped = device::tanh(score * inverse_cap);
      formed = {soft_cap * capped, device::fma(-capped, capped, Sum{1})};
    }
    formed.score = device::fma(-slope, distance, formed.score);
    return formed;
  }
};

template <class Sum>
struct FormOperands {
  Sum soft_cap = 0;             // 0: none
  const Sum* slopes = nullptr;  // [H], or absent

  LOOKBACK_HOST_DEVICE bool plain() const { return soft_cap == 0 && slopes == nullptr; }
  LOOKBACK_DEVICE HeadForm<Sum> with_slope(Sum slope) const {
    return {soft_cap, soft_cap > 0 ? 1 / soft_cap : Sum{0}, slope};
  }
  LOOKBACK_DEVICE Sum slope_of(std::int64_t head) const {
    return slopes == nullptr ? Sum{0} : slopes[head];
  }
  LOOKBACK_DEVICE HeadForm<Sum> of_head(std::int64_t head) const {
    return with_slope(slope_of(head));
  }
  LOOKBACK_DEVICE Sum derivative(Sum score) const {
    return with_slope(Sum{0})(score, Sum{0}).derivative;
  }
};

// Positions as kernels count them that go by tiles: ints, which attention.cu makes sure of. A key
// beyond the last has any.
LOOKBACK_DEVICE int position_of_row(const AttentionShape& shape, std::int64_t row) {
  return static_cast<int>(shape.visible.offset + row);
}
LOOKBACK_DEVICE int position_of_key(const AttentionShape& shape, std::int64_t key) {
  return static_cast<int>(key < shape.keys ? shape.visible.position_of_key(key) : key);
}

template <class Sum>
FormOperands<Sum> form_operands(const ScoreForm& form) {
  return {.soft_cap = static_cast<Sum>(form.soft_cap), .slopes = form.slopes.as<Sum>()};
}

// Which of the kernels there are for them.
inline Rules rules_of(const FormOperands<float>& form, const VisibleKeys& visible) {
  return form.plain() && visible.plain() ? Rules::plain : Rules::any;
}

}  // namespace lookback::kernels
