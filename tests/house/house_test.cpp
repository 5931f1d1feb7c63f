// The rules of the source tree, checked on its files: which folder may know which, what only apps/
// may do, and what no file holds. Each rule is a function of a file's name and text, so that it is
// also shown a text that breaks it. Beside: kernels_and_operations_test.cpp, comments_test.cpp.
#include <algorithm>
#include <array>
#include <cctype>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/house/source_tree.h"

namespace lookback::tests {
namespace {

using std::string;
using std::string_view;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

// From the folder that knows nothing of the others to the one that knows them all.
constexpr std::array<string_view, 5> layers = {"runtime", "kernels", "autograd", "nn", "apps"};

std::optional<std::size_t> layer_of(string_view folder) {
  const auto* found = std::ranges::find(layers, folder);
  if (found == layers.end()) return std::nullopt;
  return static_cast<std::size_t>(found - layers.begin());
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
  EXPECT_THAT(backward_arrows({"runtime/a.h", "#include \"kernels/core/slot.h\"\n"}),
              ElementsAre("includes kernels/core/slot.h"));
  EXPECT_THAT(backward_arrows({"nn/attention/a.cpp", " #include \"apps/a.h\"\n#include \"b.h\""}),
              ElementsAre("includes apps/a.h", "includes b.h, not from the root"));
  EXPECT_THAT(backward_arrows({"nn/a.cpp", "#include \"runtime/tensor.h\"\n#include <nn>\n"}),
              IsEmpty());
}

// Which folders of nn/ a folder of nn/ may include: the schemes and the Llama stand on the layer,
// the proof on the Llama, and no folder includes a scheme.
const std::map<string, std::set<string>>& nn_arrows() {
  static const std::map<string, std::set<string>> all = {{"", {}},
                                                         {"layer", {""}},
                                                         {"attention", {"", "layer"}},
                                                         {"residual", {"", "layer"}},
                                                         {"score", {"", "layer"}},
                                                         {"llama", {"", "layer"}},
                                                         {"proof", {"", "layer", "llama"}}};
  return all;
}

// The folder of nn/ that a file lies in: "" for nn/linear.h; nothing for files elsewhere.
std::optional<string> nn_folder(const string& name) {
  if (!name.starts_with("nn/")) return std::nullopt;
  const auto slash = name.find('/', 3);
  return slash == string::npos ? "" : name.substr(3, slash - 3);
}

std::vector<string> backward_arrows_in_nn(const SourceFile& file) {
  std::vector<string> found;
  const auto own = nn_folder(file.name);
  if (!own || !file.is_code()) return found;
  const auto allowed = nn_arrows().find(*own);
  if (allowed == nn_arrows().end()) return {"lies in nn/" + *own + ", a folder without a rule"};
  for (const auto& name : quoted_includes(file)) {
    const auto other = nn_folder(name);
    if (other && *other != *own && !allowed->second.contains(*other)) {
      found.push_back("includes " + name);
    }
  }
  return found;
}

TEST(House, FoldersOfNnPointOneWay) {
  EXPECT_THAT(broken(backward_arrows_in_nn), IsEmpty());
  EXPECT_THAT(backward_arrows_in_nn({"nn/layer/a.h", "#include \"nn/attention/b.h\"\n"}),
              ElementsAre("includes nn/attention/b.h"));
  EXPECT_THAT(backward_arrows_in_nn({"nn/linear.h", "#include \"nn/layer/b.h\"\n"}),
              ElementsAre("includes nn/layer/b.h"));
  EXPECT_THAT(backward_arrows_in_nn({"nn/llama/a.cpp", "#include \"nn/score/b.h\"\n"}),
              ElementsAre("includes nn/score/b.h"));
  EXPECT_THAT(backward_arrows_in_nn({"nn/fault/a.cpp", ""}),
              ElementsAre("lies in nn/fault, a folder without a rule"));
  EXPECT_THAT(backward_arrows_in_nn({"nn/score/a.cpp",
                                     "#include \"nn/score/b.h\"\n"
                                     "#include \"nn/layer/c.h\"\n"
                                     "#include \"nn/module.h\"\n"}),
              IsEmpty());
}

// The second opinion shares nothing with what it judges but how errors are thrown.
std::vector<string> shared_with_the_judged(const SourceFile& file) {
  const string folder = "apps/diagnosis/reference/";
  if (!file.name.starts_with(folder)) return {};
  std::vector<string> found;
  for (const auto& name : quoted_includes(file)) {
    const bool is_error = name == "runtime/error.h" || name == "runtime/check.h";
    if (!name.starts_with(folder) && !is_error) found.push_back("includes " + name);
  }
  return found;
}

TEST(House, TheSecondOpinionStandsAlone) {
  EXPECT_THAT(broken(shared_with_the_judged), IsEmpty());
  EXPECT_THAT(
      shared_with_the_judged({"apps/diagnosis/reference/a.h", "#include \"nn/linear.h\"\n"}),
      ElementsAre("includes nn/linear.h"));
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
  for (const auto& file : source_tree()) files.emplace(file.name, file);
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

// Only the program prints, reads the command line and exits; everything else throws. What ends all
// ranks of a run ends this process with them: Communicator::abort().
std::vector<string> prints_or_exits(const SourceFile& file) {
  static const std::set<string> calls = {"printf", "fprintf", "vprintf",    "puts", "fputs",
                                         "exit",   "_exit",   "quick_exit", "abort"};
  static const std::set<string> names = {"cout", "cerr", "clog", "stdout", "stderr"};
  static const std::set<string> ends_all_ranks = {"abort", "_exit"};
  const bool is_communicator = file.name.starts_with("runtime/communicator");
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
    const bool allowed = is_communicator && ends_all_ranks.contains(word);
    if (names.contains(word) || (called && calls.contains(word) && !allowed)) {
      found.push_back("uses " + word);
    }
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
  EXPECT_THAT(prints_or_exits({"runtime/communicator/a.cpp", "abort(1); _exit(1); exit(1);"}),
              ElementsAre("uses exit"));
  EXPECT_THAT(prints_or_exits({"runtime/commands.cpp", "abort(1);"}), ElementsAre("uses abort"));
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

// Tests run beside each other: a file under a fixed name is written by two at once.
std::vector<string> shared_folders(const SourceFile& file) {
  if (file.folder() != "tests" || file.text.find(string("Temp") + "Dir()") == string::npos)
    return {};
  return {"writes into a folder that tests share: TemporaryDirectory is one of its own"};
}

TEST(House, TestsHaveFoldersOfTheirOwn) {
  EXPECT_THAT(broken(shared_folders), IsEmpty());
  EXPECT_THAT(shared_folders({"tests/a.cpp", string("testing::Temp") + "Dir()"}),
              ::testing::SizeIs(1));
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

// The scan itself: an empty list of files would keep every rule.
TEST(House, TheWholeTreeIsRead) {
  std::set<string> folders;
  for (const auto& file : source_tree()) folders.insert(file.folder());
  for (const string layer : {"runtime", "kernels", "autograd", "nn"})
    EXPECT_TRUE(folders.contains(layer)) << layer;
  EXPECT_TRUE(folders.contains("tests"));
  EXPECT_TRUE(folders.contains("CMakeLists.txt"));
}

}  // namespace
}  // namespace lookback::tests
