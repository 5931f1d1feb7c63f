// What the operations on attention pieces share: their checks, and how they are saved and recorded.
#pragma once

#include <span>
#include <string_view>

#include "autograd/ops/attention.h"
#include "autograd/record.h"
#include "kernels/core/operand.h"
#include "kernels/score_form.h"

namespace lookback::detail {

// Tensors whose last dimension is dense: themselves, or copies.
Tensor dense_rows(const Tensor& x);

// Throws unless the pieces and the mask follow the contract; gives them back with dense rows.
AttentionPieces checked_pieces(std::string_view operation, const AttentionPieces& pieces,
                               const CausalMask& mask);
// Throws unless v [B, S, G, V] fits to keys k [B, S, G, K].
void check_values(std::string_view operation, const Tensor& k, const Tensor& v);

// The inputs of a node on these pieces: q.., k.., scales, then `others`.
std::vector<Tensor> inputs_of(const AttentionPieces& pieces, std::initializer_list<Tensor> others);

struct SavedPieces {
  std::vector<SavedTensor> q, k;
  SavedTensor scales, slopes;
  double soft_cap;

  explicit SavedPieces(const AttentionPieces& pieces);
  AttentionPieces get() const;
};

// Gradients of the pieces, in the order of inputs_of(): zeros to add to where needed, else
// undefined.
struct PieceGradients {
  std::vector<Tensor> q, k;
  Tensor scales;

  PieceGradients(const AttentionPieces& pieces, Needed needed);
  bool any() const;
  std::vector<Tensor> in_order() const;
};

// The form of their scores, as kernels take it.
kernels::ScoreForm form_of(const AttentionPieces& pieces);
kernels::InList views_of(const std::vector<Tensor>& tensors);
kernels::InOutList targets_of(const std::vector<Tensor>& tensors);

}  // namespace lookback::detail
