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
#include "kernels/cpu/attention_form.h"
#include "kernels/cpu/attention_tiles.h"
#include "runtime/parallel.h"

namespace lookback::kernels {

inline constexpr std::int64_t min_segment = 512;

// Backward gives each sequence and key/value head to one worker, which is the least arithmetic.
// Where these are few, the keys are cut into this many segments as well.
inline std::int64_t attention_key_segments(const In& k) {
  constexpr std::int64_t enough_workers = 16;
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
      : a_(arguments),
        shape_(shape_of(a_.q, a_.k, a_.mask)),
        segments_(attention_key_segments(a_.k[0])),
        partial_(segments_ > 1 || a_.q[0].dtype == DType::bf16),
        q_(rows_of_each_head<const T>(a_.q, shape_.group)),
        k_(rows_of_each_key_head<const T>(a_.k)),
        dq_(rows_of_each_head<T>(a_.dq, shape_.group)),
        dk_(rows_of_each_key_head<T>(a_.dk)) {
    for (const auto& piece : q_) widths_.push_back(piece.width);
    for (const auto width : widths_) total_width_ += width;
    Sum* at = a_.workspace.template as<Sum>();
    scale_parts_ = at;
    at += workers() * pieces();
    for (std::int64_t p = 0; partial_ && p < pieces(); ++p) {
      dq_parts_.push_back(at);
      at += segments_ * dq_numbers(p);
    }
  }

  std::int64_t pieces() const { return static_cast<std::int64_t>(q_.size()); }
  std::int64_t workers() const { return shape_.sequences * shape_.key_heads * segments_; }

  KeySegment segment_of(std::int64_t worker) const {
    const auto length = blocks_of(blocks_of(shape_.keys, segments_), key_columns) * key_columns;
    const auto index = worker % segments_;
    const auto pair = worker / segments_;
    return {.index = index,
            .sequence = pair / shape_.key_heads,
            .key_head = pair % shape_.key_heads,
            .first = std::min(shape_.keys, index * length),
            .last = std::min(shape_.keys, (index + 1) * length)};
  }

  // Scratch that a Chunk of this many keys takes.
  std::int64_t chunk_scratch(std::int64_t keys = key_columns) const {
    return keys * total_width_ + read_scratch<T>(keys, total_width_);
  }
  // Scratch that a block of query rows takes.
  std::int64_t block_scratch() const {
    return query_rows * total_width_ + read_scratch<T>(query_rows, total_width_);
  }

  void begin(const KeySegment& segment) const {
    for (std::int64_t p = 0; p < pieces(); ++p) {
      scale_part(segment)[p] = 0;
      if (!partial_) continue;
      for (std::int64_t t = 0; t < shape_.rows; ++t) {
        const auto row = dq_row(p, segment, t, segment.key_head * shape_.group);
        std::fill_n(row.data, row.count * shape_.group, Sum{0});
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
    for (std::size_t p = 0; p < k_.size(); ++p) {
      chunk.keys.push_back(read_rows(k_[p].at(at.sequence, at.first, at.key_head, 0),
                                     k_[p].row_step, at.columns, widths_[p], scratch));
      chunk.dk.push_back(scratch.take(at.columns * widths_[p]));
      std::fill_n(chunk.dk[p], at.columns * widths_[p], Sum{0});
    }
    return chunk;
  }

  // The queries of a block of rows.
  std::vector<RowSpan<Sum>> queries(std::int64_t sequence, std::int64_t row, std::int64_t head,
                                    std::int64_t rows, Scratch<Sum>& scratch) const {
    std::vector<RowSpan<Sum>> result;
    for (const auto& piece : q_) {
      result.push_back(read_rows(piece.at_head(sequence, row, head), piece.row_step, rows,
                                 piece.width, scratch));
    }
    return result;
  }

  void sums_of_products(const std::vector<RowSpan<Sum>>& queries_of_block,
                        const std::vector<RowSpan<Sum>>& keys, const ScoreTile<Sum>& tile) const {
    score_tile(queries_of_block, keys, widths_, a_.scales.template as<Sum>(), tile);
  }

  // Scratch for the derivative of a soft cap over a tile.
  std::int64_t cap_scratch() const { return a_.form.soft_cap > 0 ? query_rows * tile_stride : 0; }
  // The scores of a block of rows, and the derivative of the soft cap, null where there is none.
  Sum* scores(const std::vector<RowSpan<Sum>>& queries_of_block, const Chunk& chunk,
              std::int64_t first, std::int64_t row, std::int64_t head, const ScoreTile<Sum>& tile,
              Scratch<Sum>& scratch) const {
    auto keys = chunk.keys;
    for (auto& piece : keys) piece = piece.from(first);
    sums_of_products(queries_of_block, keys, tile);
    Sum* cap_derivative = a_.form.soft_cap > 0 ? scratch.take(cap_scratch()) : nullptr;
    apply_form(a_.form, a_.mask, {head, row, 1, chunk.at.first + first}, tile, cap_derivative);
    return cap_derivative;
  }

  // Takes in dS of one block of rows and of the chunk's keys [first, first + tile.columns).
  void add(const KeySegment& segment, const Chunk& chunk, std::int64_t first, std::int64_t row,
           std::int64_t head, const std::vector<RowSpan<Sum>>& queries_of_block,
           const ScoreTile<Sum>& gradient, Scratch<Sum>& scratch) const {
    for (std::int64_t p = 0; p < pieces(); ++p) {
      const auto at = static_cast<std::size_t>(p);
      const auto width = widths_[at];
      const auto scale = a_.scales.template as<Sum>()[p];
      const auto& queries_of_piece = queries_of_block[at];
      if (wants_dq(p) || a_.dscales.present()) {
        Sum* through = scratch.take(gradient.rows * width);  // dS k
        through_keys(gradient, chunk.keys[at].from(first), width, through);
        add_through(segment, p, row, head, scale, queries_of_piece, {through, width},
                    gradient.rows);
      }
      if (wants_dk(p)) {
        through_queries(gradient, queries_of_piece, width, scale, chunk.dk[at] + first * width,
                        Into::sum);
      }
    }
  }

  // A tile's columns where they are not keys one after the other: the key of each, and the keys'
  // rows in that order.
  struct PackedColumns {
    const std::int64_t* key_of;
    std::vector<RowSpan<Sum>> keys;
  };
  std::vector<RowSpan<Sum>> pack(const Chunk& chunk, const std::int64_t* key_of,
                                 std::int64_t columns, Scratch<Sum>& scratch) const {
    std::vector<RowSpan<Sum>> packed;
    for (std::size_t p = 0; p < chunk.keys.size(); ++p) {
      Sum* to = scratch.take(columns * widths_[p]);
      packed.push_back({to, widths_[p]});
      for (std::int64_t s = 0; s < columns; ++s) {
        std::copy_n(chunk.keys[p].row(key_of[s] - chunk.at.first), widths_[p], to + s * widths_[p]);
      }
    }
    return packed;
  }
  struct QueryRow {
    std::int64_t row, head;
  };
  // As add(), of packed columns and of the rows that row_of(i) names.
  template <class RowOf>
  void add_packed(const KeySegment& segment, const Chunk& chunk, const PackedColumns& columns,
                  const RowOf& row_of, const std::vector<RowSpan<Sum>>& queries_of_block,
                  const ScoreTile<Sum>& gradient, Scratch<Sum>& scratch) const {
    for (std::int64_t p = 0; p < pieces(); ++p) {
      const auto at = static_cast<std::size_t>(p);
      const auto width = widths_[at];
      const auto scale = a_.scales.template as<Sum>()[p];
      if (wants_dq(p) || a_.dscales.present()) {
        Sum* through = scratch.take(gradient.rows * width);  // dS k
        through_keys(gradient, columns.keys[at], width, through);
        for (std::int64_t i = 0; i < gradient.rows; ++i) {
          const auto [row, head] = row_of(i);
          add_row(segment, p, row, head, scale, queries_of_block[at].row(i), through + i * width);
        }
      }
      if (!wants_dk(p)) continue;
      Sum* sums = scratch.take(gradient.columns * width);
      through_queries(gradient, queries_of_block[at], width, scale, sums, Into::overwrite);
      for (std::int64_t s = 0; s < gradient.columns; ++s) {
        Sum* to = chunk.dk[at] + (columns.key_of[s] - chunk.at.first) * width;
        for (std::int64_t d = 0; d < width; ++d) to[d] += sums[s * width + d];
      }
    }
  }

  void end(const Chunk& chunk) const {
    const auto& at = chunk.at;
    for (std::int64_t p = 0; p < pieces(); ++p) {
      if (!wants_dk(p)) continue;
      const auto piece = static_cast<std::size_t>(p);
      for (std::int64_t s = 0; s < at.columns; ++s) {
        T* to = dk_[piece].at(at.sequence, at.first + s, at.key_head, 0);
        const Sum* from = chunk.dk[piece] + s * widths_[piece];
        for (std::int64_t d = 0; d < widths_[piece]; ++d) {
          to[d] = static_cast<T>(static_cast<Sum>(to[d]) + from[d]);
        }
      }
    }
  }

  // After all workers: the sums over segments, in order.
  void finish() const {
    for (std::int64_t p = 0; partial_ && p < pieces(); ++p) {
      if (wants_dq(p)) add_parts_of_dq(p);
    }
    for (std::int64_t p = 0; a_.dscales.present() && p < pieces(); ++p) {
      Sum total = 0;
      for (std::int64_t worker = 0; worker < workers(); ++worker)
        total += scale_parts_[worker * pieces() + p];
      a_.dscales.template as<Sum>()[p] = total;
    }
  }

 private:
  // `count` numbers of dq, of the accumulator's dtype.
  struct PartialRow {
    Sum* data;
    std::int64_t count;
  };

  bool wants_dq(std::int64_t p) const {
    return !dq_.empty() && dq_[static_cast<std::size_t>(p)].present();
  }
  bool wants_dk(std::int64_t p) const {
    return !dk_.empty() && dk_[static_cast<std::size_t>(p)].present();
  }
  std::int64_t dq_numbers(std::int64_t p) const {
    return shape_.sequences * shape_.rows * shape_.heads() * widths_[static_cast<std::size_t>(p)];
  }
  Sum* scale_part(const KeySegment& segment) const {
    const auto pair = segment.sequence * shape_.key_heads + segment.key_head;
    return scale_parts_ + (pair * segments_ + segment.index) * pieces();
  }
  PartialRow dq_row(std::int64_t p, const KeySegment& segment, std::int64_t row,
                    std::int64_t head) const {
    const auto width = widths_[static_cast<std::size_t>(p)];
    const auto at = ((segment.sequence * shape_.rows + row) * shape_.heads() + head) * width;
    return {dq_parts_[static_cast<std::size_t>(p)] + segment.index * dq_numbers(p) + at, width};
  }

  // result = dS k
  void through_keys(const ScoreTile<Sum>& gradient, const RowSpan<Sum>& keys, std::int64_t width,
                    Sum* result) const {
    std::fill_n(result, gradient.rows * width, Sum{0});
    weigh_values(gradient, keys, width, result, width);
  }
  // result (+)= scale dS^T q
  void through_queries(const ScoreTile<Sum>& gradient, const RowSpan<Sum>& queries_of_piece,
                       std::int64_t width, Sum scale, Sum* result, Into into) const {
    weigh_rows(
        gradient, queries_of_piece, width,
        {.data = result, .stride = width, .into = into, .factor = static_cast<double>(scale)});
  }

  // dq += scale (dS k), dscale += q . (dS k), for a block of rows.
  void add_through(const KeySegment& segment, std::int64_t p, std::int64_t row, std::int64_t head,
                   Sum scale, const RowSpan<Sum>& queries_of_piece, const RowSpan<Sum>& through,
                   std::int64_t rows) const {
    for (std::int64_t i = 0; i < rows; ++i) {
      add_row(segment, p, row + i, head, scale, queries_of_piece.row(i), through.row(i));
    }
  }
  void add_row(const KeySegment& segment, std::int64_t p, std::int64_t row, std::int64_t head,
               Sum scale, const Sum* query, const Sum* through) const {
    const auto piece = static_cast<std::size_t>(p);
    const auto width = widths_[piece];
    if (a_.dscales.present()) scale_part(segment)[p] += dot(query, through, width);
    if (!wants_dq(p)) return;
    if (partial_) {
      Sum* to = dq_row(p, segment, row, head).data;
      for (std::int64_t d = 0; d < width; ++d) to[d] += scale * through[d];
    } else {
      T* to = dq_[piece].at_head(segment.sequence, row, head);
      for (std::int64_t d = 0; d < width; ++d) {
        to[d] = static_cast<T>(static_cast<Sum>(to[d]) + scale * through[d]);
      }
    }
  }

  void add_parts_of_dq(std::int64_t p) const {
    const auto piece = static_cast<std::size_t>(p);
    const auto width = widths_[piece];
    parallel_for(shape_.sequences * shape_.rows, 16,
                 [&](std::int64_t begin_row, std::int64_t end_row) {
                   for (auto i = begin_row; i < end_row; ++i) {
                     for (std::int64_t head = 0; head < shape_.heads(); ++head) {
                       T* to = dq_[piece].at_head(i / shape_.rows, i % shape_.rows, head);
                       const Sum* from = dq_parts_[piece] + (i * shape_.heads() + head) * width;
                       for (std::int64_t d = 0; d < width; ++d) {
                         Sum total = from[d];
                         for (std::int64_t part = 1; part < segments_; ++part)
                           total += from[part * dq_numbers(p) + d];
                         to[d] = static_cast<T>(static_cast<Sum>(to[d]) + total);
                       }
                     }
                   }
                 });
  }

  const Arguments& a_;
  const AttentionShape shape_;
  const std::int64_t segments_;
  const bool partial_;  // dq goes through the workspace
  const std::vector<HeadRows<const T>> q_, k_;
  const std::vector<HeadRows<T>> dq_, dk_;
  std::vector<std::int64_t> widths_;
  std::int64_t total_width_ = 0;
  Sum* scale_parts_ = nullptr;  // [worker, piece]
  std::vector<Sum*> dq_parts_;  // per piece: [segment, B, T, H, K_p]
};

}  // namespace lookback::kernels
