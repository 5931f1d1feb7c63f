// Which kernels attention takes on a GPU: the streaming ones (attention_streaming.h) where they can
// read the operands, else the explicit ones.
#include "kernels/attention.h"

#include "kernels/cuda/attention_explicit.h"
#include "kernels/cuda/attention_streaming.h"
#include "kernels/cuda/stream.h"

namespace lookback::kernels {
namespace {

template <class T>
void forward_by_rows(const AttentionForward& a) {
  using Sum = Accumulator<T>;
  const auto extent = extent_of(a.q, a.k, a.mask);
  const PairScore<T> score{piece_table<T, explicit_pieces>(a.q, a.k, extent.group),
                           a.scales.as<Sum>()};
  const bool given = a.given_log_sum_exp.present();
  if (!given) softmax_of_scores<T>(extent, score, a.log_sum_exp.as<Sum>(), {});
  const auto* log_sum_exp = given ? a.given_log_sum_exp.as<Sum>() : a.log_sum_exp.as<Sum>();
  sum_over_keys<T>(extent, PairWeight<T>{score, log_sum_exp}, rows_of_key_heads<const T>(a.v),
                   {.y = rows_of_heads<T>(a.y, extent.group)});
}

template <class T>
void backward_by_rows(const AttentionBackward& a) {
  using Sum = Accumulator<T>;
  const auto extent = extent_of(a.q, a.k, a.mask);
  const auto pieces = piece_table<T, explicit_pieces>(a.q, a.k, extent.group);
  const PairWeight<T> weight{{pieces, a.scales.as<Sum>()}, a.log_sum_exp.as<Sum>()};
  const auto dy = rows_of_heads<const T>(a.dy, extent.group);
  if (a.dv.present()) {
    sum_over_queries<T>(extent, weight, dy, {.y = rows_of_key_heads<T>(a.dv)});
  }
  if (!wants_scores(a)) return;
  auto* dots = a.workspace.as<Sum>();
  row_dots<DotColumns::all>(extent, dy, rows_of_heads<const T>(a.y, extent.group), dots);
  explicit_piece_gradients<T>(
      a, extent, pieces, PairScoreGradient<T>{weight, dy, rows_of_key_heads<const T>(a.v), dots},
      dots + extent.all_rows());
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

// Whether the tiles of all three kernels fit into shared memory, for one or several pieces.
template <class T>
bool fits_shared_memory(const InList& q, std::int64_t value_width) {
  std::int64_t widest = 0;
  for (const auto& piece : q) widest = std::max(widest, piece.size(3));
  const int columns = accumulated_columns<T>(widest);
  const int value_columns = accumulated_columns<T>(value_width);
  const int pieces = static_cast<int>(q.size());
  return std::max({forward_bytes<T>(value_columns, contracted_columns(widest), pieces),
                   query_gradient_bytes<T>(columns, columns, value_columns, pieces),
                   key_gradient_bytes<T>(columns, columns, value_columns, pieces)}) <=
         device::shared_bytes_of_block();
}

// Whether the streaming kernels can read and hold the operands.
template <class T>
bool streams(const InList& q, const InList& k, const In& v) {
  constexpr std::int64_t most_keys = std::int64_t{1} << 30;  // places in tiles are ints
  if constexpr (std::is_same_v<T, double>) return false;
  return q.size() <= streamed_pieces && k[0].size(1) <= most_keys && all_fit_tiles(q) &&
         all_fit_tiles(k) && fits_tiles(v) && fits_shared_memory<T>(q, v.size(3));
}

template <class T>
StreamOperands<T> stream_operands(const InList& q, const InList& k, const In& v, const In& scales,
                                  const In& log_sum_exp, const CausalMask& mask) {
  const auto extent = extent_of(q, k, mask);
  return {.extent = extent,
          .pieces = piece_table<T, streamed_pieces>(q, k, extent.group),
          .scales = scales.as<float>(),
          .v = rows_of_key_heads<const T>(v),
          .log_sum_exp = log_sum_exp.as<float>()};
}

template <class T>
void backward_by_tiles(const AttentionBackward& a) {
  const auto operands = stream_operands<T>(a.q, a.k, a.v, a.scales, a.log_sum_exp, a.mask);
  const auto& extent = operands.extent;
  const auto dy = rows_of_heads<const T>(a.dy, extent.group);
  auto* dots = a.workspace.as<float>();
  auto* parts = dots + extent.all_rows();
  if (wants_scores(a)) {
    row_dots<DotColumns::all>(extent, dy, rows_of_heads<const T>(a.y, extent.group), dots);
  }
  const StreamBackward<T> backward{operands, dy, dots};
  auto dv = rows_of_key_heads<T>(a.dv);
  for (int p = 0; p < operands.pieces.count; ++p) {
    const auto at = static_cast<std::size_t>(p);
    const auto dq = a.dq.empty() ? HeadRows<T>{} : rows_of_heads<T>(a.dq[at], extent.group);
    const auto dk = a.dk.empty() ? HeadRows<T>{} : rows_of_key_heads<T>(a.dk[at]);
    const bool wants_scale = a.dscales.present();
    if (dq.present() || wants_scale) {
      stream_query_gradient(backward, p, dq, wants_scale ? parts : nullptr);
    }
    if (wants_scale) sum_of_parts(parts, query_blocks<T>(extent), a.dscales.as<float>() + p);
    if (dk.present() || dv.present()) stream_key_gradient(backward, p, dk, dv);
    dv = {};  // made with the first piece
  }
}

void forward(const AttentionForward& a) {
  visit_floating(a.v.dtype, [&]<class T>(TypeTag<T>) {
    if constexpr (!std::is_same_v<T, double>) {
      if (streams<T>(a.q, a.k, a.v) && fits_tiles(a.y)) {
        const auto operands =
            stream_operands<T>(a.q, a.k, a.v, a.scales, a.given_log_sum_exp, a.mask);
        stream_forward(operands, rows_of_heads<T>(a.y, operands.extent.group),
                       a.log_sum_exp.as<float>());
        return;
      }
    }
    forward_by_rows<T>(a);
  });
}
void backward(const AttentionBackward& a) {
  visit_floating(a.v.dtype, [&]<class T>(TypeTag<T>) {
    if constexpr (!std::is_same_v<T, double>) {
      if (streams<T>(a.q, a.k, a.v) && fits_tiles(a.dy) && all_fit_tiles(a.dq) &&
          all_fit_tiles(a.dk) && (!a.dv.present() || fits_tiles(a.dv))) {
        backward_by_tiles<T>(a);
        return;
      }
    }
    backward_by_rows<T>(a);
  });
}
// The explicit kernels want no less than the streaming ones.
std::size_t workspace_bytes(const AttentionBackward& a) {
  return static_cast<std::size_t>(explicit_workspace(a.q)) * size_of(accumulator_of(a.q[0].dtype));
}

const Registration forward_registered{attention_forward, Backend::cuda, forward};
const Registration backward_registered{attention_backward, Backend::cuda, backward,
                                       workspace_bytes};

}  // namespace
}  // namespace lookback::kernels
