// The rules of the house, read off the source files: which folder may know which, what only apps/
// may do, and what no file holds. Each rule is a function of a file's name and text, so that it is
// also shown a text that breaks it.
#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <optional>
#include <regex>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/paths.h"

namespace lookback::tests {
namespace {

namespace fs = std::filesystem;
using std::string;
using std::string_view;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

// From the folder that knows nothing of the others to the one that knows them all.
constexpr std::array<string_view, 5> layers = {"runtime", "kernels", "autograd", "nn", "apps"};

struct SourceFile {
  string name;  // from the root of the tree: runtime/shape.h
  string text;
  string folder() const { return name.substr(0, name.find('/')); }
  string extension() const { return fs::path(name).extension().string(); }
  bool is_code() const {
    static const std::set<string> extensions = {".h", ".cpp", ".cu", ".cuh"};
    return extensions.contains(extension());
  }
};

string read(const fs::path& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
}

// Every text file of the project; build folders and data are not part of it.
const std::vector<SourceFile>& tree() {
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

std::optional<std::size_t> layer_of(string_view folder) {
  const auto* found = std::ranges::find(layers, folder);
  if (found == layers.end()) return std::nullopt;
  return static_cast<std::size_t>(found - layers.begin());
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

// What stands between the quotes or brackets of an #include line; empty for other lines.
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

// One space for each comment, string and character literal: what is left is code.
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

using Rule = std::function<std::vector<string>(const SourceFile&)>;

std::vector<string> broken(const Rule& rule) {
  std::vector<string> all;
  for (const auto& file : tree()) {
    for (const auto& what : rule(file)) all.push_back(file.name + ": " + what);
  }
  return all;
}

// runtime <- kernels <- autograd <- nn <- apps. Includes are written from the root.
std::vector<string> backward_arrows(const SourceFile& file) {
  std::vector<string> found;
  const auto own = layer_of(file.folder());
  if (!own || !file.is_code()) return found;
  for (const auto& name : quoted_includes(file)) {
    const auto folder = name.substr(0, name.find('/'));
    const auto other = layer_of(folder);
    if (other && *other > *own) found.push_back("includes " + name);
    if (!other && folder != "hwy") found.push_back("includes " + name + ", not from the root");
  }
  return found;
}

TEST(House, ArrowsPointOneWay) {
  EXPECT_THAT(broken(backward_arrows), IsEmpty());
  EXPECT_THAT(backward_arrows({"runtime/a.h", "#include \"kernels/slot.h\"\n"}),
              ElementsAre("includes kernels/slot.h"));
  EXPECT_THAT(backward_arrows({"nn/attention/a.cpp", " #include \"apps/a.h\"\n#include \"b.h\""}),
              ElementsAre("includes apps/a.h", "includes b.h, not from the root"));
  EXPECT_THAT(backward_arrows({"nn/a.cpp", "#include \"runtime/tensor.h\"\n#include <nn>\n"}),
              IsEmpty());
}

// Kernels see operand views: neither directly nor through another header do they know Tensor.
std::vector<string> kernel_knows_tensor(const std::map<string, SourceFile>& files,
                                        const SourceFile& file) {
  std::vector<string> pending = {file.name};
  std::set<string> seen;
  while (!pending.empty()) {
    const auto name = pending.back();
    pending.pop_back();
    if (!seen.insert(name).second || !files.contains(name)) continue;
    for (auto& next : quoted_includes(files.at(name))) {
      if (next == "runtime/tensor.h") return {"reaches runtime/tensor.h through " + name};
      pending.push_back(std::move(next));
    }
  }
  return {};
}

TEST(House, KernelsDoNotKnowTensor) {
  std::map<string, SourceFile> files;
  for (const auto& file : tree()) files.emplace(file.name, file);
  EXPECT_THAT(broken([&](const SourceFile& file) {
                if (file.folder() != "kernels" || !file.is_code()) return std::vector<string>{};
                return kernel_knows_tensor(files, file);
              }),
              IsEmpty());

  const std::map<string, SourceFile> bad = {
      {"kernels/a.h", {"kernels/a.h", "#include \"runtime/b.h\"\n"}},
      {"runtime/b.h", {"runtime/b.h", "#include \"runtime/tensor.h\"\n"}}};
  EXPECT_THAT(kernel_knows_tensor(bad, bad.at("kernels/a.h")),
              ElementsAre("reaches runtime/tensor.h through runtime/b.h"));
}

// Only the program prints, reads the command line and exits; everybody else throws.
std::vector<string> prints_or_exits(const SourceFile& file) {
  static const std::set<string> calls = {"printf", "fprintf", "vprintf",    "puts", "fputs",
                                         "exit",   "_exit",   "quick_exit", "abort"};
  static const std::set<string> names = {"cout", "cerr", "clog", "stdout", "stderr"};
  std::vector<string> found;
  const auto layer = layer_of(file.folder());
  if (!layer || layers[*layer] == "apps" || !file.is_code()) return found;
  for (const auto& line : lines_of(file.text)) {
    if (included(line, '<', '>') == "iostream") found.push_back("includes <iostream>");
  }
  const auto code = code_of(file.text);
  const auto in_word = [](char c) { return std::isalnum(c) != 0 || c == '_'; };
  for (auto begin = code.begin(); begin != code.end();) {
    begin = std::find_if(begin, code.end(), in_word);
    const auto end = std::find_if_not(begin, code.end(), in_word);
    const string word(begin, end);
    const bool called = end != code.end() && *end == '(';
    if (names.contains(word) || (called && calls.contains(word))) found.push_back("uses " + word);
    if (called && word == "print" &&
        code.substr(0, static_cast<std::size_t>(begin - code.begin())).ends_with("fmt::")) {
      found.push_back("uses fmt::print");
    }
    begin = end;
  }
  return found;
}

TEST(House, OnlyAppsPrintAndExit) {
  EXPECT_THAT(broken(prints_or_exits), IsEmpty());
  EXPECT_THAT(prints_or_exits({"nn/a.cpp", "#include <iostream>\nstd::cout << 1; std::exit(1);"}),
              ElementsAre("includes <iostream>", "uses cout", "uses exit"));
  EXPECT_THAT(prints_or_exits({"kernels/a.h", "fmt::print(\"x\"); /* printf( */ printf(\"x\");"}),
              ElementsAre("uses fmt::print", "uses printf"));
  EXPECT_THAT(prints_or_exits({"nn/a.cpp", "f(R\"t(puts(\")t\", 'a', 1'000, '\"'); puts(x);"}),
              ElementsAre("uses puts"));
  EXPECT_THAT(prints_or_exits({"runtime/a.cpp", "// exit(1)\nstd::snprintf(b, 3, \"puts(\");"}),
              IsEmpty());
  EXPECT_THAT(prints_or_exits({"apps/main.cpp", "#include <iostream>\nexit(2);"}), IsEmpty());
}

constexpr std::size_t longest_file_lines = 400;

std::vector<string> too_long(const SourceFile& file) {
  const auto lines = static_cast<std::size_t>(std::ranges::count(file.text, '\n'));
  if (!file.is_code() || lines <= longest_file_lines) return {};
  return {std::to_string(lines) + " lines"};
}

TEST(House, FilesStayReadable) {
  EXPECT_THAT(broken(too_long), IsEmpty());
  EXPECT_THAT(too_long({"nn/a.cpp", string(401, '\n')}), ElementsAre("401 lines"));
}

// The words are joined here so that this file does not hold them.
std::vector<string> unwanted_words(const SourceFile& file) {
  static const std::array<string, 7> words = {string("TO") + "DO",           string("FIX") + "ME",
                                              string("/wo") + "rk/",         string("/ho") + "me/",
                                              string("/ro") + "ot/",         string("/Us") + "ers/",
                                              string("not impl") + "emented"};
  std::vector<string> found;
  for (const auto& word : words) {
    if (file.text.find(word) != string::npos) found.push_back("holds " + word);
  }
  return found;
}

TEST(House, NothingIsLeftForLaterAndNoPathIsOfOneMachine) {
  EXPECT_THAT(broken(unwanted_words), IsEmpty());
  EXPECT_THAT(unwanted_words({"README.md", string("see /ho") + "me/me and TO" + "DO"}),
              ::testing::SizeIs(2));
}

std::vector<string> header_without_guard(const SourceFile& file) {
  if (file.extension() != ".h") return {};
  // Headers of Highway kernels are read once for each instruction set.
  const bool per_isa = file.name.ends_with("-inl.h");
  const string guard = per_isa ? "== defined(HWY_TARGET_TOGGLE)\n" : "#pragma once\n";
  if (file.text.find(guard) != string::npos) return {};
  return {per_isa ? "has no HWY_TARGET_TOGGLE guard" : "has no #pragma once"};
}

TEST(House, HeadersAreReadOnce) {
  EXPECT_THAT(broken(header_without_guard), IsEmpty());
  EXPECT_THAT(header_without_guard({"nn/a.h", "struct A {};\n"}), ::testing::SizeIs(1));
}

// The formatter leaves comments alone (.clang-format), so that a formula stays as it was written.
// In return comments keep to 100 columns, a shape or an index such as [B, T, D] is never cut by the
// end of a line, and a formula on a line of its own (three spaces or more behind //) is not filled
// like prose: it ends outside of parentheses, and the next line does not begin with its rest.
std::vector<string> broken_formulas(const SourceFile& file) {
  static const std::regex comment(R"(\s*//( *)(.*))");
  static const std::regex interval(R"(\[[^\[\]]*\))");  // [first, last)
  static const std::regex left_side(R"((\w+: +)?\w+(\[[^\]]*\]|\([^)]*\))? +.?= .*)");
  constexpr std::size_t columns = 100;
  std::vector<string> found;
  if (!file.is_code()) return found;
  const auto open = [](const string& text, char begin, char end) {
    return std::ranges::count(text, begin) > std::ranges::count(text, end);
  };
  const auto lines = lines_of(file.text);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    std::smatch line, next;
    if (!std::regex_match(lines[i], line, comment)) continue;
    const auto report = [&](const string& what) {
      found.push_back("line " + std::to_string(i + 1) + " " + what);
    };
    const auto is_character = [](char c) { return (c & 0xC0) != 0x80; };  // UTF-8's first bytes
    if (std::ranges::count_if(lines[i], is_character) > static_cast<std::ptrdiff_t>(columns))
      report("is longer than 100 columns");
    const auto text = line.str(2);
    if (open(std::regex_replace(text, interval, ""), '[', ']')) report("ends within brackets");
    if (line.length(1) < 3 || text.find(" = ") == string::npos) continue;
    if (open(text, '(', ')')) report("ends within parentheses");
    if (i + 1 == lines.size() || !std::regex_match(lines[i + 1], next, comment)) continue;
    const auto follows = next.str(2);
    const auto first_word = follows.substr(0, follows.find(' '));
    const bool filled = lines[i].size() + 1 + first_word.size() > columns;
    if (filled && next.str(1) == line.str(1) &&
        string_view(",;.").find(text.back()) == string::npos &&
        !std::regex_match(follows, left_side))
      report("goes on in the next line");
  }
  return found;
}

TEST(House, FormulasStayWhole) {
  EXPECT_THAT(broken(broken_formulas), IsEmpty());
  const auto format = std::ranges::find(tree(), ".clang-format", &SourceFile::name);
  ASSERT_NE(format, tree().end());
  EXPECT_NE(format->text.find("ReflowComments: false"), string::npos);

  const auto found = [](const string& text) { return broken_formulas({"nn/a.h", text}); };
  EXPECT_THAT(found("//   y = ln sum_s exp(x[s])\n//   z = y\n// over [0, 3) and\n// [B, T]."),
              IsEmpty());
  EXPECT_THAT(found("// scales [P] and log-sum-exps [B,\n// T]"),
              ElementsAre("line 1 ends within brackets"));
  EXPECT_THAT(found("//   r = 1 / sqrt(mean x^2 +\n//   epsilon)"),
              ElementsAre("line 1 ends within parentheses"));
  const string long_line =
      "//   s[t] = ln sum_s e^x[s]" + string(50, ' ') + "over the keys shown to";
  EXPECT_THAT(found(long_line + "\n//   t y[t] = sum_s e^x[s] v[s]"),
              ElementsAre("line 1 goes on in the next line"));
  EXPECT_THAT(found(long_line + "\n//   y[t] = sum_s e^x[s] v[s]"), IsEmpty());
  EXPECT_THAT(found("  // " + string(96, 'x')), ElementsAre("line 1 is longer than 100 columns"));
}

// The scan itself: an empty list of files would keep every rule.
TEST(House, TheWholeTreeIsRead) {
  std::set<string> folders;
  for (const auto& file : tree()) folders.insert(file.folder());
  for (const string layer : {"runtime", "kernels", "autograd", "nn"})
    EXPECT_TRUE(folders.contains(layer)) << layer;
  EXPECT_TRUE(folders.contains("tests"));
  EXPECT_TRUE(folders.contains("CMakeLists.txt"));
}

}  // namespace
}  // namespace lookback::tests
