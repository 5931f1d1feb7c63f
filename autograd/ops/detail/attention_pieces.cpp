#include "autograd/ops/detail/attention_pieces.h"

#include <algorithm>
#include <cmath>

#include "autograd/gradient.h"
#include "autograd/ops/contiguous.h"
#include "autograd/ops/detail/check_mask.h"
#include "kernels/attention.h"

namespace lookback::detail {
namespace {

void check_piece(const Check& check, std::size_t p, const Tensor& q, const Tensor& k,
                 const Tensor& first_q, const Tensor& first_k) {
  check(q.rank() == 4 && k.rank() == 4, "piece {}: q {} and k {} must have four dimensions", p,
        q.shape(), k.shape());
  const auto heads = q.size(2);
  const auto key_heads = k.size(2);
  check(q.size(0) == k.size(0) && q.size(3) == k.size(3),
        "piece {}: q {} and k {} must agree in sequences and head size", p, q.shape(), k.shape());
  check(key_heads > 0 && heads % key_heads == 0,
        "piece {}: q {} has {} heads, no multiple of the {} of k {}", p, q.shape(), heads,
        key_heads, k.shape());
  const auto same_but_width = [](const Tensor& a, const Tensor& b) {
    return std::equal(a.shape().begin(), a.shape().end() - 1, b.shape().begin());
  };
  check(same_but_width(q, first_q) && same_but_width(k, first_k),
        "piece {}: q {} and k {} must have the shapes of piece 0, q {} and k {}, but for the head "
        "size",
        p, q.shape(), k.shape(), first_q.shape(), first_k.shape());
  check(is_floating(q.dtype()) && q.dtype() == first_q.dtype() && k.dtype() == q.dtype(),
        "piece {}: q is {}, k is {}: all pieces must have one floating dtype", p, q.dtype(),
        k.dtype());
}

void check_form(const Check& check, const AttentionPieces& pieces, DType accumulator) {
  check(pieces.soft_cap >= 0 && std::isfinite(pieces.soft_cap),
        "soft_cap {} must be above 0, or 0 for none", pieces.soft_cap);
  const auto& slopes = pieces.slopes;
  if (!slopes.defined()) return;
  const Shape one_each{pieces.q[0].size(2)};
  check(slopes.shape() == one_each && slopes.dtype() == accumulator,
        "slopes {} of {} must be {} of {}: one number for each query head", slopes.shape(),
        slopes.dtype(), one_each, accumulator);
  check(!requires_grad(slopes), "slopes require a gradient: they have none, give them detached");
}

}  // namespace

Tensor dense_rows(const Tensor& x) {
  return x.strides()[-1] == 1 || x.size(-1) <= 1 ? x : contiguous(x);
}

AttentionPieces checked_pieces(std::string_view operation, const AttentionPieces& pieces,
                               const CausalMask& mask) {
  const Check check{operation};
  check(!pieces.q.empty() && pieces.q.size() == pieces.k.size(),
        "{} query pieces and {} key pieces: there must be one key piece to each, and one at least",
        pieces.q.size(), pieces.k.size());
  AttentionPieces result;
  for (std::size_t p = 0; p < pieces.q.size(); ++p) {
    check_piece(check, p, pieces.q[p], pieces.k[p], pieces.q[0], pieces.k[0]);
    result.q.push_back(dense_rows(pieces.q[p]));
    result.k.push_back(dense_rows(pieces.k[p]));
  }
  const auto& scales = pieces.scales;
  const Shape one_each{static_cast<std::int64_t>(pieces.q.size())};
  const auto accumulator = accumulator_of(pieces.q[0].dtype());
  check(scales.shape() == one_each && scales.dtype() == accumulator,
        "scales {} of {} must be {} of {}: one number for each piece", scales.shape(),
        scales.dtype(), one_each, accumulator);
  result.scales = contiguous(scales);
  check_form(check, pieces, accumulator);
  result.soft_cap = pieces.soft_cap;
  if (pieces.slopes.defined()) result.slopes = contiguous(pieces.slopes);
  const auto& q = pieces.q[0];
  check_mask(
      check, mask,
      {.sequences = q.size(0), .heads = q.size(2), .rows = q.size(1), .keys = pieces.k[0].size(1)});
  return result;
}

void check_values(std::string_view operation, const Tensor& k, const Tensor& v) {
  const Check check{operation};
  check(v.rank() == 4 && std::equal(k.shape().begin(), k.shape().end() - 1, v.shape().begin()) &&
            v.dtype() == k.dtype(),
        "v {} of {} must have the shape and dtype of k {} of {}, but for the head size", v.shape(),
        v.dtype(), k.shape(), k.dtype());
}

std::vector<Tensor> inputs_of(const AttentionPieces& pieces, std::initializer_list<Tensor> others) {
  std::vector<Tensor> inputs = pieces.q;
  inputs.insert(inputs.end(), pieces.k.begin(), pieces.k.end());
  inputs.push_back(pieces.scales);
  inputs.insert(inputs.end(), others);
  return inputs;
}

SavedPieces::SavedPieces(const AttentionPieces& pieces)
    : q(pieces.q.begin(), pieces.q.end()),
      k(pieces.k.begin(), pieces.k.end()),
      scales(pieces.scales),
      slopes(pieces.slopes),
      soft_cap(pieces.soft_cap) {}

AttentionPieces SavedPieces::get() const {
  AttentionPieces pieces{
      .q = {}, .k = {}, .scales = scales.get(), .soft_cap = soft_cap, .slopes = slopes.get()};
  for (const auto& piece : q) pieces.q.push_back(piece.get());
  for (const auto& piece : k) pieces.k.push_back(piece.get());
  return pieces;
}

PieceGradients::PieceGradients(const AttentionPieces& pieces, Needed needed) {
  const auto count = pieces.q.size();
  const auto wanted = [&](const Tensor& x, std::size_t input) {
    return needed[input] ? zeros(x.shape(), x.dtype(), x.device()) : Tensor{};
  };
  for (std::size_t p = 0; p < count; ++p) {
    q.push_back(wanted(pieces.q[p], p));
    k.push_back(wanted(pieces.k[p], count + p));
  }
  scales = wanted(pieces.scales, 2 * count);
}

bool PieceGradients::any() const {
  const auto defined = [](const Tensor& x) { return x.defined(); };
  return scales.defined() || std::any_of(q.begin(), q.end(), defined) ||
         std::any_of(k.begin(), k.end(), defined);
}

std::vector<Tensor> PieceGradients::in_order() const {
  auto gradients = q;
  gradients.insert(gradients.end(), k.begin(), k.end());
  gradients.push_back(scales);
  return gradients;
}

kernels::ScoreForm form_of(const AttentionPieces& pieces) {
  kernels::ScoreForm form{.soft_cap = pieces.soft_cap};
  if (pieces.slopes.defined()) form.slopes = pieces.slopes;
  return form;
}
kernels::InList views_of(const std::vector<Tensor>& tensors) {
  return {tensors.begin(), tensors.end()};
}
kernels::InOutList targets_of(const std::vector<Tensor>& tensors) {
  return {tensors.begin(), tensors.end()};
}

}  // namespace lookback::detail
