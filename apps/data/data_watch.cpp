#include "apps/data/data_watch.h"

#include <sys/stat.h>

#include <utility>

#include "apps/data/data_files.h"
#include "apps/data/open.h"
#include "runtime/check.h"

namespace lookback {

std::optional<DataWatch::Place> DataWatch::place_of(const std::string& path) {
  struct stat status {};
  if (stat(path.c_str(), &status) != 0) return std::nullopt;
  return Place{.device = status.st_dev,
               .inode = status.st_ino,
               .bytes = status.st_size,
               .seconds = status.st_mtim.tv_sec,
               .nanoseconds = status.st_mtim.tv_nsec};
}

DataWatch::Part DataWatch::part_of(const std::string& spec) {
  Part part{.spec = spec, .files = {}};
  if (spec.empty() || is_built_in_data(spec)) return part;
  for (auto& path : files_of(spec)) {
    const auto place = place_of(path);
    part.files.push_back({.path = std::move(path), .place = place});
  }
  return part;
}

DataWatch::DataWatch(const std::string& data, const std::string& validation_data)
    : training_(part_of(data)), validation_(part_of(validation_data)) {}

void DataWatch::begin() {
  recorded_data_.training = record_of_data(training_.spec);
  if (!validation_.spec.empty()) recorded_data_.validation = record_of_data(validation_.spec);
}

void DataWatch::resume(const RunDataRecord& recorded, DataCheck depth) {
  const Check check{"data"};
  check(recorded.validation.has_value() == !validation_.spec.empty(), "{}: {}",
        validation_.spec.empty() ? training_.spec : validation_.spec,
        validation_.spec.empty()
            ? "the run has validation data of its own: options.toml must name them again"
            : "the run was validated on a part of its --data: there must be no validation data");
  check_data(recorded.training, training_.spec, depth);
  if (recorded.validation) check_data(*recorded.validation, validation_.spec, depth);
  recorded_data_ = recorded;
}

std::vector<std::string> DataWatch::changes() {
  std::vector<std::string> lines;
  const auto check_all = [&](Part& part, const DataRecord& recorded) {
    for (std::size_t i = 0; i < part.files.size() && i < recorded.files.size(); ++i) {
      check_file(part.files[i], recorded.files[i], lines);
    }
  };
  check_all(training_, recorded_data_.training);
  if (recorded_data_.validation) check_all(validation_, *recorded_data_.validation);
  return lines;
}

void DataWatch::check_file(File& file, const DataFileRecord& recorded,
                           std::vector<std::string>& lines) {
  if (file.lost) return;
  const auto place = place_of(file.path);
  if (place == file.place) return;
  if (!place) {
    file.lost = true;
    lines.push_back(fmt::format(
        "{}: is gone: this run goes on with what it had opened; a --resume will want it back",
        file.path));
    return;
  }
  auto now = record_of_file(file.path);
  now.weight = recorded.weight;
  if (now == recorded) {  // touched, or copied anew
    file.place = place;
    return;
  }
  const bool written_to =
      file.place && place->device == file.place->device && place->inode == file.place->inode;
  if (written_to) {
    fail("data",
         "{}: was changed while the run read it ({} bytes, it had {}): what the steps since the "
         "last checkpoint saw is not known, so none is written; put the file back as it was",
         file.path, now.bytes, recorded.bytes);
  }
  file.lost = true;
  lines.push_back(
      fmt::format("{}: another file has taken its place: this run goes on with the one that it had "
                  "opened; a --resume will want that one back",
                  file.path));
}

}  // namespace lookback
