// The tape of one loss, written down before its backward pass uses it up.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "autograd/node.h"
#include "nn/module.h"

namespace lookback {

// An operation, or a parameter that some operation read.
struct TapeEntry {
  std::int64_t id = 0;    // from 1: parameters, then operations in the order of recording
  std::string operation;  // "rms_norm"; of a parameter "parameter"
  std::string scope;      // the module that ran it; of a parameter its whole name
  std::vector<Shape> outputs = {};
  DType dtype = DType::f32;
  std::vector<std::int64_t> from = {};  // the entries that made its inputs
  double gradient_norm = 0;             // of the loss, by all its outputs
  bool is_parameter() const { return operation == "parameter"; }
};

// Notes all that the loss was made of, and listens in on its backward pass: run that, then ask for
// the entries.
class TapeWalk {
 public:
  TapeWalk(const Tensor& loss, const std::vector<NamedParameter>& parameters);

  std::vector<TapeEntry> entries() const;

 private:
  std::vector<NamedParameter> parameters_;
  std::vector<TapeEntry> noted_;
  // Sums of squares, by entry: the hooks of the nodes hold them too.
  std::vector<std::shared_ptr<double>> squares_;
};

}  // namespace lookback
