#include "apps/data/json_tokenizer/pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <time.h>

#include <array>
#include <new>
#include <utility>

#include "apps/data/json_tokenizer/json_value.h"
#include "apps/data/json_tokenizer/pattern_syntax.h"
#include "runtime/check.h"

namespace lookback::json_tokenizer {
namespace {

constexpr std::size_t first_stack_bytes = 32 * 1024, max_stack_bytes = 1024 * 1024;

// How many times PCRE2 may turn back in one search. A pattern that looks ahead over a run of white
// space turns back once per letter, in nanoseconds; (.*a){25} does so without end, and each time
// may take as long as a line. So the limit grows for as long as a next try is likely to stay within
// the time.
constexpr std::uint32_t first_match_limit = 1000, limit_growth = 4;
constexpr double max_seconds = 0.25;

// Of this thread: a machine that is busy gives up no earlier.
double processor_seconds() {
  timespec time = {};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

std::string message_of(int error) {
  std::array<PCRE2_UCHAR, 256> text{};
  pcre2_get_error_message(error, text.data(), text.size());
  return reinterpret_cast<const char*>(text.data());
}

template <class T>
T* given(T* pointer) {
  if (!pointer) throw std::bad_alloc();
  return pointer;
}

}  // namespace

MatchMemory::MatchMemory()
    : stack_(pcre2_jit_stack_create(first_stack_bytes, max_stack_bytes, nullptr),
             pcre2_jit_stack_free),
      context_(given(pcre2_match_context_create(nullptr)), pcre2_match_context_free),
      data_(given(pcre2_match_data_create(1, nullptr)), pcre2_match_data_free) {
  // Without a compiler for patterns in PCRE2 there is no stack, and none is needed.
  if (stack_) pcre2_jit_stack_assign(context_.get(), nullptr, stack_.get());
}

Pattern::Pattern(std::string_view written, std::string where)
    : place_(std::move(where)), written_(written) {
  const auto pattern = in_pcre2_syntax(written, place_);
  const std::unique_ptr<pcre2_compile_context, decltype(&pcre2_compile_context_free)> context(
      given(pcre2_compile_context_create(nullptr)), pcre2_compile_context_free);
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
  int error = 0;
  PCRE2_SIZE offset = 0;
  pcre2_code* compiled =
      pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                    PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C, &error,
                    &offset, context.get());
  if (!compiled) {
    fail(operation, "{} is {}: this regular expression cannot be read: {} (near {})", place_,
         shown(written), message_of(error),
         shown(std::string_view(pattern).substr(std::min(offset, pattern.size()))));
  }
  code_ = std::shared_ptr<const pcre2_code>(
      compiled, [](const pcre2_code* owned) { pcre2_code_free(const_cast<pcre2_code*>(owned)); });
  pcre2_jit_compile(compiled, PCRE2_JIT_COMPLETE);  // where it fails, matching is slower
}

Pattern Pattern::read(const JsonValue& step) {
  constexpr std::string_view rule = R"(must be {"Regex": ".."} or {"String": ".."})";
  const auto pattern = step.member("pattern", rule);
  const auto regex = pattern.find("Regex"), string = pattern.find("String");
  if (regex.has_value() == string.has_value()) pattern.refuse("{}", rule);
  const auto& value = regex ? *regex : *string;
  return {regex ? value.text() : quoted_pattern(value.text()), value.where()};
}

bool Pattern::find(std::string_view text, std::size_t from, MatchMemory& memory,
                   Range& found) const {
  // Without PCRE2_NO_UTF_CHECK each call would read the rest of the text once more.
  const auto match_as = [&](std::uint32_t options) {
    return pcre2_match(code_.get(), reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), from,
                       PCRE2_NO_UTF_CHECK | options, memory.data_.get(), memory.context_.get());
  };
  const auto match_within = [&](std::uint32_t limit) {
    pcre2_set_match_limit(memory.context_.get(), limit);
    const auto result = match_as(0);
    return result == PCRE2_ERROR_JIT_STACKLIMIT ? match_as(PCRE2_NO_JIT) : result;
  };
  auto result = match_within(first_match_limit);
  double seconds = 0;
  for (auto limit = first_match_limit;
       result == PCRE2_ERROR_MATCHLIMIT && seconds * limit_growth < max_seconds;) {
    limit *= limit_growth;
    const double start = processor_seconds();
    result = match_within(limit);
    seconds = processor_seconds() - start;
  }
  if (result == PCRE2_ERROR_NOMATCH) return false;
  if (result < 0) {
    fail(operation, "{}: at byte {} of {} bytes of text the search is given up: {}", place_, from,
         text.size(), message_of(result));
  }
  const auto* bounds = pcre2_get_ovector_pointer(memory.data_.get());
  found = {bounds[0], bounds[1]};
  // \K inside a lookaround can turn a match around.
  if (found.begin < from || found.end < found.begin) {
    fail(operation, "{}: a match ends before it begins: \\K cannot be used there", place_);
  }
  return true;
}

}  // namespace lookback::json_tokenizer
