#include "autograd/ops/rotated_heads.h"

#include "autograd/ops/contiguous.h"
#include "autograd/ops/detail/check_rope_tables.h"
#include "autograd/record.h"
#include "kernels/copy.h"
#include "kernels/rope.h"
#include "runtime/check.h"

namespace lookback {
namespace {

// Heads [first, first + count) of [B, T, n dk] as [B, T, count, dk].
Tensor heads_of(const Tensor& joint, std::int64_t width, std::int64_t first, std::int64_t count) {
  const auto& steps = joint.strides();
  return joint.alias({joint.size(0), joint.size(1), count, width}, {steps[0], steps[1], width, 1},
                     first * width);
}

struct RotatedHeadsBackward {
  static constexpr std::string_view name = "rotated_heads";
  SavedTensor cos, sin;
  std::int64_t position_offset;
  Shape shape;
  DType dtype;
  std::int64_t width;
  HeadCounts heads;

  std::vector<Tensor> operator()(std::span<const Tensor> gradients, Needed) const {
    Tensor given;
    for (const auto& each : gradients) given = each.defined() ? each : given;
    const auto result = empty(shape, dtype, given.device());
    turn_back(gradients[0], heads_of(result, width, 0, heads.query));
    turn_back(gradients[1], heads_of(result, width, heads.query, heads.key));
    const auto values = heads_of(result, width, heads.query + heads.key, heads.key);
    copy(or_zero(gradients[2], values), values);
    return {result};
  }

 private:
  static void copy(const Tensor& from, const Tensor& to) {
    kernels::copy_forward(to.backend(), {.x = from, .y = to});
  }
  Tensor or_zero(const Tensor& gradient, const Tensor& like) const {
    return gradient.defined() ? gradient : zeros(like.shape(), dtype, like.device());
  }
  void turn_back(const Tensor& gradient, const Tensor& dx) const {
    if (!gradient.defined()) return copy(or_zero(gradient, dx), dx);
    const auto dy = gradient.strides()[-1] == 1 ? gradient : contiguous(gradient);
    kernels::rope_backward(dx.backend(), {.dy = dy,
                                          .cos = cos.get(),
                                          .sin = sin.get(),
                                          .dx = dx,
                                          .position_offset = position_offset});
  }
};

void check_arguments(const Tensor& joint, const HeadCounts& heads, const RopeTables& tables,
                     std::int64_t position_offset, DType dtype) {
  const Check check{"rotated_heads"};
  const auto count = heads.query + 2 * heads.key;
  check(heads.query > 0 && heads.key > 0, "{} query heads and {} key heads: there must be some",
        heads.query, heads.key);
  check(joint.rank() == 3 && is_floating(joint.dtype()) && joint.size(2) % (2 * count) == 0,
        "joint {} {} must be floating, (batch, positions, {} heads of an even size)", joint.dtype(),
        joint.shape(), count);
  check(may_be_rounded(joint.dtype(), dtype), "joint {} cannot be rounded to {}", joint.dtype(),
        dtype);
  check_rope_tables(check, {joint.size(0), joint.size(1), count, joint.size(2) / count},
                    joint.dtype(), tables, position_offset);
}

}  // namespace

RotatedHeads rotated_heads(const Tensor& given, const HeadCounts& heads, const RopeTables& tables,
                           std::int64_t position_offset, DType dtype) {
  check_arguments(given, heads, tables, position_offset, dtype);
  no_gradient("rotated_heads", {tables.cos, tables.sin});
  const auto joint = given.strides()[-1] == 1 ? given : contiguous(given);
  const auto width = joint.size(2) / (heads.query + 2 * heads.key);
  const auto fresh = [&](std::int64_t count) {
    return empty({joint.size(0), joint.size(1), count, width}, dtype, joint.device());
  };
  const RotatedHeads result{fresh(heads.query), fresh(heads.key), fresh(heads.key)};
  const auto turn = [&](std::int64_t first, const Tensor& y) {
    kernels::rope_forward(joint.backend(), {.x = heads_of(joint, width, first, y.size(2)),
                                            .cos = tables.cos,
                                            .sin = tables.sin,
                                            .y = y,
                                            .position_offset = position_offset});
  };
  turn(0, result.query);
  turn(heads.query, result.key);
  kernels::copy_forward(
      joint.backend(),
      {.x = heads_of(joint, width, heads.query + heads.key, heads.key), .y = result.value});
  const Tensor outputs[] = {result.query, result.key, result.value};
  record_all<RotatedHeadsBackward>(outputs, std::span<const Tensor>(&given, 1), [&] {
    return RotatedHeadsBackward{tables.cos, tables.sin, position_offset, given.shape(), dtype,
                                width,      heads};
  });
  return result;
}

}  // namespace lookback
