// The kernel that reads the keys and values (attention_decode.h): what each split of them gives.
#pragma once

#include "kernels/cuda/attention/attention_decode_operands.h"
#include "kernels/cuda/device/pack.h"
#include "kernels/cuda/device/row_reduce.h"

namespace lookback::kernels {

// A block has some rows of a key head and one split of the keys. `lanes` neighboring lanes share a
// key: each has its packs of 16 bytes of all rows' queries (in shared memory, as numbers, times the
// scales) and of the sums. Under Rules::any, keys that no row sees are skipped, as many as a block
// has at a time.
template <class T, Rules rules, int rows, int packs>
struct DecodeSplit {
  static constexpr int threads = decode_threads;
  static constexpr int width = pack_width<T>;
  using KeyPack = Pack<T, width>;

  DecodeOperands<T> operands;

  LOOKBACK_DEVICE void operator()() const {
    const auto& plan = operands.plan;
    const auto block = device::block_index() / plan.splits;
    const Place at{.split = device::block_index() - block * plan.splits,
                   .key_head = block / plan.row_blocks,
                   .first_row = block % plan.row_blocks * rows,
                   .sequence = block / plan.row_blocks / operands.shape.key_heads,
                   .lane = device::thread_index() % device::warp_threads % plan.lanes};
    read_queries(at);
    State state;
    set_up(at, state);
    device::sync_block();
    const int groups = device::warp_threads / plan.lanes;
    const int group = device::thread_index() / plan.lanes;  // of the block
    const int step = decode_warps * groups;                 // keys that the block has at a time
    const auto begin = static_cast<int>(plan.first + at.split * plan.keys_per_split);
    const auto split_end = begin + plan.keys_per_split;
    const auto end = static_cast<int>(split_end < plan.last ? split_end : plan.last);
    for (int first = begin; first < end; first += step * keys_ahead) {
      int shown = 0;
      if constexpr (rules == Rules::any) {
        const int chunk = step * keys_ahead;  // and with those under way
        const int key = next_key(state, first);
        if (key >= end) break;
        first = begin + (key - begin) / chunk * chunk;
        shown = ask(state, first, step);
      }
      take_keys(at, first + group, shown, step, end, state);
    }
    join_groups(state);
    device::sync_block();
    leave(at, state);
    device::sync_block();
    finish(at);
  }

 private:
  struct Place {
    std::int64_t split, key_head, first_row, sequence;
    int lane;
  };
  // The keys that a row sees.
  struct Ranges {
    int first[rows], last[rows];
  };
  // The row that this lane asks for (lanes r keys_ahead + j: row r), and what the form of scores
  // needs of all.
  struct Patterns {
    SeeingRow row;
    bool asks;
    float slope[rows];
    int position[rows];
  };
  using Seen = std::conditional_t<rules == Rules::plain, Ranges, Patterns>;
  struct State {
    Seen seen;
    float maximum[rows], total[rows];
    float sums[rows][packs * width];
  };

  LOOKBACK_DEVICE int columns() const { return operands.plan.lanes * packs * width; }
  LOOKBACK_DEVICE float* shared() const {
    return reinterpret_cast<float*>(device::shared_memory());
  }
  // Where the queries' numbers for pack `i` of a lane begin, in fours: the next four of the pack
  // lie behind those of the other lanes, so that lanes meet all banks.
  LOOKBACK_DEVICE int place_of(int lane, int i, int four) const {
    return ((i * (width / 4) + four) * operands.plan.lanes + lane) * 4;
  }
  LOOKBACK_DEVICE bool has_row(const Place& at, int r) const {
    return at.first_row + r < operands.rows_of_key_head();
  }

