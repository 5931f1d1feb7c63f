// What rows are told of the keys that they see (kernels/cuda/attention/attention_pattern.h), key by
// key against the words of the rule.
#include <gtest/gtest.h>

#include "kernels/cuda/attention/attention_pattern.h"
#include "tests/kernels/attention_problem.h"

namespace lookback::kernels {
namespace {

std::vector<ProblemShape> shapes() {
  std::vector<ProblemShape> all;
  for (const std::int64_t rows : {1, 31, 33, 65, 130}) {
    for (const std::int64_t offset : {-3, 0, 70}) {
      for (const std::int64_t window : {0, 1, 16, 64, 100}) {
        ProblemShape shape{.sequences = 2,
                           .rows = rows,
                           .keys = rows + (offset > 0 ? offset : 0),
                           .heads = 3,
                           .key_heads = 1,
                           .offset = offset,
                           .window = window};
        all.push_back(shape);
        shape.documents = true;
        all.push_back(shape);
        shape.documents = false;
        if (window == 0) continue;
        shape.dilations = {1, 3, 50};
        all.push_back(shape);
        shape.global_keys = {0, 40, 63, 64, 90};
        all.push_back(shape);
        shape.documents = true;
        all.push_back(shape);
        shape.documents = false;
        shape.dilations = {};
        shape.random_blocks = 2;
        shape.block_size = 7;
        all.push_back(shape);
        shape.global_keys = {};
        all.push_back(shape);
        shape.scattered_keys = true;
        all.push_back(shape);
      }
    }
  }
  return all;
}

// body(row, whether it sees a key) for all rows of all heads.
template <class Body>
void for_each_row(const ProblemShape& shape, const CausalMask& mask, const Body& body) {
  for (std::int64_t b = 0; b < shape.sequences; ++b) {
    for (std::int64_t h = 0; h < shape.heads; ++h) {
      for (std::int64_t t = 0; t < shape.rows; ++t) {
        body(SeeingRow{b, h, t},
             [&](std::int64_t key) { return visible_by_words(shape, mask, b, h, t, key); });
      }
    }
  }
}

TEST(AttentionPatternTiles, RowsFindTheKeysThatTheySee) {
  for (const auto& shape : shapes()) {
    SCOPED_TRACE(shape.name());
    const auto mask = make_mask(shape, 1);
    const auto rule = mask.view().rule();
    for_each_row(shape, mask, [&](const SeeingRow& at, const auto& sees) {
      for (std::int64_t first = 0; first <= shape.keys; first += 29) {
        const auto seen = seen_keys(rule, at, first, shape.keys);
        for (int i = 0; i < seen_bits; ++i) {
          const bool expected = first + i < shape.keys && sees(first + i);
          ASSERT_EQ((seen & bit_of(i)) != 0, expected) << at.head << " " << at.row << " " << first;
        }
      }
    });
    if (HasFatalFailure()) return;
  }
}

TEST(AttentionPatternTiles, RowsFindTheNextKey) {
  for (const auto& shape : shapes()) {
    SCOPED_TRACE(shape.name());
    const auto mask = make_mask(shape, 1);
    const auto rule = mask.view().rule();
    for_each_row(shape, mask, [&](const SeeingRow& at, const auto& sees) {
      for (std::int64_t first = 0; first <= shape.keys; first += 13) {
        auto expected = first;
        while (expected < shape.keys && !sees(expected)) ++expected;
        const auto next = next_seen_key(rule, at, first, shape.keys);
        if (shape.scattered_keys) {
          ASSERT_TRUE(first <= next && next <= expected) << at.row << " " << first;
        } else {
          ASSERT_EQ(next, expected) << at.head << " " << at.row << " " << first;
        }
      }
    });
    if (HasFatalFailure()) return;
  }
}

// No row that sees a block of keys is passed over; without documents and random blocks none is
// named that stands a block away from all that do.
TEST(AttentionPatternTiles, BlocksOfKeysFindTheNextRow) {
  constexpr std::int64_t count = 32;
  for (const auto& shape : shapes()) {
    SCOPED_TRACE(shape.name());
    const auto mask = make_mask(shape, 1);
    const auto rule = mask.view().rule();
    for (std::int64_t head = 0; head < shape.heads; ++head) {
      for (std::int64_t key = 0; key < shape.keys; key += count) {
        std::vector<bool> sees(static_cast<std::size_t>(shape.rows));
        for (std::int64_t row = 0; row < shape.rows; ++row) {
          for (auto i = key; i < std::min(key + count, shape.keys); ++i) {
            for (std::int64_t b = 0; b < shape.sequences; ++b) {
              if (!visible_by_words(shape, mask, b, head, row, i)) continue;
              sees[static_cast<std::size_t>(row)] = true;
            }
          }
        }
        std::int64_t last = -1;
        for (std::int64_t row = 0; row < shape.rows; ++row) {
          if (sees[static_cast<std::size_t>(row)]) last = row;
        }
        for (std::int64_t first = 0; first < shape.rows; ++first) {
          const auto row = next_row_that_may_see(rule, head, key, count, first, shape.rows);
          ASSERT_TRUE(first <= row && row <= shape.rows);
          for (auto between = first; between < row; ++between) {
            ASSERT_FALSE(sees[static_cast<std::size_t>(between)]) << key << " " << between;
          }
          const bool exact = !shape.documents && !shape.scattered_keys &&
                             shape.random_blocks == 0 && shape.dilations.empty() &&
                             key + count <= shape.keys;
          if (exact && first > last) {
            ASSERT_EQ(row, shape.rows) << key << " " << first;
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace lookback::kernels
