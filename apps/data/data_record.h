// By what a run knows its data again: of each file how long it is, a sample of its bytes, and a
// checksum of them all. Where the files lie does not matter.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/checksum.h"

namespace lookback {

struct DataFileRecord {
  std::int64_t bytes = 0;
  // Of 256 blocks of 4 KiB, spread evenly from the first byte to the last; of a file that is no
  // longer than that, of all its bytes.
  Checksum sample = {};
  Checksum all = {};
  // Of a source of a mixture, at its first file: its weight.
  std::optional<double> weight = {};
  friend bool operator==(const DataFileRecord&, const DataFileRecord&) = default;
};

// Of one SPEC: a built-in source's name, or files in their order.
struct DataRecord {
  std::string built_in = {};
  std::vector<DataFileRecord> files = {};
  friend bool operator==(const DataRecord&, const DataRecord&) = default;
};

// Throw Error where a file cannot be read.
DataFileRecord record_of_file(const std::string& path);
DataRecord record_of_data(const std::string& spec);

// How much of each file check_data() reads.
enum class DataCheck { sample, all };
// Throws Error, naming the file and how it differs, where a SPEC is not what was recorded.
void check_data(const DataRecord& recorded, const std::string& spec, DataCheck check);

nlohmann::ordered_json to_json(const DataRecord& record);
// Throws Error, naming `source`, for JSON of another form.
DataRecord parse_data_record(const nlohmann::json& value, std::string_view source);

}  // namespace lookback
