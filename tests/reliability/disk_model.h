// A disk that loses what was not synced.
//
// The model: what is written to a file is on the disk when the file is synced; what is made or
// removed in a folder, and renamed into it, when the folder is. Until then each of these changes
// may be on the disk or not, whatever becomes of the others, and half of what one call wrote may
// be. (Journaling file systems lose less.) What is there is told by the file, not by its name: a
// rename that is on the disk shows what of the file is.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/reliability/recorded_calls.h"

namespace lookback::tests {

// By path from the root; folders end in a slash and have no bytes.
using Tree = std::map<std::string, std::shared_ptr<const std::string>>;
Tree tree_of(const std::filesystem::path& root);

class DiskModel {
 public:
  // `before` is on the disk; then come the calls on files below `root`, an absolute path.
  DiskModel(const Tree& before, const std::filesystem::path& root,
            const std::vector<SystemCall>& calls);

  // Changes of the disk, numbered in their order. A moment is a number of changes that have been
  // asked for, from 0 to changes().
  std::size_t changes() const { return all_.size(); }
  // The number of the change that gave an entry this name by a rename or by making it; the last
  // one.
  std::size_t named(const std::string& path) const;
  // The first change from this number on that writes to the file of this path; changes(): none.
  std::size_t next_write(const std::string& path, std::size_t from) const;
  // Those before `moment` of which the disk may or may not know then: what is synced at that moment
  // is not yet.
  std::vector<std::size_t> open_at(std::size_t moment) const;

  enum class Fate { lost, half, kept };
  // What is there after a power cut at that moment: of the open ones what `fates` says (by their
  // order in open_at); without any fates all are kept, as when the process alone is killed.
  Tree after_cut(std::size_t moment, const std::vector<Fate>& fates) const;
  Tree after_kill(std::size_t moment) const;

 private:
  struct Change {
    enum class Kind { name, unname, rename, write, resize };
    Kind kind;
    int node = 0;                    // that gets a name, or is written
    int folder = 0, old_folder = 0;  // where the name is; where it was
    std::string name = {}, old_name = {};
    std::int64_t offset = 0;  // also the new size
    std::string bytes = {};
    std::size_t durable_after = SIZE_MAX;  // a moment
    std::string path = {};                 // of what got a name
  };
  struct Node {
    bool is_folder = false;
    std::map<std::string, int> entries = {};
    std::shared_ptr<std::string> bytes = {};
  };
  using Nodes = std::vector<Node>;
  struct Place {
    int folder;
    std::string name;
  };

  void add(const SystemCall& call);
  void add_change(Change change);
  void sync(int node);
  int make(bool is_folder);
  Place place_of(const std::string& path) const;
  int node_at(const std::string& path) const;  // -1: none
  static void apply(Nodes& nodes, const Change& change, Fate fate);
  static Tree tree_from(const Nodes& nodes);

  std::filesystem::path root_;
  Nodes first_;  // those of `before`, then those that are made, as yet without name and bytes
  Nodes now_;
  std::vector<Change> all_;
};

}  // namespace lookback::tests
