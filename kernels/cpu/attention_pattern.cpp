#include "kernels/cpu/attention_pattern.h"

#include <cstring>

#include "kernels/cpu/shown_keys.h"

namespace lookback::kernels {
namespace {

// Calls body(key) for each byte of [first, last) that is not 0.
template <class Body>
void for_each_marked(const std::uint8_t* marks, std::int64_t first, std::int64_t last,
                     const Body& body) {
  constexpr std::int64_t word_bytes = 8;
  for (auto at = first; at < last;) {
    std::uint64_t word = 1;
    if (at + word_bytes <= last) std::memcpy(&word, marks + at, word_bytes);
    if (word == 0) {
      at += word_bytes;
      continue;
    }
    const auto end = std::min(at + word_bytes, last);
    for (; at < end; ++at) {
      if (marks[at] != 0) body(at);
    }
  }
}

// Calls body(run) for runs of the keys of `within` that row number i of the block sees; none is
// empty. The heads of a block see the same.
template <class Body>
void for_each_run_within(const AttentionShape& shape, const PatternBlock& block, std::int64_t i,
                         const KeyRange& within, const Body& body) {
  const auto& rule = shape.visible;
  const auto row = block.row_of(i);
  if (rule.key_positions != nullptr) {
    for (auto s = within.first; s < within.last; ++s) {
      if (rule.visible(block.sequence, block.head, row, s, shape.keys)) body(KeyRun{s, s + 1, 1});
    }
    return;
  }
  for_each_run(rule, block.sequence, block.head, row, shape.keys, [&](KeyRun run) {
    if (run.first < within.first) {
      run.first += (within.first - run.first + run.step - 1) / run.step * run.step;
    }
    run.last = std::min(run.last, within.last);
    if (run.first < run.last) body(run);
  });
}

// Splits rows first, first + step, .. of some heads into blocks.
void add_blocks(const AttentionShape& shape, const PatternBlock& heads, std::int64_t first,
                std::int64_t step, std::int64_t positions, std::vector<PatternBlock>& all) {
  auto block = heads;
  const auto finish = [&] {
    if (!block.rows.empty()) all.push_back(block);
    block.rows.clear();
  };
  for (auto row = first; row < shape.rows; row += step) {
    const auto position = shape.visible.offset + row - shape.visible.start_of(heads.sequence, row);
    if (position >= positions && shape.visible.pattern.is_global(position)) {
      auto alone = heads;
      alone.rows = {row};
      all.push_back(alone);
      continue;
    }
    block.rows.push_back(row);
    if (block.positions() == positions) finish();
  }
  finish();
}

}  // namespace

// Milliseconds forward and backward at B 1, T 2048, 4 heads of 64 over 2 key heads, f32, one thread
// of a Xeon, in blocks of 1 (gathered), 4, 8, 16, 32 and 64 positions; all keys take 466:
//
//   window 64, dilation 4                          510  166  130   91   77   93
//   window 64, 4 global                            299  158  105  107   91  122
//   window 64, 3 random blocks of 16               754  283  199  160  178  181
//   window 48, 16 global, 3 random blocks of 16    675  256  197  161  164  201
//   window 1, 2 random keys                        218  132  114  104  123  125
std::int64_t pattern_positions(const VisibleKeys& rule) {
  return rule.pattern.random_blocks != nullptr ? 16 : 32;
}

std::vector<PatternBlock> pattern_blocks(const AttentionShape& shape, std::int64_t sequence,
                                         std::int64_t key_head, std::int64_t positions) {
  std::vector<PatternBlock> all;
  const auto most =
      same_for_heads(shape.visible.pattern)
          ? std::max<std::int64_t>(
                1, query_rows / std::max<std::int64_t>(1, std::min(positions, shape.rows)))
          : 1;
  const auto last = (key_head + 1) * shape.group;
  for (auto head = key_head * shape.group; head < last; head += most) {
    const PatternBlock heads{
        .sequence = sequence, .head = head, .heads = std::min(most, last - head), .rows = {}};
    // Random blocks are those of a run of rows: rows far apart would see more of them.
    const auto& pattern = shape.visible.pattern;
    const auto step = pattern.random_blocks == nullptr ? pattern.dilation_of(head) : 1;
    for (std::int64_t first = 0; first < std::min(step, shape.rows); ++first) {
      add_blocks(shape, heads, first, step, positions, all);
    }
  }
  return all;
}

PackedKeys pack_keys(const AttentionShape& shape, const PatternBlock& block,
                     const KeyRange& within) {
  thread_local std::vector<std::uint8_t> marks;      // by key; zeros between calls
  thread_local std::vector<std::int64_t> column_of;  // by key
  if (static_cast<std::int64_t>(marks.size()) < shape.keys) {
    marks.resize(static_cast<std::size_t>(shape.keys));
    column_of.resize(marks.size());
  }
  KeyRange marked{shape.keys, 0};
  for (std::int64_t i = 0; i < block.positions(); ++i) {
    for_each_run_within(shape, block, i, within, [&](const KeyRun& run) {
      for (auto s = run.first; s < run.last; s += run.step) marks[static_cast<std::size_t>(s)] = 1;
      marked = {std::min(marked.first, run.first), std::max(marked.last, run.last)};
    });
  }
  PackedKeys packed;
  for_each_marked(marks.data(), marked.first, marked.last, [&](std::int64_t key) {
    column_of[static_cast<std::size_t>(key)] = packed.columns();
    marks[static_cast<std::size_t>(key)] = 0;
    packed.keys.push_back(key);
  });
  const auto columns = packed.columns();
  packed.shown.resize(static_cast<std::size_t>(block.count() * columns));
  packed.row_ranges.resize(static_cast<std::size_t>(block.count()));
  for (std::int64_t i = 0; i < block.count(); ++i) {
    std::uint8_t* shown = packed.shown.data() + i * columns;
    KeyRange range{columns, 0};
    for_each_run_within(shape, block, i, within, [&](const KeyRun& run) {
      for (auto s = run.first; s < run.last; s += run.step) {
        const auto column = column_of[static_cast<std::size_t>(s)];
        shown[column] = 1;
        range = {std::min(range.first, column), std::max(range.last, column + 1)};
      }
    });
    packed.row_ranges[static_cast<std::size_t>(i)] = range.first < range.last ? range : KeyRange{};
  }
  return packed;
}

const std::uint8_t* PackedKeys::tile(std::int64_t first, std::int64_t count,
                                     KeyRange* visible) const {
  bool all = true;
  for (std::size_t i = 0; i < row_ranges.size(); ++i) {
    visible[i] = {std::clamp<std::int64_t>(row_ranges[i].first - first, 0, count),
                  std::clamp<std::int64_t>(row_ranges[i].last - first, 0, count)};
    const std::uint8_t* row = shown.data() + static_cast<std::int64_t>(i) * columns() + first;
    all =
        all && std::memchr(row + visible[i].first, 0,
                           static_cast<std::size_t>(visible[i].last - visible[i].first)) == nullptr;
  }
  return all ? nullptr : shown.data() + first;
}

}  // namespace lookback::kernels
