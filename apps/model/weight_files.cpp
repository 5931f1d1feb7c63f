#include "apps/model/weight_files.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "nn/weight_names.h"
#include "runtime/check.h"
#include "runtime/json.h"
#include "runtime/listed_names.h"
#include "runtime/other_content.h"
#include "runtime/read_file.h"

namespace lookback {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::string_view operation = "weights";
constexpr auto index_name = "model.safetensors.index.json";
constexpr auto adapter_name = "adapter_config.json";

std::vector<std::string> files_in(const fs::path& directory) {
  std::vector<std::string> names;
  std::error_code ignored;  // a folder that cannot be read is said by who opens its files
  for (const auto& entry : fs::directory_iterator(directory, ignored))
    names.push_back(entry.path().filename().string());
  std::ranges::sort(names);
  return names;
}

std::vector<std::string> ending_in(const std::vector<std::string>& names, std::string_view end) {
  std::vector<std::string> found;
  std::ranges::copy_if(names, std::back_inserter(found),
                       [&](const auto& name) { return name.ends_with(end); });
  return found;
}

// The command that makes the folder one that can be read.
std::string saved_by(const fs::path& directory, std::string_view load) {
  return fmt::format(
      "python3 -c \"import transformers as t; {}.from_pretrained('{}').save_pretrained('OUT')\"",
      load, directory.string());
}

std::string adapter_advice(const fs::path& directory) {
  std::string base = "its base model";
  try {
    const auto config = json::parse(read_file(directory / adapter_name, operation));
    const auto name = config.value("base_model_name_or_path", json());
    if (name.is_string()) base = in_quotes(name.get<std::string>());
  } catch (const std::exception&) {
    // Named in general, then.
  }
  return fmt::format(
      "holds an adapter for {}, which is no model by itself: merge it into that: python3 -c \"from "
      "peft import AutoPeftModelForCausalLM as A; A.from_pretrained('{}').merge_and_unload()"
      ".save_pretrained('OUT')\"",
      base, directory.string());
}

// Weights in another format, by the endings of their files.
struct OtherFormat {
  std::string_view ending, what;
};
constexpr std::array other_formats = {
    OtherFormat{".gguf", "a GGUF file of llama.cpp: take the model that it was made from"},
    OtherFormat{".h5", "weights of TensorFlow: save the model with PyTorch"},
    OtherFormat{".msgpack", "weights of Flax: save the model with PyTorch"},
    OtherFormat{".ckpt",
                "a checkpoint of another trainer: save the model with transformers' "
                "save_pretrained"},
    OtherFormat{".distcp",
                "a distributed checkpoint of PyTorch: gather it, and save the model with "
                "transformers' save_pretrained"},
    OtherFormat{".onnx", "a model of ONNX: take the one that it was made from"},
};

// What stands in a folder without model.safetensors and without an index; empty: nothing known.
std::string what_is_there(const fs::path& directory) {
  const auto names = files_in(directory);
  const auto has = [&](std::string_view name) {
    return std::ranges::find(names, name) != names.end();
  };
  if (has(adapter_name)) return adapter_advice(directory);
  if (const auto metas = ending_in(names, ".pth"); !metas.empty() && has("params.json")) {
    return fmt::format(
        "holds {}, weights in Meta's own format: python3 -m transformers.models."
        "llama.convert_llama_weights_to_hf --input_dir {} --model_size SIZE "
        "--output_dir OUT",
        listed_names(metas), directory.string());
  }
  for (const auto* ending : {".bin", ".pth", ".pt"}) {
    auto pickles = ending_in(names, ending);
    // Tokens are in files *.bin, too.
    std::erase_if(pickles, [](const auto& name) {
      return name.ends_with(".bin") && name.find("model") == std::string::npos;
    });
    if (pickles.empty()) continue;
    return fmt::format("holds {}, pickles of PyTorch, which can run code and are not read: {}",
                       listed_names(pickles), saved_by(directory, "t.AutoModelForCausalLM"));
  }
  for (const auto& [ending, what] : other_formats) {
    const auto found = ending_in(names, ending);
    if (!found.empty()) return fmt::format("holds {}, {}", listed_names(found), what);
  }
  auto others = ending_in(names, ".safetensors");
  std::erase(others, weights_name);
  if (!others.empty()) {
    return fmt::format(
        "has no {} and no {}, which says what is in {}: fetch it, or name a single file {}",
        weights_name, index_name, listed_names(others), weights_name);
  }
  return "";
}

// Files by the tensors that the index says are in them.
std::map<std::string, std::string> read_index(const fs::path& path) {
  const auto text = read_file(path, operation);
  const Check check{operation};
  const auto other = other_content(text);
  check(other.empty(), "{}: {}", path.string(), other);
  const auto index = parse_json(text, operation, path.string());
  const auto map = index.is_object() ? index.value("weight_map", json()) : json();
  check(map.is_object() && !map.empty(), "{}: must have a weight_map, the file of each tensor",
        path.string());
  std::map<std::string, std::string> files;
  for (const auto& [name, file] : map.items()) {
    const auto named = file.is_string() ? file.get<std::string>() : std::string();
    check(!named.empty() && fs::path(named).filename() == named,
          "{}: the file of {} is {}: must be the name of a file beside the index", path.string(),
          in_quotes(name), file.dump());
    files.emplace(name, named);
  }
  return files;
}

TensorFiles open_shards(const fs::path& directory, const FolderChecksums& checksums) {
  const auto path = directory / index_name;
  const auto files = read_index(path);
  const Check check{operation};
  std::set<std::string> names;
  for (const auto& [tensor, file] : files) names.insert(file);
  std::vector<std::string> absent;
  std::ranges::copy_if(names, std::back_inserter(absent),
                       [&](const auto& name) { return !exists(directory / name); });
  check(absent.empty(), "{}: {} of the {} files that it names are not there: {}", path.string(),
        absent.size(), names.size(), listed_names(absent));
  std::vector<SafetensorsFile> shards;
  std::map<std::string, std::size_t> place;
  for (const auto& name : names) {
    place.emplace(name, shards.size());
    shards.push_back(checksums.open_safetensors(name));
  }
  std::vector<std::string> misplaced;
  for (const auto& [tensor, file] : files) {
    if (!shards[place.at(file)].contains(tensor))
      misplaced.push_back(fmt::format("{} in {}", tensor, file));
  }
  check(misplaced.empty(), "{}: names {} tensors that are not where it says: {}", path.string(),
        misplaced.size(), listed_names(misplaced));
  return {path.string(), std::move(shards)};
}

// What no floating-point weights of a Llama are called, and what it means.
constexpr std::array other_names = {
    OtherFormat{".qweight", "quantized weights (GPTQ or AWQ): take the model that was quantized"},
    OtherFormat{".weight.absmax",
                "quantized weights (bitsandbytes): load them with transformers, and save what "
                "model.dequantize() gives"},
    OtherFormat{".SCB",
                "quantized weights (bitsandbytes): load them with transformers, and save "
                "what model.dequantize() gives"},
    OtherFormat{".weight_packed",
                "quantized weights (compressed-tensors): take the model that was quantized"},
    OtherFormat{".scales", "quantized weights (MLX or others): take the model that was quantized"},
    OtherFormat{".attention.wq.weight",
                "weights in Meta's or Mistral's own format: take the model's folder for "
                "transformers"},
    OtherFormat{".lora_A.weight",
                "an adapter beside its model: merge it with peft's "
                "merge_and_unload, and save what that gives"},
    OtherFormat{".lora_A.default.weight",
                "an adapter beside its model: merge it with peft's "
                "merge_and_unload, and save what that gives"},
};

}  // namespace

