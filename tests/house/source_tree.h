// The project's own files, for the rules that are read off them.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace lookback::tests {

struct SourceFile {
  std::string name;  // from the root of the tree: runtime/shape.h
  std::string text;
  std::string folder() const { return name.substr(0, name.find('/')); }
  std::string extension() const { return std::filesystem::path(name).extension().string(); }
  bool is_code() const;
};

// Every text file of the project; build folders and data are not part of it.
const std::vector<SourceFile>& source_tree();

std::vector<std::string> lines_of(const std::string& text);
// What stands between the quotes or brackets of an #include line; empty for other lines.
std::string included(const std::string& line, char open, char close);
std::vector<std::string> quoted_includes(const SourceFile& file);
// One space for each comment, string and character literal: what is left is code.
std::string code_of(const std::string& text);

// What breaks a rule in this file: a line each.
using Rule = std::function<std::vector<std::string>(const SourceFile&)>;
// The same for the whole tree, each with the name of its file in front.
std::vector<std::string> broken(const Rule& rule);

}  // namespace lookback::tests
