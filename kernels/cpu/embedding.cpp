#include "kernels/embedding.h"

#include <cstring>

#include "kernels/cpu/indices.h"
#include "runtime/parallel.h"

namespace lookback::kernels {
namespace {

constexpr std::int64_t elements_per_chunk = 1 << 16;
constexpr std::int64_t no_position = -1;

// The positions of each id as a linked list.
struct Lists {
  std::int64_t* first;  // [V]
  std::int64_t* next;   // [positions]
  explicit Lists(const EmbeddingBackwardArgs& a)
      : first(a.workspace.as<std::int64_t>()), next(first + a.dtable.size(0)) {}
};

std::int64_t rows_per_chunk(std::int64_t columns) {
  return std::max<std::int64_t>(1, elements_per_chunk / std::max<std::int64_t>(1, columns));
}

void forward(const EmbeddingForwardArgs& a) {
  check_indices("embedding", "id", a.ids, a.table.size(0));
  const auto* id = a.ids.as<std::int64_t>();
  const auto row_bytes = static_cast<std::size_t>(a.table.size(1)) * size_of(a.table.dtype);
  const auto* table = a.table.as<std::byte>();
  auto* y = a.y.as<std::byte>();
  parallel_for(a.ids.numel(), rows_per_chunk(a.table.size(1)),
               [&](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t i = begin; i < end; ++i) {
                   std::memcpy(y + static_cast<std::size_t>(i) * row_bytes,
                               table + static_cast<std::size_t>(id[i]) * row_bytes, row_bytes);
                 }
               });
}

// Threads own rows of the table, so that nothing is added to by two of them.
template <class T>
void sum_row(const EmbeddingBackwardArgs& a, const Lists& lists, std::int64_t row,
             std::int64_t columns) {
  using Sum = Accumulator<T>;
  constexpr std::int64_t width = 256;
  const auto first = lists.first[row];
  T* dtable = a.dtable.as<T>() + row * columns;
  if (first == no_position) {
    std::memset(static_cast<void*>(dtable), 0, static_cast<std::size_t>(columns) * sizeof(T));
    return;
  }
  for (std::int64_t start = 0; start < columns; start += width) {
    const auto count = std::min(width, columns - start);
    Sum sums[width] = {};
    for (auto position = first; position != no_position; position = lists.next[position]) {
      const T* dy = a.dy.as<T>() + position * columns + start;
      for (std::int64_t d = 0; d < count; ++d) sums[d] += static_cast<Sum>(dy[d]);
    }
    for (std::int64_t d = 0; d < count; ++d) dtable[start + d] = static_cast<T>(sums[d]);
  }
}

void backward(const EmbeddingBackwardArgs& a) {
  const std::int64_t table_rows = a.dtable.size(0);
  const std::int64_t columns = a.dtable.size(1);
  const auto* id = a.ids.as<std::int64_t>();
  const Lists lists(a);
  std::fill(lists.first, lists.first + table_rows, no_position);
  for (std::int64_t i = a.ids.numel() - 1; i >= 0; --i) {  // last first, so that the lists ascend
    lists.next[i] = lists.first[id[i]];
    lists.first[id[i]] = i;
  }
  visit_floating(a.dtable.dtype, [&]<class T>(TypeTag<T>) {
    parallel_for(table_rows, rows_per_chunk(columns), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t row = begin; row < end; ++row) sum_row<T>(a, lists, row, columns);
    });
  });
}

std::size_t workspace_bytes(const EmbeddingBackwardArgs& a) {
  return static_cast<std::size_t>(a.dtable.size(0) + a.ids.numel()) * sizeof(std::int64_t);
}

const Registration forward_registered{embedding_forward, Backend::cpu, forward};
const Registration backward_registered{embedding_backward, Backend::cpu, backward, workspace_bytes};

}  // namespace
}  // namespace lookback::kernels