  LOOKBACK_DEVICE void read_queries(const Place& at) const {
    for (int p = 0; p < operands.pieces.count; ++p) {
      const auto& q = operands.pieces.piece[p].q;
      const float scale = operands.scales[p];
      LOOKBACK_UNROLL
      for (int r = 0; r < rows; ++r) {
        const bool present = has_row(at, r);
        const auto row = operands.row_at(at.key_head, present ? at.first_row + r : 0);
        const T* from = q.at(row.sequence, row.row, row.key_head, row.head_in_group);
        float* to = shared() + (p * rows + r) * columns();
        for (int column = device::thread_index(); column < columns(); column += threads) {
          const int pack = column / width, element = column % width;
          const float value =
              present && column < q.width ? scale * static_cast<float>(from[column]) : 0.0F;
          to[place_of(pack % operands.plan.lanes, pack / operands.plan.lanes, element / 4) +
             element % 4] = value;
        }
      }
    }
  }

  LOOKBACK_DEVICE void set_up(const Place& at, State& state) const {
    state.seen = {};
    LOOKBACK_UNROLL
    for (int r = 0; r < rows; ++r) {
      state.maximum[r] = no_score;
      state.total[r] = 0;
      LOOKBACK_UNROLL
      for (int i = 0; i < packs * width; ++i) state.sums[r][i] = 0;
      if (!has_row(at, r)) continue;
      const auto row = operands.row_at(at.key_head, at.first_row + r);
      set_up_row(r, row, state.seen);
      if (operands.given != nullptr) {
        state.maximum[r] = operands.given[operands.shape.row_number(row.sequence, row.key_head,
                                                                    row.head_in_group, row.row)];
      }
    }
  }

  LOOKBACK_DEVICE void set_up_row(int r, const typename DecodeOperands<T>::Row& row,
                                  Ranges& seen) const {
    const auto range = operands.shape.keys_of(row.sequence, row.row);
    seen.first[r] = static_cast<int>(range.first);
    seen.last[r] = static_cast<int>(range.last);
  }
  LOOKBACK_DEVICE void set_up_row(int r, const typename DecodeOperands<T>::Row& row,
                                  Patterns& seen) const {
    const auto& shape = operands.shape;
    const auto head = row.key_head * shape.group + row.head_in_group;
    if (device::thread_index() % device::warp_threads / keys_ahead == r) {
      seen.row = {row.sequence, head, row.row};
      seen.asks = true;
    }
    seen.slope[r] = operands.form.slope_of(head);
    seen.position[r] = position_of_row(shape, row.row);
  }

  // The first key from `first` on that a row sees; at least as many as there are where none is.
  LOOKBACK_DEVICE int next_key(const State& state, int first) const {
    const auto& shape = operands.shape;
    auto key = shape.keys;
    if (state.seen.asks) key = next_seen_key(shape.visible, state.seen.row, first, shape.keys);
    return device::reduce_warp(static_cast<int>(key), device::Smaller{});
  }
  // Lane r keys_ahead + j: which of the warp's keys that lie j steps on row r sees, a bit for each
  // group of lanes.
  LOOKBACK_DEVICE int ask(const State& state, int first, int step) const {
    if (!state.seen.asks) return 0;
    const int groups = device::warp_threads / operands.plan.lanes;
    const int j = device::thread_index() % device::warp_threads % keys_ahead;
    const int key = first + device::thread_index() / device::warp_threads * groups + j * step;
    const auto& shape = operands.shape;
    return static_cast<int>(seen_keys(shape.visible, state.seen.row, key, shape.keys) &
                            bits_between(0, groups));
  }

  // The packs of a key's row that this lane has; of a key beyond the last: of the last.
  LOOKBACK_DEVICE void read(const HeadRows<const T>& from, const Place& at, int key, int end,
                            KeyPack (&to)[packs]) const {
    const auto head = at.key_head - at.sequence * operands.shape.key_heads;
    const T* row = from.at(at.sequence, key < end ? key : end - 1, head, 0);
    LOOKBACK_UNROLL
    for (int i = 0; i < packs; ++i) {
      const int column = (i * operands.plan.lanes + at.lane) * width;
      to[i] = column < from.width ? read_pack<width>(row + column) : KeyPack{};
    }
  }

