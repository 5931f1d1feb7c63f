// What the program says, and where: results on stdout, everything else on stderr.
#pragma once

#include <cstdio>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace lookback {

struct Console {
  enum class Form { text, json };
  enum class Notes { shown, hidden };
  Form form = Form::text;
  Notes notes = Notes::shown;

  bool json() const { return form == Form::json; }
  // The result, as text or as one JSON object, according to the form.
  void result(std::string_view text, const nlohmann::ordered_json& object) const;
  // A line on stderr about how it goes; hidden by --quiet.
  void note(std::string_view line) const;
};

// Writes to stdout or stderr at once; throws Error when stdout does not take it (a full disk).
void print(std::string_view text);
void print_error(std::string_view text);
// "lookback: warning: ..." on stderr.
void print_warning(std::string_view text);

// As a shell takes it for one word: in quotes where it must be.
std::string shell_word(const std::string& text);

// Without line breaks and control characters.
std::string one_line(std::string_view text);

}  // namespace lookback
