#include "tests/reliability/disk_model.h"

#include <algorithm>
#include <stdexcept>

#include "tests/apps/program_run.h"

namespace lookback::tests {

namespace fs = std::filesystem;

Tree tree_of(const fs::path& root) {
  Tree tree;
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    const auto name = entry.path().lexically_relative(root).string();
    if (entry.is_directory()) {
      tree[name + "/"] = nullptr;
    } else {
      tree[name] = std::make_shared<const std::string>(read_text(entry.path()));
    }
  }
  return tree;
}

DiskModel::DiskModel(const Tree& before, const fs::path& root, const std::vector<SystemCall>& calls)
    : root_(root) {
  make(true);
  for (const auto& [path, bytes] : before) {
    const bool is_folder = path.ends_with('/');
    const auto [folder, name] = place_of(root_ / path.substr(0, path.size() - (is_folder ? 1 : 0)));
    const int node = make(is_folder);
    now_.at(static_cast<std::size_t>(folder)).entries[name] = node;
    if (!is_folder) now_.back().bytes = std::make_shared<std::string>(*bytes);
  }
  first_ = now_;
  for (auto& node : first_) {
    if (node.bytes) node.bytes = std::make_shared<std::string>(*node.bytes);
  }
  for (const auto& call : calls) add(call);
  first_.resize(now_.size());
  for (std::size_t i = 0; i < now_.size(); ++i) first_[i].is_folder = now_[i].is_folder;
}

int DiskModel::make(bool is_folder) {
  now_.push_back({.is_folder = is_folder});
  if (!is_folder) now_.back().bytes = std::make_shared<std::string>();
  return static_cast<int>(now_.size()) - 1;
}

DiskModel::Place DiskModel::place_of(const std::string& path) const {
  const fs::path inside = fs::path(path).lexically_relative(root_);
  int folder = 0;
  for (const auto& part : inside.parent_path()) {
    folder = now_.at(static_cast<std::size_t>(folder)).entries.at(part.string());
  }
  return {folder, inside.filename().string()};
}

int DiskModel::node_at(const std::string& path) const {
  if (fs::path(path) == root_) return 0;
  const auto [folder, name] = place_of(path);
  const auto& entries = now_.at(static_cast<std::size_t>(folder)).entries;
  const auto found = entries.find(name);
  return found == entries.end() ? -1 : found->second;
}

void DiskModel::add_change(Change change) {
  apply(now_, change, Fate::kept);
  all_.push_back(std::move(change));
}

void DiskModel::add(const SystemCall& call) {
  using Kind = SystemCall::Kind;
  using ChangeKind = Change::Kind;
  const auto inside = fs::path(call.path).lexically_relative(root_).string();
  if (call.kind == Kind::sync) return sync(node_at(call.path));
  if (call.kind == Kind::open && (!call.creates || node_at(call.path) >= 0)) return;
  if (call.kind == Kind::make_folder && call.path == root_) return;  // it is there from the start
  if (call.kind == Kind::write || call.kind == Kind::truncate) {
    const auto kind = call.kind == Kind::write ? ChangeKind::write : ChangeKind::resize;
    return add_change({.kind = kind,
                       .node = node_at(call.path),
                       .offset = call.offset,
                       .bytes = call.bytes,
                       .path = inside});
  }
  const auto [folder, name] = place_of(call.path);
  if (call.kind == Kind::rename) {
    const auto [old_folder, old_name] = place_of(call.from);
    return add_change({.kind = ChangeKind::rename,
                       .node = node_at(call.from),
                       .folder = folder,
                       .old_folder = old_folder,
                       .name = name,
                       .old_name = old_name,
                       .path = inside});
  }
  if (call.kind == Kind::remove) {
    return add_change({.kind = ChangeKind::unname,
                       .node = node_at(call.path),
                       .folder = folder,
                       .name = name,
                       .path = inside});
  }
  add_change({.kind = ChangeKind::name,
              .node = make(call.kind == Kind::make_folder),
              .folder = folder,
              .name = name,
              .path = inside});
}