  // `shown`: what ask() says, where it is asked.
  LOOKBACK_DEVICE void take_keys(const Place& at, int first, int shown, int step, int end,
                                 State& state) const {
    float scores[keys_ahead][rows] = {};
    KeyPack values[keys_ahead][packs];
    for (int p = 0; p < operands.pieces.count; ++p) {
      KeyPack keys[keys_ahead][packs];
      LOOKBACK_UNROLL
      for (int j = 0; j < keys_ahead; ++j) {
        read(operands.pieces.piece[p].k, at, first + j * step, end, keys[j]);
      }
      if (p == 0) {
        LOOKBACK_UNROLL
        for (int j = 0; j < keys_ahead; ++j) {
          read(operands.v, at, first + j * step, end, values[j]);
        }
      }
      add_scores(at, p, keys, scores);
    }
    for (int lanes = 1; lanes < operands.plan.lanes; lanes *= 2) {
      LOOKBACK_UNROLL
      for (int j = 0; j < keys_ahead; ++j) {
        LOOKBACK_UNROLL
        for (int r = 0; r < rows; ++r) {
          scores[j][r] += device::shuffle_xor(scores[j][r], lanes);
        }
      }
    }
    LOOKBACK_UNROLL
    for (int r = 0; r < rows; ++r) {
      // Those of its keys that the row sees: what the others hold is not looked at.
      bool sees[keys_ahead];
      LOOKBACK_UNROLL
      for (int j = 0; j < keys_ahead; ++j) {
        const int key = first + j * step;
        if constexpr (rules == Rules::plain) {
          sees[j] = key < end && key >= state.seen.first[r] && key < state.seen.last[r];
        } else {
          const int group = device::thread_index() % device::warp_threads / operands.plan.lanes;
          sees[j] = (device::shuffle(shown, r * keys_ahead + j) >> group & 1) != 0 && key < end;
          scores[j][r] = formed(scores[j][r], r, key, state);
        }
      }
      if (operands.given == nullptr) raise_maximum(r, sees, scores, state);
      LOOKBACK_UNROLL
      for (int j = 0; j < keys_ahead; ++j) {
        if (!sees[j]) continue;
        const float weight = device::exp(scores[j][r] - state.maximum[r]);
        state.total[r] += weight;
        LOOKBACK_UNROLL
        for (int i = 0; i < packs * width; ++i) {
          const auto value = static_cast<float>(values[j][i / width].element[i % width]);
          state.sums[r][i] = device::fma(weight, value, state.sums[r][i]);
        }
      }
    }
  }

  LOOKBACK_DEVICE void add_scores(const Place& at, int p, const KeyPack (&keys)[keys_ahead][packs],
                                  float (&scores)[keys_ahead][rows]) const {
    LOOKBACK_UNROLL
    for (int r = 0; r < rows; ++r) {
      const float* queries = shared() + (p * rows + r) * columns();
      LOOKBACK_UNROLL
      for (int i = 0; i < packs * width; i += 4) {
        const auto four = read_pack<4>(queries + place_of(at.lane, i / width, i % width / 4));
        LOOKBACK_UNROLL
        for (int j = 0; j < keys_ahead; ++j) {
          LOOKBACK_UNROLL
          for (int e = 0; e < 4; ++e) {
            const auto key = static_cast<float>(keys[j][i / width].element[i % width + e]);
            scores[j][r] = device::fma(four.element[e], key, scores[j][r]);
          }
        }
      }
    }
  }

  LOOKBACK_DEVICE float formed(float score, int r, int key, const State& state) const {
    const int distance = state.seen.position[r] - position_of_key(operands.shape, key);
    const auto form = operands.form.with_slope(state.seen.slope[r]);
    return form(score, static_cast<float>(distance)).score;
  }

