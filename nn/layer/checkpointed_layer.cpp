#include "nn/layer/checkpointed_layer.h"

#include <algorithm>

#include "autograd/checkpoint.h"
#include "autograd/grad_mode.h"

namespace lookback {
namespace {

using Tensors = std::vector<Tensor>;

// Tensors by place. One that several records share (the queries of a layer) stands in it once: what
// a checkpoint is given twice has two gradients, which add up in another order than one.
class TensorTable {
 public:
  // Where x stands, added where it is new; -1: undefined.
  std::int64_t place_of(const Tensor& x) {
    if (!x.defined()) return -1;
    const auto found = std::ranges::find_if(all, [&](const Tensor& each) { return each.is(x); });
    const auto place = found - all.begin();
    if (found == all.end()) all.push_back(x);
    return place;
  }
  std::vector<std::int64_t> places_of(const Tensors& tensors) {
    std::vector<std::int64_t> places;
    for (const auto& x : tensors) places.push_back(place_of(x));
    return places;
  }

  Tensors all;
};

Tensors at(const Tensors& all, const std::vector<std::int64_t>& places) {
  Tensors picked;
  for (const auto place : places) {
    picked.push_back(place < 0 ? Tensor{} : all[static_cast<std::size_t>(place)]);
  }
  return picked;
}

Tensors detached(const Tensors& tensors) {
  Tensors result;
  for (const auto& x : tensors) result.push_back(x.defined() ? x.detach() : x);
  return result;
}

// What goes into the layer, as places in one list of tensors.
struct Inputs {
  std::vector<std::int64_t> x;
  std::vector<std::vector<std::int64_t>> records;
};

// What comes out of it: places in the list of inputs followed by what is new.
struct Outputs {
  std::vector<std::int64_t> x, record;
  LayerRecord like;  // its tensors detached: what holds this must not hold the tape
};

// The pass as a layer at this place would find it, with tensors from a list.
ForwardPass pass_with(const ForwardPass& like, const Inputs& inputs, const Tensors& tensors) {
  auto pass = like;
  for (std::size_t i = 0; i < inputs.records.size(); ++i) {
    pass.records[i] = like.records[i].with(at(tensors, inputs.records[i]));
  }
  return pass;
}

}  // namespace

ResidualSum checkpointed_layer(const DecoderLayer& layer, const ResidualSum& x, ForwardPass& pass) {
  TensorTable table;
  Inputs inputs{.x = table.places_of({x.stream, x.update}), .records = {}};
  ForwardPass like = pass;
  like.left_by_replays = std::make_shared<LeftByReplays>();
  for (auto& record : like.records) {
    inputs.records.push_back(table.places_of(record.tensors()));
    record = record.with(detached(record.tensors()));
  }
  Outputs outputs;
  // The first run says what comes out; those after it, in backward, find the same.
  const auto run = [&layer, like, inputs](const Tensors& given, Outputs& out) {
    auto inner = pass_with(like, inputs, given);
    const auto in = at(given, inputs.x);
    const auto result = layer.forward({in[0], in[1]}, inner);
    TensorTable all{given};
    out.x = all.places_of({result.stream, result.update});
    if (inner.records.size() > like.records.size()) {
      const auto& record = inner.records.back();
      out.record = all.places_of(record.tensors());
      out.like = record.with(detached(record.tensors()));
    }
    Tensors fresh(all.all.begin() + static_cast<std::ptrdiff_t>(given.size()), all.all.end());
    // The checkpoint makes these its own results: a module's constant among them stays what it is.
    return grad_enabled() ? fresh : detached(fresh);
  };
  // Gradients are on in the later runs alone: by then `first` is gone.
  const auto fn = [run, first = &outputs](const Tensors& given) {
    if (!grad_enabled()) return run(given, *first);
    Outputs again;
    return run(given, again);
  };
  auto all = table.all;
  const auto made = checkpoint(fn, table.all);
  all.insert(all.end(), made.begin(), made.end());
  if (!outputs.record.empty()) pass.records.push_back(outputs.like.with(at(all, outputs.record)));
  const auto result = at(all, outputs.x);
  return {result[0], result[1]};
}

}  // namespace lookback
