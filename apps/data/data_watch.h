// Whether the files that a run reads are still the ones that it began with.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "apps/data/data_record.h"

namespace lookback {

// Of --data and --validation-data; none: validated on a part of the first.
struct RunDataRecord {
  DataRecord training = {};
  std::optional<DataRecord> validation = {};
  friend bool operator==(const RunDataRecord&, const RunDataRecord&) = default;
};

class DataWatch {
 public:
  // SPECs; the second may be empty. The files are looked at here, and their contents by one of the
  // two that follow.
  DataWatch(const std::string& data, const std::string& validation_data);

  void begin();
  // Of a run that goes on. Throws Error where the data are not those that were recorded.
  void resume(const RunDataRecord& recorded, DataCheck check);

  const RunDataRecord& record() const { return recorded_data_; }

  // Looks at the files again: at their sizes, times and places, and where these have changed at
  // their contents. Throws Error where another process wrote into a file that the run has open.
  // What only a later --resume will miss, a file that was replaced or is gone, comes back as a
  // line, once.
  std::vector<std::string> changes();

 private:
  struct Place {
    dev_t device = 0;
    ino_t inode = 0;
    std::int64_t bytes = 0, seconds = 0, nanoseconds = 0;  // size; time of the last change
    friend bool operator==(const Place&, const Place&) = default;
  };
  struct File {
    std::string path;
    std::optional<Place> place = {};
    bool lost = false;
  };
  struct Part {
    std::string spec;
    std::vector<File> files;
  };

  static std::optional<Place> place_of(const std::string& path);
  static Part part_of(const std::string& spec);
  static void check_file(File& file, const DataFileRecord& recorded,
                         std::vector<std::string>& lines);

  Part training_, validation_;
  RunDataRecord recorded_data_;
};

}  // namespace lookback
