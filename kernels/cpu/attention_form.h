// The form of the scores (kernels/score_form.h) on a tile of them.
#pragma once

#include <array>
#include <vector>

#include "kernels/cpu/attention_tiles.h"
#include "kernels/score_form.h"

namespace lookback::kernels {

// Where a tile lies: its rows are positions row, row + step, .. of one head, or one position of
// heads head, head + 1, .. (step 0); its columns are the keys from `first_key` on, or `keys`.
struct TilePlace {
  std::int64_t head, row, step, first_key;
  const std::int64_t* keys = nullptr;
};

// `cap_derivative` (rows as far apart as the tile's, or null) becomes that of the soft cap, where
// there is one.
template <class Sum>
void apply_form(const ScoreForm& form, const CausalMaskView& mask, const TilePlace& at,
                const ScoreTile<Sum>& tile, Sum* cap_derivative = nullptr) {
  if (form.soft_cap > 0) cap_scores(tile, static_cast<Sum>(form.soft_cap), cap_derivative);
  if (!form.slopes.present()) return;
  // Counted from the first key: small numbers are exact in f32.
  std::array<Sum, query_rows> slope, row_position;
  for (std::int64_t i = 0; i < tile.rows; ++i) {
    const auto place = static_cast<std::size_t>(i);
    slope[place] = form.slopes.as<Sum>()[at.head + (at.step == 0 ? i : 0)];
    row_position[place] = static_cast<Sum>(mask.offset + at.row + i * at.step - at.first_key);
  }
  const auto rule = mask.rule();
  thread_local std::vector<Sum> column_position;
  column_position.resize(static_cast<std::size_t>(tile.columns));
  for (std::int64_t s = 0; s < tile.columns; ++s) {
    column_position[static_cast<std::size_t>(s)] = static_cast<Sum>(
        rule.position_of_key(at.keys == nullptr ? at.first_key + s : at.keys[s]) - at.first_key);
  }
  bias_by_distance(tile, slope.data(), row_position.data(), column_position.data());
}

}  // namespace lookback::kernels
