#include "apps/diagnosis/kernel_contracts.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <tuple>

#include "apps/diagnosis/declared_sets.h"
#include "apps/diagnosis/model_run.h"
#include "autograd/scope.h"
#include "kernels/core/slot.h"
#include "kernels/core/tile_size.h"
#include "kernels/taint/cells.h"

namespace lookback {
namespace {

using kernels::Operand;
using kernels::Out;
using kernels::WitnessedCall;

// Multiply-adds and cells that the changes of one call may take: a few tenths of a second. Of a
// large kernel fewer slices are changed.
constexpr std::int64_t affordable = 400'000'000;
constexpr std::size_t least_changes = 8;

// The places of a dimension that lie at its ends and beside the first and the last edge of each
// kind of tile.
std::vector<std::int64_t> places_beside_edges(std::int64_t size) {
  std::set<std::int64_t> places{0, 1, size - 2, size - 1};
  for (const auto tile : kernels::tile_sizes(Backend::cpu)) {
    for (const auto edge : {tile, (size - 1) / tile * tile}) {
      if (edge < size) places.insert({edge - 1, edge});
    }
  }
  std::vector<std::int64_t> result;
  for (const auto place : places)
    if (0 <= place && place < size) result.push_back(place);
  return result;
}

// Which sequence and position a row of an operand is of, in a pass of B sequences: [B, T, ..],
// [B, H, T, ..] (as log-sum-exps and weights are) or [B T, ..]. The last of them is the last of the
// pass.
struct Position {
  std::int64_t sequence = 0, position = 0;
};
std::optional<Position> position_of(const TensorView& view, const Shape& place, std::int64_t rows,
                                    std::int64_t tokens) {
  const auto& sizes = view.sizes;
  const auto rank = sizes.rank();
  if (rank >= 2 && sizes[0] == rows) {
    // [B, T, ..], [B, H, T, ..] or [B, G, H / G, T, ..].
    const int by_heads = rank == 5 ? 3 : 2;
    const int dim = rank == 2 || sizes[1] == tokens || sizes[by_heads] < sizes[1] ? 1 : by_heads;
    return Position{place[0], place[dim] + tokens - sizes[dim]};
  }
  if (rank >= 1 && sizes[0] % rows == 0) {
    const auto count = sizes[0] / rows;
    return Position{place[0] / count, place[0] % count + tokens - count};
  }
  return std::nullopt;
}

Shape place_of(const TensorView& view, std::int64_t index) {
  auto place = Shape::filled(view.sizes.rank(), 0);
  for (int dim = view.sizes.rank(); dim-- > 0;) {
    place[dim] = index % view.sizes[dim];
    index /= view.sizes[dim];
  }
  return place;
}

enum class Layers { alike, each };

class Witness {
 public:
  explicit Witness(Layers layers) : layers_(layers) {}

  // Weights, which every position may see.
  void leave(const std::vector<NamedParameter>& parameters) {
    for (const auto& parameter : parameters) fixed_.insert(parameter.tensor.view().data);
  }

  void begin(std::int64_t rows, std::int64_t tokens, const std::string& path) {
    rows_ = rows;
    tokens_ = tokens;
    where_ = fmt::format("{} tokens, {}", tokens, path);
  }
  void look_at(const WitnessedCall& call) {
    if (found_.broken || !seen_.insert(signature(call)).second) return;
    ++found_.calls;
    const OutputBytes left(call.outputs);
    hold(call, left);
    left.put_back();
  }
  KernelContracts take() { return std::move(found_); }

 private:
  // Layers of equal shapes run the same kernel; where they may differ by their mask, their place
  // counts.
  std::string signature(const WitnessedCall& call) const {
    auto text =
        fmt::format("{} {}", call.slot.name, layers_ == Layers::alike ? "" : *Scope::current());
    const auto add = [&](const Operand& operand) {
      text += fmt::format("|{}{}{}", static_cast<int>(operand.dtype), to_string(operand.sizes),
                          to_string(operand.strides));
    };
    for (const auto& input : call.inputs) add(input);
    for (const auto& output : call.outputs) add(output);
    return text;
  }

  // Runs the kernel again on what its outputs held after the call: the same where it adds to them.
  static void run_again(const WitnessedCall& call, const OutputBytes& left) {
    left.put_back();
    call.again();
  }

