#include "tests/house/source_tree.h"

#include <algorithm>
#include <cctype>
#include <fstream>
#include <iterator>
#include <set>
#include <string_view>

#include "tests/paths.h"

namespace lookback::tests {

namespace fs = std::filesystem;
using std::string;
using std::string_view;

namespace {

string read(const fs::path& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
}

}  // namespace

bool SourceFile::is_code() const {
  static const std::set<string> extensions = {".h", ".cpp", ".cu", ".cuh"};
  return extensions.contains(extension());
}

const std::vector<SourceFile>& source_tree() {
  static const auto files = [] {
    const std::set<string> text_extensions = {".h",  ".cpp",   ".cu",  ".cuh", ".sh",   ".py",
                                              ".md", ".cmake", ".txt", ".in",  ".json", ""};
    const auto root = source_directory();
    std::vector<SourceFile> found;
    const auto add = [&](const fs::path& path) {
      if (path.filename() == ".git") return;  // a second work tree has the path of the first there
      if (!fs::is_regular_file(path) || !text_extensions.contains(path.extension().string()))
        return;
      found.push_back({path.lexically_relative(root).generic_string(), read(path)});
    };
    for (const auto& entry : fs::directory_iterator(root)) add(entry.path());
    for (const string_view folder :
         {".ci", "runtime", "kernels", "autograd", "nn", "apps", "tests", "third_party"}) {
      if (!fs::exists(root / folder)) continue;
      for (const auto& entry : fs::recursive_directory_iterator(root / folder)) add(entry.path());
    }
    std::ranges::sort(found, {}, &SourceFile::name);
    return found;
  }();
  return files;
}

std::vector<string> lines_of(const string& text) {
  std::vector<string> lines;
  for (std::size_t begin = 0; begin < text.size();) {
    const auto end = std::min(text.find('\n', begin), text.size());
    lines.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return lines;
}

string included(const string& line, char open, char close) {
  const auto hash = line.find_first_not_of(" \t");
  if (hash == string::npos || line.compare(hash, 8, "#include") != 0) return {};
  const auto begin = line.find(open, hash);
  if (begin == string::npos) return {};
  return line.substr(begin + 1, line.find(close, begin + 1) - begin - 1);
}

std::vector<string> quoted_includes(const SourceFile& file) {
  std::vector<string> names;
  for (const auto& line : lines_of(file.text)) {
    if (auto name = included(line, '"', '"'); !name.empty()) names.push_back(std::move(name));
  }
  return names;
}

string code_of(const string& text) {
  string code;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const string_view rest = string_view(text).substr(i);
    if (rest.starts_with("//")) {
      i = std::min(text.find('\n', i), text.size()) - 1;
    } else if (rest.starts_with("/*")) {
      i = std::min(text.find("*/", i + 2), text.size() - 2) + 1;
    } else if (rest.starts_with("R\"")) {
      const auto end = ")" + string(rest.substr(2, rest.find('(') - 2)) + "\"";
      i = std::min(text.find(end, i), text.size() - end.size()) + end.size() - 1;
      code += ' ';
    } else if (text[i] == '"' || (text[i] == '\'' && (i == 0 || std::isalnum(text[i - 1]) == 0))) {
      const char quote = text[i];
      for (++i; i < text.size() && text[i] != quote; ++i) {
        if (text[i] == '\\') ++i;
      }
      code += ' ';
    } else {
      code += text[i];
    }
  }
  return code;
}

std::vector<string> broken(const Rule& rule) {
  std::vector<string> all;
  for (const auto& file : source_tree()) {
    for (const auto& what : rule(file)) all.push_back(file.name + ": " + what);
  }
  return all;
}

}  // namespace lookback::tests
