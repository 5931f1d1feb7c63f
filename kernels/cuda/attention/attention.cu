// Which kernels attention takes on a GPU: the streaming ones (attention_streaming.h) where they can
// read the operands, and for few rows those of attention_decode.h; else the explicit ones.
#include "kernels/attention.h"

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "kernels/cuda/attention/attention_decode.h"
#include "kernels/cuda/attention/attention_explicit.h"
#include "kernels/cuda/attention/attention_streaming.h"
#include "kernels/cuda/device/stream.h"

namespace lookback::kernels {
namespace {

template <class T>
void forward_by_rows(const AttentionForwardArgs& a) {
  using Sum = Accumulator<T>;
  const auto shape = shape_of(a.q, a.k, a.mask);
  const PairScore<T> score{piece_table<T, explicit_pieces>(a.q, a.k, shape.group),
                           a.scales.as<Sum>(), form_operands<Sum>(a.form)};
  const bool given = a.given_log_sum_exp.present();
  if (!given) softmax_of_scores<T>(shape, score, a.log_sum_exp.as<Sum>(), {});
  const auto* log_sum_exp = given ? a.given_log_sum_exp.as<Sum>() : a.log_sum_exp.as<Sum>();
  sum_over_keys<T>(shape, PairWeight<T>{score, log_sum_exp}, rows_of_key_heads<const T>(a.v),
                   {.y = rows_of_heads<T>(a.y, shape.group)});
}

template <class T>
void backward_by_rows(const AttentionBackwardArgs& a) {
  using Sum = Accumulator<T>;
  const auto shape = shape_of(a.q, a.k, a.mask);
  const auto pieces = piece_table<T, explicit_pieces>(a.q, a.k, shape.group);
  const PairWeight<T> weight{{pieces, a.scales.as<Sum>(), form_operands<Sum>(a.form)},
                             a.log_sum_exp.as<Sum>()};
  const auto dy = rows_of_heads<const T>(a.dy, shape.group);
  if (a.dv.present()) {
    sum_over_queries<T>(shape, weight, dy, {.y = rows_of_key_heads<T>(a.dv)});
  }
  if (!wants_scores(a)) return;
  auto* dots = a.workspace.as<Sum>();
  row_dots<DotColumns::all>(shape, dy, rows_of_heads<const T>(a.y, shape.group), dots);
  explicit_piece_gradients<T>(
      a, shape, pieces, PairScoreGradient<T>{weight, dy, rows_of_key_heads<const T>(a.v), dots},
      dots + shape.all_rows());
}

// Whether tiles of x [B, ., H, D] can be copied: a head size that is a multiple of 8 up to 256,
// rows that begin at multiples of 16 bytes.
bool fits_tiles(const Operand& x) {
  const auto width = x.size(3);
  if (width % 8 != 0 || width == 0 || width > widest_tile) return false;
  const auto bytes = static_cast<std::int64_t>(size_of(x.dtype));
  bool aligned = reinterpret_cast<std::uintptr_t>(x.data) % 16 == 0;
  for (int dim = 0; dim < 3; ++dim) {
    aligned = aligned && (x.size(dim) <= 1 || x.stride(dim) * bytes % 16 == 0);
  }
  return aligned;
}
template <class List>
bool all_fit_tiles(const List& list) {
  return std::all_of(list.begin(), list.end(),
                     [](const Operand& x) { return !x.present() || fits_tiles(x); });
}

// Whether the tiles of all three kernels fit into shared memory.
template <class T, Rules rules>
bool fits_shared_memory(const InList& q, std::int64_t value_width) {
  std::vector<std::int64_t> widths;
  for (const auto& piece : q) widths.push_back(piece.size(3));
  return visit_tiles<T>([&]<class Tiles>() {
           return max_shared_bytes<Tiles, rules>(widths, value_width);
         }) <= device::shared_bytes_of_block();
}

// Whether the streaming kernels, and those for few rows, can read the operands.
template <class T>
bool fits_packs(const InList& q, const InList& k, const In& v, const CausalMaskView& mask) {
  constexpr std::int64_t max_keys = std::int64_t{1} << 30;  // places and positions are ints
  if constexpr (std::is_same_v<T, double>) return false;
  return q.size() <= streamed_pieces && k[0].size(1) <= max_keys &&
         std::abs(mask.offset) + q[0].size(1) <= max_keys && all_fit_tiles(q) && all_fit_tiles(k) &&
         fits_tiles(v);
}

// Whether the streaming kernels can hold them as well.
template <class T, Rules rules>
bool fits_tiles_of(const InList& q, const In& v) {
  return std::all_of(q.begin(), q.end(),
                     [](const In& x) { return accumulated_columns<T, rules>(x.size(3)) != 0; }) &&
         accumulated_columns<T, rules>(v.size(3)) != 0 &&
         fits_shared_memory<T, rules>(q, v.size(3));
}
template <class T>
bool streams(const InList& q, const InList& k, const In& v, const ScoreForm& form,
             const CausalMaskView& mask) {
  if (!fits_packs<T>(q, k, v, mask)) return false;
  const auto rules = rules_of(form_operands<float>(form), mask.rule());
  return rules == Rules::any ? fits_tiles_of<T, Rules::any>(q, v)
                             : fits_tiles_of<T, Rules::plain>(q, v);
}

template <class T>
StreamingOperands<T> streaming_operands(const InList& q, const InList& k, const In& v,
                                        const In& scales, const In& log_sum_exp,
                                        const ScoreForm& form, const CausalMaskView& mask) {
  const auto shape = shape_of(q, k, mask);
  return {.shape = shape,
          .pieces = piece_table<T, streamed_pieces>(q, k, shape.group),
          .scales = scales.as<float>(),
          .v = rows_of_key_heads<const T>(v),
          .log_sum_exp = log_sum_exp.as<float>(),
          .form = form_operands<float>(form)};
}

// visit(span) for all pieces, as many at a time as one kernel takes.
template <class T, class Visitor>
void for_each_span(const StreamingOperands<T>& operands, const Visitor& visit) {
  const auto& pieces = operands.pieces;
  const auto widest = widest_of(pieces, {0, pieces.count});
  const int most =
      operands.rules() == Rules::any ? max_targets<T, Rules::any>(widest) : max_targets<T>(widest);
  for (int first = 0; first < pieces.count; first += most) {
    visit(PieceSpan{first, std::min(most, pieces.count - first)});
  }
}

template <class T>
void backward_by_tiles(const AttentionBackwardArgs& a) {
  const auto operands =
      streaming_operands<T>(a.q, a.k, a.v, a.scales, a.log_sum_exp, a.form, a.mask);
  const auto& shape = operands.shape;
  const auto dy = rows_of_heads<const T>(a.dy, shape.group);
  auto* dots = a.workspace.as<float>();
  auto* parts = dots + shape.all_rows();
  if (wants_scores(a)) {
    row_dots<DotColumns::all>(shape, dy, rows_of_heads<const T>(a.y, shape.group), dots);
  }
  const StreamingBackward<T> backward{operands, dy, dots};
  std::vector<HeadRows<T>> dq, dk;
  for (const auto& x : a.dq) dq.push_back(rows_of_heads<T>(x, shape.group));
  for (const auto& x : a.dk) dk.push_back(rows_of_key_heads<T>(x));
  const auto pieces = static_cast<std::size_t>(operands.pieces.count);
  dq.resize(pieces);
  dk.resize(pieces);
  const auto present = [](const HeadRows<T>& x) { return x.present(); };
  for_each_span<T>(operands, [&](PieceSpan span) {
    const auto* of_span = dq.data() + span.first;
    if (!a.dscales.present() && std::none_of(of_span, of_span + span.count, present)) return;
    const auto blocks = query_gradient_blocks<T>(shape);
    streaming_query_gradient(backward, span, of_span, a.dscales.present() ? parts : nullptr);
    for (int j = 0; a.dscales.present() && j < span.count; ++j) {
      sum_of_parts(parts + j * blocks, blocks, a.dscales.as<float>() + span.first + j);
    }
  });
  const auto dv = rows_of_key_heads<T>(a.dv);
  if (dv.present() && dk[0].present() && streaming_key_and_value_gradient(backward, dk[0], dv)) {
    return;
  }
  if (dv.present()) streaming_value_gradient(backward, dv);
  for_each_span<T>(operands, [&](PieceSpan span) {
    const auto* of_span = dk.data() + span.first;
    if (std::any_of(of_span, of_span + span.count, present)) {
      streaming_key_gradient(backward, span, of_span);
    }
  });
}

template <class T>
bool is_decoded(const AttentionForwardArgs& a) {
  return fits_packs<T>(a.q, a.k, a.v, a.mask) && fits_tiles(a.y) && decodes<T>(a);
}

void forward(const AttentionForwardArgs& a) {
  visit_floating(a.v.dtype, [&]<class T>(TypeTag<T>) {
    if constexpr (!std::is_same_v<T, double>) {
      if (is_decoded<T>(a)) {
        decode<T>(a, decode_plan<T>(a));
        return;
      }
      if (streams<T>(a.q, a.k, a.v, a.form, a.mask) && fits_tiles(a.y)) {
        const auto operands =
            streaming_operands<T>(a.q, a.k, a.v, a.scales, a.given_log_sum_exp, a.form, a.mask);
        streaming_forward(operands, rows_of_heads<T>(a.y, operands.shape.group),
                          a.log_sum_exp.as<float>());
        return;
      }
    }
    forward_by_rows<T>(a);
  });
}
void backward(const AttentionBackwardArgs& a) {
  visit_floating(a.v.dtype, [&]<class T>(TypeTag<T>) {
    if constexpr (!std::is_same_v<T, double>) {
      if (streams<T>(a.q, a.k, a.v, a.form, a.mask) && fits_tiles(a.dy) && all_fit_tiles(a.dq) &&
          all_fit_tiles(a.dk) && (!a.dv.present() || fits_tiles(a.dv))) {
        backward_by_tiles<T>(a);
        return;
      }
    }
    backward_by_rows<T>(a);
  });
}
std::size_t forward_workspace_bytes(const AttentionForwardArgs& a) {
  return visit_floating(a.v.dtype, [&]<class T>(TypeTag<T>) -> std::size_t {
    if constexpr (!std::is_same_v<T, double>) {
      if (is_decoded<T>(a)) return decode_plan<T>(a).workspace_bytes(a);
    }
    return 0;
  });
}
// The parts of several pieces' dscales may be wanted at once.
std::size_t workspace_bytes(const AttentionBackwardArgs& a) {
  const auto rows = a.q[0].size(0) * a.q[0].size(1) * a.q[0].size(2);
  const auto numbers = std::max(explicit_workspace(a.q), rows * (1 + max_targets_of_any));
  return static_cast<std::size_t>(numbers) * size_of(accumulator_of(a.q[0].dtype));
}

const Registration forward_registered{attention_forward, Backend::cuda, forward,
                                      forward_workspace_bytes};
const Registration backward_registered{attention_backward, Backend::cuda, backward,
                                       workspace_bytes};

}  // namespace
}  // namespace lookback::kernels