  void hold(const WitnessedCall& call, const OutputBytes& left) {
    run_again(call, left);
    const OutputBytes unchanged(call.outputs);
    run_again(call, left);
    for (std::size_t i = 0; i < call.outputs.size(); ++i) {
      if (!unchanged.changed(i).empty())
        return refuse(call, BrokenContract::Kind::not_repeatable, {}, {});
    }
    const auto slices = slices_to_change(call);
    for (std::size_t begin = 0; begin < slices.size(); begin += DeclaredSets::most_sources) {
      const auto end = std::min(slices.size(), begin + DeclaredSets::most_sources);
      const std::vector<OperandSlice> some(slices.begin() + static_cast<std::ptrdiff_t>(begin),
                                           slices.begin() + static_cast<std::ptrdiff_t>(end));
      const DeclaredSets declared(call, some);
      for (std::size_t i = 0; i < some.size(); ++i) {
        change(some[i], [&] {
          run_again(call, left);
          compare(call, unchanged, declared, some[i], i);
        });
      }
    }
  }

  // Of what is no position, a head or a feature, the first and the last.
  std::vector<std::int64_t> places_along(std::int64_t size) const {
    if (size < tokens_ / 2) return {0, size - 1};
    return places_beside_edges(size);
  }

  // Of each number that is no weight: along each dimension, at the places beside the edges.
  std::vector<OperandSlice> slices_to_change(const WitnessedCall& call) const {
    std::vector<OperandSlice> slices;
    std::set<const void*> done;
    for (const auto& input : call.inputs) {
      if (!is_number(input) || input.numel() == 0 || fixed_.contains(input.data) ||
          !done.insert(input.data).second)
        continue;
      if (input.rank() == 0) continue;
      for (int dim = 0; dim < input.rank(); ++dim) {
        if (input.stride(dim) == 0 || (input.size(dim) == 1 && dim > 0)) continue;
        for (const auto place : places_along(input.size(dim)))
          slices.push_back({&input, dim, place});
      }
    }
    return thinned(std::move(slices), call);
  }

  static std::vector<OperandSlice> thinned(std::vector<OperandSlice> slices,
                                           const WitnessedCall& call) {
    std::int64_t work = 1;  // of a call: the last dimension of an input for each number it writes
    for (const auto& output : call.outputs) work += output.numel();
    std::int64_t terms = 1;
    for (const auto& input : call.inputs)
      if (input.rank() > 0) terms = std::max(terms, input.size(-1));
    const auto most =
        std::max(least_changes, static_cast<std::size_t>(affordable / (work * terms)));
    if (slices.size() <= most) return slices;
    std::vector<OperandSlice> some;
    for (std::size_t i = 0; i < most; ++i) some.push_back(slices[i * slices.size() / most]);
    return some;
  }

  template <class Body>
  void change(const OperandSlice& slice, const Body& body) {
    ++found_.changes;
    visit_floating(slice.operand->dtype, [&]<class T>(TypeTag<T>) {
      auto* const values = static_cast<T*>(slice.operand->data);
      const auto offsets = slice.offsets();
      std::vector<T> before;
      for (const auto offset : offsets) {
        before.push_back(values[offset]);
        values[offset] = static_cast<T>(0.5 - 2 * static_cast<double>(values[offset]));
      }
      body();
      for (std::size_t i = 0; i < offsets.size(); ++i) values[offsets[i]] = before[i];
    });
  }

  void compare(const WitnessedCall& call, const OutputBytes& unchanged,
               const DeclaredSets& declared, const OperandSlice& source, std::size_t number) {
    for (std::size_t i = 0; i < call.outputs.size(); ++i) {
      const auto& output = call.outputs[i];
      const auto offset = declared.undeclared(output, unchanged.changed(i), number);
      if (!offset) continue;
      const auto offsets = kernels::taint::all_offsets(output);
      const auto at = std::ranges::find(offsets, *offset) - offsets.begin();
      return report(call, source, output, place_of(output, at));
    }
  }

