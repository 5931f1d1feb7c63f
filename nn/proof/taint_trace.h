// What ran on the taint device, operation by operation, and which of it looks ahead.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kernels/core/slot.h"
#include "runtime/tensor.h"

namespace lookback {

// Rows of the token axis: `rows` of them (a number that divides no other size of the model), the
// first at position `offset` of the sequence. Sources are the 64 positions from `first_source`.
struct TokenRows {
  std::int64_t rows = 0;
  std::int64_t offset = 0;
  std::int64_t first_source = 0;
};

struct LookAhead {
  std::int64_t target = 0, source = 0;
};

// The smallest target, and its smallest source, for which row t of x holds a later position. `dim`
// holds the rows, once or several times over (heads): row r is that of token (r / copies) mod rows,
// where so many of a token stand together. x lives on the taint device.
std::optional<LookAhead> look_ahead(const TensorView& x, int dim, const TokenRows& tokens,
                                    std::int64_t copies = 1);

// Listens to every kernel of its thread during its lifetime.
class TaintTrace {
 public:
  TaintTrace();
  TaintTrace(const TaintTrace&) = delete;
  TaintTrace& operator=(const TaintTrace&) = delete;

  // The kernels from now on work on these rows.
  void begin(const TokenRows& token_rows) { tokens_ = token_rows; }

  struct Operation {
    std::string name, scope;
    std::vector<std::uint64_t> inputs, outputs;  // serials of memory blocks
    bool looks_ahead = false;
  };
  // The earliest operation on the way to `result` that looks ahead.
  const Operation* earliest_leak_to(const Tensor& result) const;

 private:
  void note(const kernels::SlotBase& slot, const std::vector<kernels::In>& inputs,
            const std::vector<kernels::Out>& outputs);
  bool leaks(std::string_view operation, const kernels::Out& output) const;

  TokenRows tokens_;
  std::vector<Operation> operations_;
  kernels::ObserveKernels observing_;
};

}  // namespace lookback
