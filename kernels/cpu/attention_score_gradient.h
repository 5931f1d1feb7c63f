// From the gradient of the scores to those of the queries, keys and scales: the part that
// attention's backward and that of explicit weights share.
//
//   dq[p] += scales[p] dS k[p],  dk[p] += scales[p] dS^T q[p],  dscales[p] = sum dS (q[p] . k[p])
//
// The work is cut by sequence, key/value head and segment of the keys (one worker each), then by
// chunk of keys, query head and block of query rows, in this order within a worker. The last sum
// costs no product of its own: it is the dot product of q with dS k.
#pragma once

#include "kernels/attention.h"
#include "kernels/cpu/attention_tiles.h"
#include "runtime/parallel.h"

namespace lookback::kernels {

// Backward gives each sequence and key/value head to one worker, which is the least arithmetic.
// Where these are few, the keys are cut into this many segments as well.
inline std::int64_t attention_key_segments(const In& k) {
  constexpr std::int64_t enough_workers = 16;
  constexpr std::int64_t min_segment = 512;
  const auto workers = std::max<std::int64_t>(1, k.size(0) * k.size(2));
  const auto wanted = (enough_workers + workers - 1) / workers;
  return std::clamp<std::int64_t>(k.size(1) / min_segment, 1, wanted);
}

// The segments' parts of dq wait in the workspace to be added up in order and rounded once (f32 and
// f64 with one segment need none); so do the parts of dscales.
inline std::size_t attention_backward_workspace_bytes(const InList& q, const In& k) {
  const auto segments = attention_key_segments(k);
  std::int64_t numbers = segments * k.size(0) * k.size(2) * static_cast<std::int64_t>(q.size());
  if (segments > 1 || q[0].dtype == DType::bf16) {
    for (const auto& piece : q) numbers += segments * piece.numel();
  }
  return static_cast<std::size_t>(numbers) * size_of(accumulator_of(q[0].dtype));
}

// One worker's part of the keys.
struct KeySegment {
  std::int64_t index, sequence, key_head, first, last;
};

// A chunk of one segment's keys.
struct KeyChunk {
  std::int64_t sequence, key_head, first, columns;
};

template <class T, class Arguments>
class ScoreGradient {
 public:
  using Sum = Accumulator<T>;

  // q, k, scales, dq, dk, dscales and workspace are fields of the arguments.
  explicit ScoreGradient(const Arguments& arguments)
      : a(arguments),
        shape(shape_of(a.q, a.k, a.mask)),
        segments(attention_key_segments(a.k[0])),
        partial(segments > 1 || a.q[0].dtype == DType::bf16),
        q(rows_of_each_head<const T>(a.q, shape.group)),
        k(rows_of_each_key_head<const T>(a.k)),
        dq(rows_of_each_head<T>(a.dq, shape.group)),
        dk(rows_of_each_key_head<T>(a.dk)) {
    for (const auto& piece : q) widths.push_back(piece.width);
    for (const auto width : widths) total_width += width;
    Sum* at = a.workspace.template as<Sum>();
    scale_parts = at;
    at += workers() * pieces();
    for (std::int64_t p = 0; partial && p < pieces(); ++p) {
      dq_parts.push_back(at);
      at += segments * dq_numbers(p);
    }
  }

  std::int64_t pieces() const { return static_cast<std::int64_t>(q.size()); }
  std::int64_t workers() const { return shape.sequences * shape.key_heads * segments; }

  KeySegment segment_of(std::int64_t worker) const {
    const auto length = blocks_of(blocks_of(shape.keys, segments), key_columns) * key_columns;
    const auto index = worker % segments;
    const auto pair = worker / segments;
    return {.index = index,
            .sequence = pair / shape.key_heads,
            .key_head = pair % shape.key_heads,
            .first = std::min(shape.keys, index * length),
            .last = std::min(shape.keys, (index + 1) * length)};
  }

  // Scratch that a Chunk takes.
  std::int64_t chunk_scratch() const {
    return key_columns * total_width + read_scratch<T>(key_columns, total_width);
  }
  // Scratch that a block of query rows takes.
  std::int64_t block_scratch() const {
    return query_rows * total_width + read_scratch<T>(query_rows, total_width);
  }

