#include "nn/weight_names.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

namespace lookback {
namespace {

constexpr std::string_view model = "model.", head = "lm_head.", embedding = "embed_tokens.weight";

// What wrappers put in front of a module's name, wherever the module stands.
struct Wrapper {
  std::string_view word, who;
};
constexpr std::array wrappers = {
    Wrapper{"_orig_mod.", "torch.compile"},
    Wrapper{"_fsdp_wrapped_module.", "FSDP"},
    Wrapper{"_checkpoint_wrapped_module.", "activation checkpointing"},
    Wrapper{"_forward_module.", "Lightning Fabric"},
};
constexpr Wrapper parallel{"module.", "DistributedDataParallel"};
constexpr Wrapper adapter{"base_model.model.", "PEFT"};

std::string without_wrappers(std::string name) {
  for (bool found = true; found;) {
    found = false;
    for (const auto& [word, who] : wrappers) {
      const auto at = name.find(word);
      if (at == name.npos || (at > 0 && name[at - 1] != '.')) continue;
      name.erase(at, word.size());
      found = true;
    }
    if (!name.starts_with(parallel.word)) continue;
    name.erase(0, parallel.word.size());
    found = true;
  }
  return name;
}

// Where the embedding stands tells what is in front of all: "base_model.model.", or nothing.
struct Frame {
  std::string prefix;
  bool has_model = true;
};
Frame frame_of(const std::vector<std::string>& names) {
  const auto at = std::ranges::find_if(names, [](const auto& name) {
    return name == embedding || name.ends_with("." + std::string(embedding));
  });
  if (at == names.end()) return {};
  const auto before = at->substr(0, at->size() - embedding.size());
  const bool has_model = before.ends_with(model);
  Frame frame{before.substr(0, before.size() - (has_model ? model.size() : 0)), has_model};
  const bool is_shared =
      std::ranges::all_of(names, [&](const auto& name) { return name.starts_with(frame.prefix); });
  return is_shared ? frame : Frame{};
}

std::string inside(const Frame& frame, const std::string& name) {
  const auto rest = name.substr(frame.prefix.size());
  return frame.has_model || rest.starts_with(head) ? rest : std::string(model) + rest;
}

std::string makers(const std::vector<std::string>& names) {
  const auto any = [&](std::string_view word) {
    return std::ranges::any_of(
        names, [&](const auto& name) { return name.find(word) != std::string::npos; });
  };
  std::vector<std::string_view> who;
  for (const auto& wrapper : wrappers) {
    if (any(wrapper.word)) who.push_back(wrapper.who);
  }
  const auto begins = [&](const Wrapper& each) {
    return std::ranges::any_of(names,
                               [&](const auto& name) { return name.starts_with(each.word); });
  };
  if (begins(parallel)) who.push_back(parallel.who);
  if (begins(adapter)) who.push_back(adapter.who);
  return who.empty() ? "" : fmt::format(" ({})", fmt::join(who, ", "));
}

// What stands in front of every name; empty: not the same in front of all, or nothing.
std::string shared_prefix(const std::map<std::string, std::string>& renamed, const Frame& frame) {
  std::string shared;
  for (bool first = true; const auto& [name, other] : renamed) {
    const bool added = !frame.has_model && !name.ends_with(other);
    const auto kept = added ? other.substr(model.size()) : other;
    if (!name.ends_with(kept)) return {};
    const auto prefix = name.substr(0, name.size() - kept.size());
    if (!first && prefix != shared) return {};
    shared = prefix;
    first = false;
  }
  return shared;
}

}  // namespace

std::optional<WrappedNames> wrapped_names(const std::vector<std::string>& names) {
  std::vector<std::string> bare;
  for (const auto& name : names) bare.push_back(without_wrappers(name));
  const auto frame = frame_of(bare);
  WrappedNames result;
  for (std::size_t i = 0; i < names.size(); ++i)
    result.names.emplace(names[i], inside(frame, bare[i]));
  const auto is_as_it_was = [](const auto& each) { return each.first == each.second; };
  if (std::ranges::all_of(result.names, is_as_it_was)) return std::nullopt;

  const auto prefix = shared_prefix(result.names, frame);
  if (!prefix.empty()) {
    result.fault = fmt::format("all {} names begin with {}{}", names.size(), prefix, makers(names));
  } else if (bare != names) {
    result.fault = fmt::format("names of modules are wrapped{}", makers(names));
  }
  if (!frame.has_model) {
    result.fault += fmt::format("{}names lack the {} in front that a Llama with a head has",
                                result.fault.empty() ? "" : "; ", model);
  }
  return result;
}

}  // namespace lookback
