#include "kernels/taint/cells.h"
#include "kernels/taint/dependency_call.h"

namespace lookback::kernels::taint {
namespace {

// Where row (sequence, position, head) of [B, T, H, ..] begins; in [B, H, T] its one element.
std::int64_t row_offset(const Operand& x, std::int64_t sequence, std::int64_t position,
                        std::int64_t head) {
  const bool one_each = x.rank() == 3;
  return sequence * x.stride(0) + position * x.stride(one_each ? 2 : 1) +
         head * x.stride(one_each ? 1 : 2);
}
std::int64_t row_elements(const Operand& x) { return x.rank() == 3 ? 1 : x.size(3); }
std::int64_t element_step(const Operand& x) { return x.rank() == 3 ? 0 : x.stride(3); }

SourceSet set_of_row(const In& x, std::int64_t sequence, std::int64_t position, std::int64_t head) {
  const Cells cells(x);
  const auto first = row_offset(x, sequence, position, head);
  SourceSet set = 0;
  for (std::int64_t i = 0; i < row_elements(x); ++i) set |= cells.set(first + i * element_step(x));
  return set;
}

SourceSet set_of_rows(const InList& operands, std::int64_t sequence, std::int64_t position,
                      std::int64_t head) {
  SourceSet set = 0;
  for (const auto& x : operands) set |= set_of_row(x, sequence, position, head);
  return set;
}

// x [B, G, ..]: the offsets of what belongs to one key head of one sequence.
template <class Visit>
void for_each_of_head(const Operand& x, std::int64_t sequence, std::int64_t head,
                      const Visit& visit) {
  const auto first = sequence * x.stride(0) + head * x.stride(1);
  for (const auto offset : offsets_over(x, 2, x.rank())) visit(first + offset);
}

}  // namespace

void run(const RunningSumsCall& call, const OnCpu&) {
  const auto& q = call.own.front();
  const auto& k = call.past.front();
  const Cells y(call.y);
  const auto key_heads = k.size(2);
  const auto group = key_heads == 0 ? 0 : q.size(2) / key_heads;
  for (std::int64_t sequence = 0; sequence < q.size(0); ++sequence) {
    for (std::int64_t key_head = 0; key_head < key_heads; ++key_head) {
      SourceSet past = 0;
      if (call.before.present()) {
        const Cells before(call.before);
        for_each_of_head(call.before, sequence, key_head,
                         [&](std::int64_t offset) { past |= before.set(offset); });
      }
      for (std::int64_t t = 0; t < q.size(1); ++t) {
        past |= set_of_rows(call.past, sequence, t, key_head);
        for (auto head = key_head * group; head < (key_head + 1) * group; ++head) {
          const auto set = past | set_of_rows(call.own, sequence, t, head);
          const auto first = row_offset(call.y, sequence, t, head);
          for (std::int64_t i = 0; i < row_elements(call.y); ++i) {
            y.depend(first + i * element_step(call.y), set);
          }
        }
      }
      if (!call.after.present()) continue;
      const Cells after(call.after);
      for_each_of_head(call.after, sequence, key_head,
                       [&](std::int64_t offset) { after.depend(offset, past); });
    }
  }
}

}  // namespace lookback::kernels::taint