  LOOKBACK_DEVICE void raise_maximum(int r, const bool (&sees)[keys_ahead],
                                     const float (&scores)[keys_ahead][rows], State& state) const {
    float highest = state.maximum[r];
    LOOKBACK_UNROLL
    for (int j = 0; j < keys_ahead; ++j) {
      if (sees[j] && scores[j][r] > highest) highest = scores[j][r];
    }
    scale(r, share_of(state.maximum[r], highest), state);
    state.maximum[r] = highest;
  }
  LOOKBACK_DEVICE void scale(int r, float share, State& state) const {
    if (share == 1) return;
    state.total[r] *= share;
    LOOKBACK_UNROLL
    for (int i = 0; i < packs * width; ++i) state.sums[r][i] *= share;
  }

  // The groups of lanes of a warp, which have had different keys.
  LOOKBACK_DEVICE void join_groups(State& state) const {
    for (int lanes = operands.plan.lanes; lanes < device::warp_threads; lanes *= 2) {
      LOOKBACK_UNROLL
      for (int r = 0; r < rows; ++r) {
        const float other = device::shuffle_xor(state.maximum[r], lanes);
        const float highest = other > state.maximum[r] ? other : state.maximum[r];
        scale(r, share_of(state.maximum[r], highest), state);
        state.maximum[r] = highest;
        state.total[r] += device::shuffle_xor(state.total[r], lanes);
        LOOKBACK_UNROLL
        for (int i = 0; i < packs * width; ++i) {
          state.sums[r][i] += device::shuffle_xor(state.sums[r][i], lanes);
        }
      }
    }
  }

  // What a warp has goes to shared memory: [warps, rows, 2 + columns].
  LOOKBACK_DEVICE float* of_warp(int warp, int r) const {
    return shared() + (warp * rows + r) * (2 + columns());
  }
  LOOKBACK_DEVICE void leave(const Place& at, const State& state) const {
    if (device::thread_index() % device::warp_threads >= operands.plan.lanes) return;
    LOOKBACK_UNROLL
    for (int r = 0; r < rows; ++r) {
      float* to = of_warp(device::thread_index() / device::warp_threads, r);
      if (at.lane == 0) {
        to[0] = state.maximum[r];
        to[1] = state.total[r];
      }
      LOOKBACK_UNROLL
      for (int i = 0; i < packs * width; ++i) {
        to[2 + (i / width * operands.plan.lanes + at.lane) * width + i % width] = state.sums[r][i];
      }
    }
  }

  // The warps are joined; the only split of a row is its result.
  LOOKBACK_DEVICE void finish(const Place& at) const {
    for (int r = 0; r < rows && has_row(at, r); ++r) {
      float highest = of_warp(0, r)[0];
      for (int warp = 1; warp < decode_warps; ++warp) {
        const float other = of_warp(warp, r)[0];
        if (other > highest) highest = other;
      }
      float total = 0, shares[decode_warps];
      LOOKBACK_UNROLL
      for (int warp = 0; warp < decode_warps; ++warp) {
        shares[warp] = share_of(of_warp(warp, r)[0], highest);
        total += shares[warp] * of_warp(warp, r)[1];
      }
      const auto row = operands.row_at(at.key_head, at.first_row + r);
      const bool only = operands.plan.splits == 1;
      const auto part =
          (at.key_head * operands.rows_of_key_head() + at.first_row + r) * operands.plan.splits +
          at.split;
      if (device::thread_index() == 0) {
        if (only) {
          operands.write_log_sum_exp(row, highest, total);
        } else {
          operands.totals[2 * part] = highest;
          operands.totals[2 * part + 1] = total;
        }
      }
      const auto value_width = static_cast<int>(operands.v.width);
      for (int column = device::thread_index(); column < value_width; column += threads) {
        float sum = 0;
        LOOKBACK_UNROLL
        for (int warp = 0; warp < decode_warps; ++warp) {
          sum = device::fma(shares[warp], of_warp(warp, r)[2 + column], sum);
        }
        if (only) {
          operands.write(row, column, sum, total);
        } else {
          operands.sums[part * value_width + column] = sum;
        }
      }
    }
  }
};

}  // namespace lookback::kernels
