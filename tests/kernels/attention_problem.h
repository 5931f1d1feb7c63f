// An attention problem of any shape, with its answer computed the long way in double: every score,
// every weight, every gradient, one loop per index of the formula.
#pragma once

#include <string>
#include <vector>

#include "autograd/ops/causal_mask.h"
#include "kernels/attention.h"
#include "kernels/attention_weights.h"
#include "runtime/tensor.h"

namespace lookback::kernels {

struct ProblemShape {
  std::int64_t sequences = 1;
  std::int64_t rows = 1;
  std::int64_t keys = 1;
  std::int64_t heads = 1;
  std::int64_t key_heads = 1;
  std::vector<std::int64_t> widths = {8};
  std::int64_t value_width = 8;
  std::int64_t offset = 0;
  std::int64_t window = 0;
  bool documents = false;  // a new document every seven positions
  std::int64_t gap = 3;    // unused elements behind each row of q and k
  double soft_cap = 0;
  bool slopes = false;  // in [0, 1/2)
  std::vector<std::int64_t> dilations = {}, global_keys = {};
  std::int64_t random_blocks = 0, block_size = 1;  // for each block of queries
  bool scattered_keys = false;                     // key s stands anywhere, not at s
  std::string name() const;
};

CausalMask make_mask(const ProblemShape& shape, unsigned seed);
// Whether row t of head h sees the key: from the words, not from the kernels' rule.
bool visible_by_words(const ProblemShape& shape, const CausalMask& mask, std::int64_t b,
                      std::int64_t h, std::int64_t t, std::int64_t key);

// Numbers in double, row-major in the order of the names.
using Numbers = std::vector<double>;

struct AttentionAnswer {
  Numbers weights;      // [B, H, T, S]
  Numbers y;            // [B, T, H, V]
  Numbers log_sum_exp;  // [B, H, T]
  std::vector<Numbers> dq, dk;
  Numbers dv, dscales;
};

// Operands of dtype T with random numbers, the kernels' outputs, and the reference.
template <class T>
class AttentionProblem {
 public:
  explicit AttentionProblem(const ProblemShape& shape, unsigned seed = 1,
                            Device device = cpu_device);

  const ProblemShape shape;
  const Device device;       // where the kernels run: all tensors here lie on the host
  std::vector<Tensor> q, k;  // views into wider tensors, as a fused projection leaves them
  Tensor v, scales, dy, slopes;
  CausalMask mask;

  struct Run {
    Tensor y, log_sum_exp;
    std::vector<Tensor> dq, dk;
    Tensor dv, dscales;
  };
  // Without `given` computes the log-sum-exp.
  void forward(Run& run, const Tensor& given = {}) const;
  // Adds to dq and dk where they are there already.
  void backward(Run& run) const;
  // The explicit form of both. The weights come back too.
  Tensor explicit_weights() const;
  Run explicit_run(const Tensor& weights) const;

  AttentionAnswer answer() const;

 private:
  Tensor placed(const Tensor& x) const;
  std::vector<Tensor> placed(const std::vector<Tensor>& list) const;
  CausalMask placed_mask() const;
  ScoreForm form_of(const Tensor& placed_slopes) const;
};

extern template class AttentionProblem<float>;
extern template class AttentionProblem<double>;
extern template class AttentionProblem<BFloat16>;

// Row-major numbers of any view.
Numbers numbers_of(const Tensor& x);

}  // namespace lookback::kernels
