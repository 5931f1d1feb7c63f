// What attention does to a tile of scores between its matrix products, row by row, vectorized
// (attention_rows.cpp). A tile is `rows` x `columns` numbers; each row sees the columns of its
// `visible` range, and what lies outside of it is neither read nor left behind: it becomes 0. Of
// its range a row sees what `shown` says; the rest is hidden by hide_scores() and hide_gradient().
#pragma once

#include <cstdint>

#include "kernels/causal_mask.h"

namespace lookback::kernels {

template <class T>
struct ScoreTile {
  T* data = nullptr;
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  std::int64_t stride = 0;
  const KeyRange* visible = nullptr;    // per row, in columns of the tile
  const std::uint8_t* shown = nullptr;  // not 0 where a row sees a column; null: all of its range
  std::int64_t shown_stride = 0;

  bool shows(std::int64_t row, std::int64_t column) const {
    return visible[row].contains(column) &&
           (shown == nullptr || shown[row * shown_stride + column] != 0);
  }
};

// One step of the streaming softmax: scores become exp(score - maximum), `maximum` and `sum` take
// the tile in, and `rescale` is what the sums made so far must be multiplied by. They begin as -inf
// and 0.
void online_softmax(const ScoreTile<float>& tile, float* maximum, float* sum, float* rescale);
void online_softmax(const ScoreTile<double>& tile, double* maximum, double* sum, double* rescale);

// Scores become exp(score - log_sum_exp[row]).
void weights_from_log_sum_exp(const ScoreTile<float>& tile, const float* log_sum_exp);
void weights_from_log_sum_exp(const ScoreTile<double>& tile, const double* log_sum_exp);

// What rows do not see of their ranges becomes -inf.
void hide_scores(const ScoreTile<float>& tile);
void hide_scores(const ScoreTile<double>& tile);
// The same becomes 0, whatever it was.
void hide_gradient(const ScoreTile<float>& tile);
void hide_gradient(const ScoreTile<double>& tile);

// Scores become softmax(scores): a row that sees nothing becomes 0.
void softmax_rows(const ScoreTile<float>& tile);
void softmax_rows(const ScoreTile<double>& tile);

// `gradient` (same rows and columns) holds dP and becomes dS = P (dP - row_dot[row]).
void score_gradient(const ScoreTile<float>& weights, float* gradient, std::int64_t gradient_stride,
                    const float* row_dot);
void score_gradient(const ScoreTile<double>& weights, double* gradient,
                    std::int64_t gradient_stride, const double* row_dot);

// Scores become cap tanh(score / cap). `derivative` (rows as far apart as the tile's, or null)
// becomes that of the cap, 1 - tanh(score / cap)^2.
void cap_scores(const ScoreTile<float>& tile, float cap, float* derivative);
void cap_scores(const ScoreTile<double>& tile, double cap, double* derivative);

// Scores lose slope[row] (row_position[row] - column_position[column]).
void bias_by_distance(const ScoreTile<float>& tile, const float* slope, const float* row_position,
                      const float* column_position);
void bias_by_distance(const ScoreTile<double>& tile, const double* slope,
                      const double* row_position, const double* column_position);

// x *= factor, over the visible part of each row.
void multiply_rows(const ScoreTile<float>& x, const float* factor);
void multiply_rows(const ScoreTile<double>& x, const double* factor);

// The dot product of two rows of `count` numbers.
float dot(const float* a, const float* b, std::int64_t count);
double dot(const double* a, const double* b, std::int64_t count);

// Whether all numbers of `rows` x `columns` are finite.
bool all_finite(const float* x, std::int64_t stride, std::int64_t rows, std::int64_t columns);
bool all_finite(const double* x, std::int64_t stride, std::int64_t rows, std::int64_t columns);

// x *= factor.
void scale_row(float* x, float factor, std::int64_t count);
void scale_row(double* x, double factor, std::int64_t count);

}  // namespace lookback::kernels