  void begin(const KeySegment& segment) const {
    for (std::int64_t p = 0; p < pieces(); ++p) {
      scale_part(segment)[p] = 0;
      if (!partial) continue;
      for (std::int64_t t = 0; t < shape.rows; ++t) {
        const auto row = dq_row(p, segment, t, segment.key_head * shape.group);
        std::fill_n(row.data, row.count * shape.group, Sum{0});
      }
    }
  }

  // The keys of a chunk and the sums for their gradients.
  struct Chunk {
    KeyChunk at;
    std::vector<RowSpan<Sum>> keys;
    std::vector<Sum*> dk;
  };
  Chunk begin(const KeyChunk& at, Scratch<Sum>& scratch) const {
    Chunk chunk{.at = at, .keys = {}, .dk = {}};
    for (std::size_t p = 0; p < k.size(); ++p) {
      chunk.keys.push_back(read_rows(k[p].at(at.sequence, at.first, at.key_head, 0), k[p].row_step,
                                     at.columns, widths[p], scratch));
      chunk.dk.push_back(scratch.take(at.columns * widths[p]));
      std::fill_n(chunk.dk[p], at.columns * widths[p], Sum{0});
    }
    return chunk;
  }

  // The queries of a block of rows.
  std::vector<RowSpan<Sum>> queries(std::int64_t sequence, std::int64_t row, std::int64_t head,
                                    std::int64_t rows, Scratch<Sum>& scratch) const {
    std::vector<RowSpan<Sum>> result;
    for (const auto& piece : q) {
      result.push_back(read_rows(piece.at_head(sequence, row, head), piece.row_step, rows,
                                 piece.width, scratch));
    }
    return result;
  }

  void scores(const std::vector<RowSpan<Sum>>& queries_of_block, const Chunk& chunk,
              std::int64_t first, const ScoreTile<Sum>& tile) const {
    auto keys = chunk.keys;
    for (auto& piece : keys) piece = piece.from(first);
    score_tile(queries_of_block, keys, widths, a.scales.template as<Sum>(), tile);
  }

  // Takes in dS of one block of rows and of the chunk's keys [first, first + tile.columns).
  void add(const KeySegment& segment, const Chunk& chunk, std::int64_t first, std::int64_t row,
           std::int64_t head, const std::vector<RowSpan<Sum>>& queries_of_block,
           const ScoreTile<Sum>& gradient, Scratch<Sum>& scratch) const {
    for (std::int64_t p = 0; p < pieces(); ++p) {
      const auto at = static_cast<std::size_t>(p);
      const auto width = widths[at];
      const auto scale = a.scales.template as<Sum>()[p];
      const auto& queries_of_piece = queries_of_block[at];
      if (wants_dq(p) || a.dscales.present()) {
        Sum* through = scratch.take(gradient.rows * width);  // dS k
        tile_product(Gemm<Sum>{.m = gradient.rows,
                               .n = width,
                               .k = gradient.columns,
                               .a = gradient.data,
                               .a_stride = gradient.stride,
                               .b = chunk.keys[at].row(first),
                               .b_stride = chunk.keys[at].stride,
                               .c = through,
                               .c_stride = width});
        add_through(segment, p, row, head, scale, queries_of_piece, {through, width},
                    gradient.rows);
      }
      if (wants_dk(p)) {
        tile_product(Gemm<Sum>{.m = gradient.columns,
                               .n = width,
                               .k = gradient.rows,
                               .a = gradient.data,
                               .a_stride = gradient.stride,
                               .a_layout = Layout::transposed,
                               .b = queries_of_piece.data,
                               .b_stride = queries_of_piece.stride,
                               .c = chunk.dk[at] + first * width,
                               .c_stride = width,
                               .into = Into::sum,
                               .alpha = static_cast<double>(scale)});
      }
    }
  }

  void end(const Chunk& chunk) const {
    const auto& at = chunk.at;
    for (std::int64_t p = 0; p < pieces(); ++p) {
      if (!wants_dk(p)) continue;
      const auto piece = static_cast<std::size_t>(p);
      for (std::int64_t s = 0; s < at.columns; ++s) {
        T* to = dk[piece].at(at.sequence, at.first + s, at.key_head, 0);
        const Sum* from = chunk.dk[piece] + s * widths[piece];
        for (std::int64_t d = 0; d < widths[piece]; ++d) {
          to[d] = static_cast<T>(static_cast<Sum>(to[d]) + from[d]);
        }
      }
    }
  }

