#include "autograd/ops/embedding.h"

#include "autograd/ops/contiguous.h"
#include "autograd/record.h"
#include "autograd/workspace.h"
#include "kernels/embedding.h"

namespace lookback {
namespace {

struct EmbeddingBackward {
  static constexpr std::string_view name = "embedding";
  SavedTensor ids;
  Shape table;

  std::vector<Tensor> operator()(const Tensor& given_dy, Needed) const {
    const auto dy = contiguous(given_dy);
    const auto positions = ids.get();
    const auto dtable = empty(table, dy.dtype(), dy.device());
    run_with_workspace(
        kernels::embedding_backward, dy.device(),
        kernels::EmbeddingBackwardArgs{.dy = dy, .ids = positions, .dtable = dtable});
    return {Tensor{}, dtable};
  }
};

}  // namespace

Tensor embedding(const Tensor& given_ids, const Tensor& given_table) {
  const Check check{"embedding"};
  check(given_ids.dtype() == DType::i64, "ids must be int64, not {}", given_ids.dtype());
  check(given_table.rank() == 2 && is_floating(given_table.dtype()),
        "table {} {} must be floating with two dimensions, (V, D)", given_table.dtype(),
        given_table.shape());
  const auto ids = contiguous(given_ids);
  const auto table = contiguous(given_table);
  auto shape = ids.shape();
  shape.push_back(table.size(1));
  const auto y = empty(shape, table.dtype(), table.device());
  kernels::embedding_forward(table.backend(), {.ids = ids, .table = table, .y = y});
  return record<EmbeddingBackward>(y, {ids, table}, [&] {
    return EmbeddingBackward{ids, table.shape()};
  });
}

}  // namespace lookback
