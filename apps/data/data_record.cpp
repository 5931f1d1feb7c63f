#include "apps/data/data_record.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <span>
#include <utility>

#include "apps/data/data_files.h"
#include "apps/data/data_mixture.h"
#include "apps/data/open.h"
#include "runtime/check.h"
#include "runtime/input_file.h"

namespace lookback {
namespace {

using Json = nlohmann::json;
using OrderedJson = nlohmann::ordered_json;

constexpr std::string_view operation = "data";
constexpr std::size_t block_bytes = 4096, sampled_blocks = 256;

void add(RunningChecksum& sum, const InputFile& file, std::size_t begin, std::size_t count) {
  constexpr std::size_t max_at_once = std::size_t{1} << 20;
  std::vector<std::byte> piece(std::min(count, max_at_once));
  while (count > 0) {
    const auto bytes = std::span(piece).first(std::min(count, max_at_once));
    file.read(begin, bytes);
    sum.add(bytes);
    begin += bytes.size();
    count -= bytes.size();
  }
}

Checksum sample_of(const InputFile& file) {
  RunningChecksum sum;
  if (file.size() <= block_bytes * sampled_blocks) {
    add(sum, file, 0, file.size());
    return sum.value();
  }
  const auto last_begin = file.size() - block_bytes;
  for (std::size_t i = 0; i < sampled_blocks; ++i) {
    // In this order the product cannot overflow.
    const auto begin = last_begin / (sampled_blocks - 1) * i +
                       last_begin % (sampled_blocks - 1) * i / (sampled_blocks - 1);
    add(sum, file, begin, block_bytes);
  }
  return sum.value();
}

Checksum whole_of(const InputFile& file) {
  RunningChecksum sum;
  add(sum, file, 0, file.size());
  return sum.value();
}

std::int64_t bytes_of(const InputFile& file) { return static_cast<std::int64_t>(file.size()); }

void check_file(const DataFileRecord& recorded, const std::string& path, DataCheck depth) {
  const Check check{operation};
  const auto advice = "put the data back as they were, or start a new run with --init-from";
  const InputFile file(path, operation);
  check(bytes_of(file) == recorded.bytes,
        "{}: is not what the run was trained on ({} bytes, it had {}): {}", path, bytes_of(file),
        recorded.bytes, advice);
  const bool same =
      depth == DataCheck::all ? whole_of(file) == recorded.all : sample_of(file) == recorded.sample;
  check(same, "{}: is not what the run was trained on ({} bytes, as it had, but other ones): {}",
        path, recorded.bytes, advice);
}

struct WeightedFile {
  std::string path;
  std::optional<double> weight = {};  // of the source that begins with it
};

std::vector<WeightedFile> weighted_files_of(const std::string& spec) {
  std::vector<WeightedFile> files;
  const auto append = [&](const std::string& source, std::optional<double> weight) {
    for (const auto& path : files_of(source))
      files.push_back({path, std::exchange(weight, std::nullopt)});
  };
  const auto parts = parts_of_mixture(spec);
  if (parts.empty()) append(spec, std::nullopt);
  for (const auto& [source, weight] : parts) append(source, weight);
  return files;
}

std::string weight_in_words(const std::optional<double>& weight) {
  return weight ? fmt::format("a weight of {}", *weight) : std::string("no weight");
}

}  // namespace

DataFileRecord record_of_file(const std::string& path) {
  const InputFile file(path, operation);
  return {.bytes = bytes_of(file), .sample = sample_of(file), .all = whole_of(file)};
}

DataRecord record_of_data(const std::string& spec) {
  if (is_built_in_data(spec)) return {.built_in = spec};
  DataRecord record;
  for (const auto& [path, weight] : weighted_files_of(spec)) {
    record.files.push_back(record_of_file(path));
    record.files.back().weight = weight;
  }
  return record;
}

void check_data(const DataRecord& recorded, const std::string& spec, DataCheck depth) {
  const Check check{operation};
  const bool built_in = is_built_in_data(spec);
  check(
      built_in == recorded.files.empty() && (!built_in || spec == recorded.built_in),
      "{}: the run was trained on {}", spec,
      recorded.files.empty() ? recorded.built_in : fmt::format("{} files", recorded.files.size()));
  if (built_in) return;
  const auto files = weighted_files_of(spec);
  check(files.size() == recorded.files.size(),
        "{}: is not what the run was trained on ({} files, it had {}): put the data back as they "
        "were, or start a new run with --init-from",
        spec, files.size(), recorded.files.size());
  for (std::size_t i = 0; i < files.size(); ++i) {
    const auto& [path, weight] = files[i];
    check(weight == recorded.files[i].weight, "{}: has {}, in the run it had {}: must be the same",
          path, weight_in_words(weight), weight_in_words(recorded.files[i].weight));
    check_file(recorded.files[i], path, depth);
  }
}

OrderedJson to_json(const DataRecord& record) {
  if (record.files.empty()) return record.built_in;
  auto files = OrderedJson::array();
  for (const auto& [bytes, sample, all, weight] : record.files) {
    files.push_back({{"bytes", bytes}, {"sample", to_string(sample)}, {"all", to_string(all)}});
    if (weight) files.back()["weight"] = *weight;
  }
  return files;
}

DataRecord parse_data_record(const Json& value, std::string_view source) {
  const Check check{operation};
  if (value.is_string()) return {.built_in = value.get<std::string>()};
  check(value.is_array(), "{}: data must be the name of a source or a list of files", source);
  DataRecord record;
  for (const auto& file : value) {
    const auto has = [&](const char* key, auto is) {
      return file.contains(key) && (file.at(key).*is)();
    };
    const bool fits = file.is_object() && has("bytes", &Json::is_number_integer) &&
                      has("sample", &Json::is_string) && has("all", &Json::is_string);
    check(fits, "{}: a data file must have bytes, a sample and all", source);
    const auto weight = file.find("weight");
    check(weight == file.end() || weight->is_number(), "{}: the weight of a data file is no number",
          source);
    record.files.push_back({.bytes = file.at("bytes").get<std::int64_t>(),
                            .sample = parse_checksum(file.at("sample").get<std::string>()),
                            .all = parse_checksum(file.at("all").get<std::string>())});
    if (weight != file.end()) record.files.back().weight = weight->get<double>();
  }
  return record;
}

}  // namespace lookback