  // A slice of one position holds it in every sequence, one of a sequence all of its positions, and
  // one of a feature all of both.
  void report(const WitnessedCall& call, const OperandSlice& source, const Out& output,
              const Shape& place) {
    using Kind = BrokenContract::Kind;
    const auto to = position_of(output, place, rows_, tokens_);
    auto first = Shape::filled(source.operand->rank(), 0), last = first;
    for (int dim = 0; dim < last.rank(); ++dim) last[dim] = source.operand->size(dim) - 1;
    first[source.dim] = last[source.dim] = source.place;
    const auto from = position_of(*source.operand, first, rows_, tokens_);
    const auto until = position_of(*source.operand, last, rows_, tokens_);
    if (!to || !from) return refuse(call, Kind::undeclared, {}, {});
    const bool one_sequence = from->sequence == until->sequence;
    if (one_sequence && from->sequence != to->sequence)
      return refuse(call, Kind::mixes_rows, {from->sequence, to->position}, *to);
    const bool one_position = from->position == until->position;
    if (one_position && from->position > to->position)
      return refuse(call, Kind::looks_ahead, *from, *to);
    refuse(call, Kind::undeclared, one_position ? *from : *to, *to,
           one_position ? "" : describe(source));
  }

  static std::string describe(const OperandSlice& slice) {
    const auto& input = *slice.operand;
    if (input.rank() == 4 && slice.dim == 2)
      return fmt::format("head {} of an input of {} heads", slice.place, input.size(2));
    return fmt::format("place {} of dimension {} of an input {}", slice.place, slice.dim,
                       to_string(input.sizes));
  }

  // Of all that a call breaks: a look ahead first, then the first position.
  void refuse(const WitnessedCall& call, BrokenContract::Kind kind, Position from, Position to,
              const std::string& changed = {}) {
    const auto rank = [](const BrokenContract& broken) {
      return std::tuple(broken.kind, broken.target, broken.source);
    };
    const BrokenContract broken{.kind = kind,
                                .operation = std::string(call.slot.name),
                                .module = *Scope::current(),
                                .target = to.position,
                                .source = from.position,
                                .changed = changed,
                                .where = where_};
    if (!found_.broken || rank(broken) < rank(*found_.broken)) found_.broken = broken;
  }

  const Layers layers_;
  std::set<const void*> fixed_;
  std::int64_t rows_ = 0, tokens_ = 0;
  std::string where_;
  std::set<std::string> seen_;
  KernelContracts found_;
};

}  // namespace

std::string BrokenContract::describe() const {
  const auto place = fmt::format("{} in {}", operation, module.empty() ? "the model" : module);
  switch (kind) {
    case Kind::looks_ahead:
      return fmt::format(
          "{}: position {} changes with position {}, which its kernel declares not to "
          "see ({})",
          place, target, source, where);
    case Kind::mixes_rows:
      return fmt::format(
          "{}: position {} of a sequence changes with position {} of another, which "
          "its kernel declares not to see ({})",
          place, target, source, where);
    case Kind::undeclared:
      return fmt::format(
          "{}: position {} changes with {}, which its kernel declares not to look at there ({})",
          place, target, changed.empty() ? fmt::format("position {}", source) : changed, where);
    case Kind::not_repeatable:
      return fmt::format("{}: the same call gives other bits ({})", place, where);
  }
  return place;
}

KernelContracts hold_kernels_to_contracts(const Llama& llama, const std::vector<RunPath>& paths,
                                          const std::vector<Tensor>& ids) {
  Witness witness(llama.config.attention.empty() ? Layers::alike : Layers::each);
  witness.leave(llama.parameters());
  std::vector<std::int64_t> lengths;
  for (const auto& each : ids) {
    lengths.push_back(each.size(1));
    for (const auto& path : paths) {
      witness.begin(each.size(0), each.size(1), path.name);
      const kernels::WitnessKernels looking(
          [&](const WitnessedCall& call) { witness.look_at(call); });
      run_along(llama, path, each);
    }
  }
  auto found = witness.take();
  found.lengths = lengths;
  return found;
}

KernelContracts hold_calls_to_contracts(const std::function<void()>& calls, std::int64_t rows,
                                        std::int64_t tokens) {
  Witness witness(Layers::each);
  witness.begin(rows, tokens, "calls");
  {
    const kernels::WitnessKernels looking(
        [&](const WitnessedCall& call) { witness.look_at(call); });
    calls();
  }
  auto found = witness.take();
  found.lengths = {tokens};
  return found;
}

std::vector<std::int64_t> lengths_beside_edges(std::int64_t most) {
  std::vector<std::int64_t> lengths;
  for (const auto tile : kernels::tile_sizes(Backend::cpu))
    if (tile <= most) lengths.push_back(std::min(tile + 2, most));
  return lengths;
}

}  // namespace lookback