TensorFiles open_weight_files(const fs::path& directory, const FolderChecksums& checksums) {
  if (exists(directory / weights_name)) return checksums.open_safetensors(weights_name);
  if (exists(directory / index_name)) return open_shards(directory, checksums);
  // A link that leads nowhere is said as what it is.
  if (fs::is_symlink(directory / weights_name)) return checksums.open_safetensors(weights_name);
  refuse_other_folder(directory);
  fail(operation, "{}: has no {} and no {}: no weights are there", directory.string(), weights_name,
       index_name);
}

void refuse_other_folder(const fs::path& directory) {
  const auto found = what_is_there(directory);
  if (!found.empty()) fail(operation, "{}: {}", directory.string(), found);
}

void refuse_other_names(const TensorFiles& weights, const fs::path& directory) {
  const auto names = weights.names();
  for (const auto& [ending, what] : other_names) {
    const auto found = ending_in(names, ending);
    if (!found.empty()) fail(operation, "{}: holds {} ({})", weights.source(), what, found.front());
  }
  if (const auto wrapped = wrapped_names(names)) {
    fail(operation,
         "{}: {}: lookback convert {} --strip-prefix auto --output-dir OUT makes a model of it",
         weights.source(), wrapped->fault, directory.string());
  }
}

}  // namespace lookback