  // After all workers: the sums over segments, in order.
  void finish() const {
    for (std::int64_t p = 0; partial && p < pieces(); ++p) {
      if (wants_dq(p)) add_parts_of_dq(p);
    }
    for (std::int64_t p = 0; a.dscales.present() && p < pieces(); ++p) {
      Sum total = 0;
      for (std::int64_t worker = 0; worker < workers(); ++worker)
        total += scale_parts[worker * pieces() + p];
      a.dscales.template as<Sum>()[p] = total;
    }
  }

 private:
  // `count` numbers of dq, of the accumulator's dtype.
  struct PartialRow {
    Sum* data;
    std::int64_t count;
  };

  bool wants_dq(std::int64_t p) const {
    return !dq.empty() && dq[static_cast<std::size_t>(p)].present();
  }
  bool wants_dk(std::int64_t p) const {
    return !dk.empty() && dk[static_cast<std::size_t>(p)].present();
  }
  std::int64_t dq_numbers(std::int64_t p) const {
    return shape.sequences * shape.rows * shape.heads() * widths[static_cast<std::size_t>(p)];
  }
  Sum* scale_part(const KeySegment& segment) const {
    const auto pair = segment.sequence * shape.key_heads + segment.key_head;
    return scale_parts + (pair * segments + segment.index) * pieces();
  }
  PartialRow dq_row(std::int64_t p, const KeySegment& segment, std::int64_t row,
                    std::int64_t head) const {
    const auto width = widths[static_cast<std::size_t>(p)];
    const auto at = ((segment.sequence * shape.rows + row) * shape.heads() + head) * width;
    return {dq_parts[static_cast<std::size_t>(p)] + segment.index * dq_numbers(p) + at, width};
  }

  // dq += scale (dS k), dscale += q . (dS k), for a block of rows.
  void add_through(const KeySegment& segment, std::int64_t p, std::int64_t row, std::int64_t head,
                   Sum scale, const RowSpan<Sum>& queries_of_piece, const RowSpan<Sum>& through,
                   std::int64_t rows) const {
    const auto piece = static_cast<std::size_t>(p);
    const auto width = widths[piece];
    for (std::int64_t i = 0; i < rows; ++i) {
      const Sum* from = through.row(i);
      if (a.dscales.present()) scale_part(segment)[p] += dot(queries_of_piece.row(i), from, width);
      if (!wants_dq(p)) continue;
      if (partial) {
        Sum* to = dq_row(p, segment, row + i, head).data;
        for (std::int64_t d = 0; d < width; ++d) to[d] += scale * from[d];
      } else {
        T* to = dq[piece].at_head(segment.sequence, row + i, head);
        for (std::int64_t d = 0; d < width; ++d) {
          to[d] = static_cast<T>(static_cast<Sum>(to[d]) + scale * from[d]);
        }
      }
    }
  }

  void add_parts_of_dq(std::int64_t p) const {
    const auto piece = static_cast<std::size_t>(p);
    const auto width = widths[piece];
    parallel_for(shape.sequences * shape.rows, 16,
                 [&](std::int64_t begin_row, std::int64_t end_row) {
                   for (auto i = begin_row; i < end_row; ++i) {
                     for (std::int64_t head = 0; head < shape.heads(); ++head) {
                       T* to = dq[piece].at_head(i / shape.rows, i % shape.rows, head);
                       const Sum* from = dq_parts[piece] + (i * shape.heads() + head) * width;
                       for (std::int64_t d = 0; d < width; ++d) {
                         Sum total = from[d];
                         for (std::int64_t part = 1; part < segments; ++part)
                           total += from[part * dq_numbers(p) + d];
                         to[d] = static_cast<T>(static_cast<Sum>(to[d]) + total);
                       }
                     }
                   }
                 });
  }

  const Arguments& a;
  const AttentionShape shape;
  const std::int64_t segments;
  const bool partial;  // dq goes through the workspace
  const std::vector<HeadRows<const T>> q, k;
  const std::vector<HeadRows<T>> dq, dk;
  std::vector<std::int64_t> widths;
  std::int64_t total_width = 0;
  Sum* scale_parts = nullptr;  // [worker, piece]
  std::vector<Sum*> dq_parts;  // per piece: [segment, B, T, H, K_p]
};

}  // namespace lookback::kernels