void DiskModel::sync(int node) {
  const bool is_folder = now_.at(static_cast<std::size_t>(node)).is_folder;
  for (auto& change : all_) {
    const bool is_content =
        change.kind == Change::Kind::write || change.kind == Change::Kind::resize;
    const bool covered =
        is_folder ? !is_content && change.folder == node : is_content && change.node == node;
    if (covered && change.durable_after == SIZE_MAX) change.durable_after = all_.size();
  }
}

std::size_t DiskModel::named(const std::string& path) const {
  for (std::size_t i = all_.size(); i-- > 0;) {
    const auto kind = all_[i].kind;
    if ((kind == Change::Kind::name || kind == Change::Kind::rename) && all_[i].path == path) {
      return i;
    }
  }
  throw std::runtime_error(path + " was never made");
}

std::size_t DiskModel::next_write(const std::string& path, std::size_t from) const {
  const auto found = std::find_if(
      all_.begin() + static_cast<std::ptrdiff_t>(from), all_.end(),
      [&](const Change& c) { return c.kind == Change::Kind::write && c.path == path; });
  return static_cast<std::size_t>(found - all_.begin());
}

std::vector<std::size_t> DiskModel::open_at(std::size_t moment) const {
  std::vector<std::size_t> open;
  for (std::size_t i = 0; i < moment; ++i) {
    if (all_[i].durable_after >= moment) open.push_back(i);
  }
  return open;
}

void DiskModel::apply(Nodes& nodes, const Change& change, Fate fate) {
  if (fate == Fate::lost) return;
  const auto entries_of = [&](int folder) -> std::map<std::string, int>& {
    return nodes.at(static_cast<std::size_t>(folder)).entries;
  };
  const auto forget = [&](int folder, const std::string& name) {
    auto& entries = entries_of(folder);
    const auto found = entries.find(name);
    if (found != entries.end() && found->second == change.node) entries.erase(found);
  };
  switch (change.kind) {
    case Change::Kind::name: entries_of(change.folder)[change.name] = change.node; return;
    case Change::Kind::unname: return forget(change.folder, change.name);
    case Change::Kind::rename:
      forget(change.old_folder, change.old_name);
      entries_of(change.folder)[change.name] = change.node;
      return;
    case Change::Kind::write:
    case Change::Kind::resize: break;
  }
  auto& bytes = nodes.at(static_cast<std::size_t>(change.node)).bytes;
  if (!bytes) bytes = std::make_shared<std::string>();
  const auto offset = static_cast<std::size_t>(change.offset);
  if (change.kind == Change::Kind::resize) {
    bytes->resize(offset);
    return;
  }
  const auto count = fate == Fate::half ? change.bytes.size() / 2 : change.bytes.size();
  if (bytes->size() < offset + count) bytes->resize(offset + count);  // a hole reads as zeros
  bytes->replace(offset, count, change.bytes, 0, count);
}

Tree DiskModel::after_cut(std::size_t moment, const std::vector<Fate>& fates) const {
  auto nodes = first_;
  for (auto& node : nodes) {
    if (node.bytes) node.bytes = std::make_shared<std::string>(*node.bytes);
  }
  std::size_t open = 0;
  for (std::size_t i = 0; i < moment; ++i) {
    const bool may_be_lost = all_[i].durable_after >= moment;
    apply(nodes, all_[i], may_be_lost ? fates.at(open++) : Fate::kept);
  }
  return tree_from(nodes);
}

Tree DiskModel::after_kill(std::size_t moment) const {
  return after_cut(moment, std::vector<Fate>(open_at(moment).size(), Fate::kept));
}

Tree DiskModel::tree_from(const Nodes& nodes) {
  Tree tree;
  std::vector<std::pair<int, std::string>> folders = {{0, ""}};
  while (!folders.empty()) {
    const auto [folder, path] = folders.back();
    folders.pop_back();
    for (const auto& [name, node] : nodes.at(static_cast<std::size_t>(folder)).entries) {
      const auto& found = nodes.at(static_cast<std::size_t>(node));
      if (found.is_folder) {
        tree[path + name + "/"] = nullptr;
        folders.emplace_back(node, path + name + "/");
      } else {
        tree[path + name] = found.bytes ? found.bytes : std::make_shared<const std::string>();
      }
    }
  }
  return tree;
}

}  // namespace lookback::tests
