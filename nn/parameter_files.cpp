#include "nn/parameter_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>

#include "autograd/ops/to_vector.h"
#include "kernels/copy.h"
#include "runtime/device_runtime.h"
#include "runtime/listed_names.h"
#include "runtime/parallel.h"
#include "runtime/transfer.h"

namespace lookback {
namespace {

constexpr std::string_view head_name = "lm_head.weight";
constexpr std::string_view embedding_name = "model.embed_tokens.weight";

bool is_rotary_table(std::string_view name) { return name.ends_with("rotary_emb.inv_freq"); }

// The file's tensors below the prefix that a model may hold.
std::vector<std::string> names_below(const TensorFiles& file, const std::string& prefix) {
  std::vector<std::string> result;
  for (const auto& name : file.names()) {
    if (!name.starts_with(prefix) || is_rotary_table(name)) continue;
    result.push_back(name.substr(prefix.size()));
  }
  return result;
}

bool same_elements(const Tensor& a, const Tensor& b) {
  if (a.shape() != b.shape()) return false;
  return std::ranges::equal(to_vector(a), to_vector(b));
}

// A head stored beside a tied model is the embedding once more, or the file is of another model.
std::optional<std::string> fault_of_tied_head(const TensorFiles& file, const std::string& prefix) {
  const auto embedding = fmt::format("{}{}", prefix, embedding_name);
  const auto head = fmt::format("{}{}", prefix, head_name);
  if (!file.contains(embedding)) return std::nullopt;
  if (same_elements(file.load(embedding), file.load(head))) return std::nullopt;
  return fmt::format("{} differs from {}, but config.json says tie_word_embeddings", head_name,
                     embedding_name);
}

std::map<std::string, Tensor> tensors_by_name(const std::vector<NamedParameter>& parameters) {
  std::map<std::string, Tensor> by_name;
  for (const auto& parameter : parameters) by_name.emplace(parameter.name, parameter.tensor);
  return by_name;
}

// One line naming everything that does not fit; empty when all does.
std::string misfits(const std::map<std::string, Tensor>& parameters, const TensorFiles& file,
                    const std::string& prefix) {
  std::vector<std::string> missing, unexpected, mis_shaped;
  for (const auto& [name, tensor] : parameters) {
    if (!file.contains(prefix + name)) {
      missing.push_back(name);
      continue;
    }
    const auto& sizes = file.info(prefix + name).shape;
    if (std::ranges::equal(sizes, tensor.shape())) continue;
    mis_shaped.push_back(fmt::format("{} is ({}{}), must be {}", name, fmt::join(sizes, ", "),
                                     sizes.size() == 1 ? "," : "", tensor.shape()));
  }
  for (const auto& name : names_below(file, prefix)) {
    if (parameters.contains(name)) continue;
    if (name != head_name) {
      unexpected.push_back(name);
    } else if (const auto fault = fault_of_tied_head(file, prefix)) {
      unexpected.push_back(*fault);
    }
  }
  std::string result;
  const auto add = [&](std::string_view what, const std::vector<std::string>& names) {
    if (!names.empty()) result += fmt::format("; {}: {}", what, listed_names(names));
  };
  add("missing", missing);
  add("unexpected", unexpected);
  add("mis-shaped", mis_shaped);
  if (prefix.empty() && unexpected.empty() && missing == std::vector{std::string(head_name)}) {
    result += "; a model whose head is its embedding says tie_word_embeddings in config.json";
  }
  return result;
}

}  // namespace

void check_parameters(const std::vector<NamedParameter>& parameters, const TensorFiles& file,
                      const std::string& prefix, const NamesAdvice& advice) {
  const auto problems = misfits(tensors_by_name(parameters), file, prefix);
  if (problems.empty()) return;
  fail("load", "{} does not fit the model{}{}", file.source(), problems,
       advice ? advice(names_below(file, prefix)) : "");
}

void load_parameters(const std::vector<NamedParameter>& parameters, const TensorFiles& file,
                     const std::string& prefix, const NamesAdvice& advice) {
  check_parameters(parameters, file, prefix, advice);
  const auto by_name = tensors_by_name(parameters);
  const std::vector<std::pair<std::string, Tensor>> all(by_name.begin(), by_name.end());
  const auto load = [&](std::int64_t begin, std::int64_t end) {
    for (auto i = begin; i < end; ++i) {
      const auto& [name, tensor] = all[static_cast<std::size_t>(i)];
      const auto loaded = to_device(file.load(prefix + name), tensor.device());
      kernels::copy_forward(tensor.backend(), {.x = loaded, .y = tensor});
      tensor.storage()->bump_version();
    }
  };
  const bool on_host = std::ranges::all_of(
      all, [](const auto& each) { return is_host_memory(each.second.backend()); });
  // Several at a time: a checksum of one tensor takes one thread.
  const std::int64_t count = std::ssize(all);
  parallel_for(count, on_host ? 1 : std::max<std::int64_t>(1, count), load);
}

NamedTensors named_tensors(const std::vector<NamedParameter>& parameters) {
  NamedTensors tensors;
  for (const auto& parameter : parameters) tensors.emplace_back(parameter.name, parameter.tensor);
  return tensors;
}

}  // namespace lookback
