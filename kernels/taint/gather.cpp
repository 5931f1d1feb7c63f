#include "kernels/taint/cells.h"
#include "kernels/taint/dependency_call.h"
#include "runtime/check.h"

namespace lookback::kernels::taint {
namespace {

// Offsets of a view with the dimensions before `dim`, `dim` itself, and those after it apart.
struct Split {
  std::vector<std::int64_t> outer, along, inner;
  Split(const TensorView& view, int dim)
      : outer(offsets_over(view, 0, dim)),
        along(offsets_over(view, dim, dim + 1)),
        inner(offsets_over(view, dim + 1, view.sizes.rank())) {}
};

// What an element picked from `cells` along a dimension depends on: one, where the integer is
// known; else any of them.
SourceSet picked(const Cells& cells, const std::vector<std::int64_t>& along, std::int64_t start,
                 const Cells& index, std::int64_t at) {
  if (index.known(at)) {
    const auto which = static_cast<std::size_t>(index.value(at));
    if (which >= along.size()) {
      fail("taint", "index {} must be in [0, {})", index.value(at), along.size());
    }
    return cells.set(start + along[which]);
  }
  SourceSet any = index.set(at);
  for (const auto step : along) any |= cells.set(start + step);
  return any;
}

}  // namespace

// Index has dimensions of its own, in the place of table's `dim`.
void run(const GatherCall& call, const OnCpu&) {
  const Cells table(call.table), index(call.index), y(call.y);
  const Split from(call.table, call.dim);
  const auto picks = all_offsets(call.index);
  const auto y_offsets = all_offsets(call.y);
  std::size_t at = 0;
  for (const auto outer : from.outer) {
    // The union over the table, once per inner element: most tables are picked from many times.
    std::vector<SourceSet> any(from.inner.size());
    for (std::size_t inner = 0; inner < any.size(); ++inner) {
      for (const auto step : from.along) {
        any[inner] |= table.set(outer + step + from.inner[inner]);
      }
    }
    for (const auto pick : picks) {
      for (std::size_t inner = 0; inner < any.size(); ++inner, ++at) {
        const auto start = outer + from.inner[inner];
        const auto set = index.known(pick) ? picked(table, from.along, start, index, pick)
                                           : any[inner] | index.set(pick);
        y.depend(y_offsets[at], set);
      }
    }
  }
}

void run(const TakeAlongCall& call, const OnCpu&) {
  const Cells x(call.x), index(call.index), y(call.y);
  const Split from(call.x, call.dim), to(call.y, call.dim), at(call.index, call.dim);
  for (std::size_t outer = 0; outer < to.outer.size(); ++outer) {
    for (std::size_t j = 0; j < to.along.size(); ++j) {
      for (std::size_t inner = 0; inner < to.inner.size(); ++inner) {
        const auto pick = at.outer[outer] + at.along[j] + at.inner[inner];
        y.depend(to.outer[outer] + to.along[j] + to.inner[inner],
                 picked(x, from.along, from.outer[outer] + from.inner[inner], index, pick));
      }
    }
  }
}

void run(const ConcatenateCall& call, const OnCpu&) {
  const Cells y(call.y);
  const Split to(call.y, call.dim);
  std::size_t begin = 0;
  for (const auto& operand : call.x) {
    const Cells x(operand);
    const Split from(operand, call.dim);
    for (std::size_t outer = 0; outer < to.outer.size(); ++outer) {
      for (std::size_t j = 0; j < from.along.size(); ++j) {
        for (std::size_t inner = 0; inner < to.inner.size(); ++inner) {
          const auto in = from.outer[outer] + from.along[j] + from.inner[inner];
          const auto out = to.outer[outer] + to.along[begin + j] + to.inner[inner];
          if (x.known(in)) {
            y.become(out, x.value(in));
          } else {
            y.depend(out, x.set(in));
          }
        }
      }
    }
    begin += from.along.size();
  }
}

}  // namespace lookback::kernels::taint
