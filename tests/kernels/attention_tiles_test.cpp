// The index arithmetic of the streaming attention kernels, for all awkward sizes.
#include "kernels/cuda/attention/attention_tiles.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <tuple>
#include <vector>

namespace lookback::kernels {
namespace {

const std::int64_t sizes[] = {1, 7, 31, 32, 33, 63, 64, 65, 130};

TEST(AttentionTiles, HeadSizesArePaddedToTheNextTile) {
  for (std::int64_t width = 8; width <= widest_tile; width += 8) {
    const int by_warps = contracted_columns<WarpTiles<BFloat16>>(width);
    const int by_warpgroups = contracted_columns<WarpgroupTiles>(width);
    for (const int columns : {accumulated_columns<BFloat16>(width),
                              accumulated_columns<float>(width), by_warps, by_warpgroups}) {
      EXPECT_GE(columns, width);
      EXPECT_EQ(columns % 16, 0) << width;  // what one product of the tensor cores sums over
    }
    EXPECT_LT(by_warps - width, 16);
    EXPECT_LE(by_warpgroups, accumulated_columns<BFloat16>(width));
    int visited = 0;
    visit_accumulated_columns<BFloat16>(width, [&]<int columns>() {
      ++visited;
      EXPECT_EQ(columns, accumulated_columns<BFloat16>(width));
    });
    visit_accumulated_columns<float>(width, [&]<int columns>() {
      ++visited;
      EXPECT_EQ(columns, accumulated_columns<float>(width));
    });
    EXPECT_EQ(visited, 2) << width;
  }
  EXPECT_EQ((accumulated_columns<BFloat16, Rules::any>(136)), 256);
  EXPECT_EQ((accumulated_columns<float, Rules::any>(40)), 128);
  EXPECT_EQ((accumulated_columns<float, Rules::any>(136)), 0);
  EXPECT_EQ(accumulated_columns<BFloat16>(40), 64);
  EXPECT_EQ(accumulated_columns<BFloat16>(160), 192);
  EXPECT_EQ(accumulated_columns<BFloat16>(264), 0);
}

// Eight rows that lie below each other begin in eight different groups of four banks.
template <class T>
void expect_rows_in_different_banks(int columns) {
  std::set<std::size_t> groups;
  for (std::size_t row = 0; row < 8; ++row) {
    const auto stride = static_cast<std::size_t>(PaddedTile<T>::stride_of(columns));
    groups.insert(row * stride * sizeof(T) / 16 % 8);
  }
  EXPECT_EQ(groups.size(), 8U) << columns;
}
TEST(AttentionTiles, RowsSpreadOverTheBanks) {
  for (int columns = 16; columns <= widest_tile; columns += 16) {
    expect_rows_in_different_banks<BFloat16>(columns);
    expect_rows_in_different_banks<float>(columns);
  }
}

TEST(AttentionTiles, OnePieceOfAnyHeadSizeFitsIntoSharedMemoryOfAnA100) {
  constexpr std::size_t bytes_of_a100 = std::size_t{163} << 10;
  for (std::int64_t width = 8; width <= widest_tile; width += 8) {
    for (std::int64_t value_width = 8; value_width <= widest_tile; value_width += 8) {
      const std::vector<std::int64_t> widths = {width};
      ASSERT_LE(max_shared_bytes<WarpTiles<BFloat16>>(widths, value_width), bytes_of_a100)
          << width << " " << value_width;
      ASSERT_LE(max_shared_bytes<WarpTiles<float>>(widths, value_width), bytes_of_a100)
          << width << " " << value_width;
      ASSERT_LE(max_shared_bytes<WarpgroupTiles>(widths, value_width), bytes_of_a100)
          << width << " " << value_width;
      const auto bytes_under_any_rules =
          std::max({max_shared_bytes<WarpTiles<BFloat16>, Rules::any>(widths, value_width),
                    max_shared_bytes<WarpTiles<float>, Rules::any>(widths, value_width),
                    max_shared_bytes<WarpgroupTiles, Rules::any>(widths, value_width)});
      ASSERT_LE(bytes_under_any_rules, bytes_of_a100) << width << " " << value_width;
    }
  }
}

struct MaskCase {
  VisibleKeys visible;
  std::int64_t keys;
};
std::vector<MaskCase> masks(std::int64_t rows) {
  std::vector<MaskCase> all;
  for (const std::int64_t window : {0, 1, 5, 33, 200}) {
    for (const std::int64_t offset : {-40, -1, 0, 3, 64, 99}) {
      for (const auto keys : {std::int64_t{0}, std::int64_t{1}, rows, rows + 70}) {
        all.push_back({{.offset = offset, .window = window}, keys});
      }
    }
  }
  return all;
}

// What a block of rows is told of its keys, against every row and key.
TEST(AttentionTiles, BlocksOfRowsFindTheKeysTheySee) {
  for (const auto rows : sizes) {
    for (const auto& mask : masks(rows)) {
      for (const int tile : {32, 64}) {
        SeenByBlock seen;
        for (std::int64_t row = 0; row < rows; ++row) {
          const auto range = mask.visible.keys_of(0, row, mask.keys);
          seen.add(range.empty() ? 0 : static_cast<int>(range.first),
                   range.empty() ? 0 : static_cast<int>(range.last));
        }
        const int begin = seen.begin(tile);
        EXPECT_EQ(begin % tile, 0);
        for (int first = begin; first < seen.last; first += tile) {
          bool all = true;
          for (std::int64_t row = 0; row < rows; ++row) {
            const auto range = mask.visible.keys_of(0, row, mask.keys);
            for (int key = first; key < first + tile; ++key) all = all && range.contains(key);
          }
          ASSERT_EQ(seen.whole(first, tile), all) << rows << " " << first;
        }
        for (std::int64_t row = 0; row < rows; ++row) {
          const auto range = mask.visible.keys_of(0, row, mask.keys);
          if (range.empty()) continue;
          ASSERT_FALSE(seen.nothing());
          ASSERT_LE(begin, range.first);
          ASSERT_GE(seen.last, range.last);
        }
      }
    }
  }
}

TEST(AttentionTiles, BlocksOfKeysFindTheQueriesThatSeeThem) {
  for (const auto rows : sizes) {
    for (const auto& mask : masks(rows)) {
      for (std::int64_t key = 0; key < mask.keys; key += 64) {
        const auto range = queries_that_may_see(mask.visible, key, 64, rows);
        ASSERT_LE(0, range.first);
        ASSERT_LE(range.first, range.last);
        for (std::int64_t row = 0; row < rows; ++row) {
          const auto seen = mask.visible.keys_of(0, row, mask.keys);
          const auto in_block = rows_of_block(seen, key, 64);
          bool any = false;
          for (int i = 0; i < 64; ++i) {
            const bool visible = in_block.first <= i && i < in_block.last;
            ASSERT_EQ(visible, seen.contains(key + i)) << row << " " << key + i;
            any = any || visible;
          }
          if (any) {
            ASSERT_TRUE(range.first <= row && row < range.last) << row << " of " << rows;
          }
        }
        // Without documents the first and the last row of the range do see something.
        if (range.first < range.last) {
          for (const auto row : {range.first, range.last - 1}) {
            const auto seen = mask.visible.keys_of(0, row, mask.keys);
            if (mask.keys >= key + 64) {
              EXPECT_TRUE(seen.first < key + 64 && seen.last > key) << row << " " << key;
            }
          }
        }
      }
    }
  }
}

// Every row of every head belongs to one block.
TEST(AttentionTiles, BlocksCoverEveryRowOnce) {
  const std::int64_t sequences = 2, key_heads = 3, group = 2;
  for (const auto rows : sizes) {
    for (const int of_block : {32, 64}) {
      const auto blocks = (rows + of_block - 1) / of_block;
      std::set<std::tuple<std::int64_t, std::int64_t, std::int64_t, std::int64_t>> queries, keys;
      for (std::int64_t i = 0; i < blocks * sequences * key_heads * group; ++i) {
        const auto at = place_of_query_block(i, sequences, key_heads, group, rows, of_block);
        EXPECT_TRUE(at.sequence < sequences && at.key_head < key_heads && at.head_in_group < group);
        EXPECT_TRUE(at.first >= 0 && at.first < rows && at.first % of_block == 0);
        queries.insert({at.sequence, at.key_head, at.head_in_group, at.first});
      }
      EXPECT_EQ(queries.size(), static_cast<std::size_t>(blocks * sequences * key_heads * group));
      for (std::int64_t i = 0; i < blocks * sequences * key_heads; ++i) {
        const auto at = place_of_key_block(i, sequences, key_heads, of_block);
        EXPECT_TRUE(at.sequence < sequences && at.key_head < key_heads && at.head_in_group == 0);
        EXPECT_TRUE(at.first >= 0 && at.first < rows);
        keys.insert({at.sequence, at.key_head, 0, at.first});
      }
      EXPECT_EQ(keys.size(), static_cast<std::size_t>(blocks * sequences * key_heads));
    }
  }
}

TEST(AttentionTiles, SumsOfSeveralPiecesFitIntoRegisters) {
  for (std::int64_t width = 8; width <= widest_tile; width += 8) {
    for (const int count : {1, 2, 5}) {
      int visited = 0;
      visit_targets<BFloat16>(width, count, [&]<int columns, int targets>() {
        ++visited;
        EXPECT_EQ(columns, accumulated_columns<BFloat16>(width));
        EXPECT_LE(columns * targets, 256);
        EXPECT_TRUE(targets == 1 || targets == max_targets<BFloat16>(width));
        EXPECT_EQ(targets == 1, count == 1 || max_targets<BFloat16>(width) == 1);
        EXPECT_LE(targets, max_targets_of_any);
      });
      EXPECT_EQ(visited, 1);
    }
  }
}

}  // namespace
}  // namespace lookback::kernels
