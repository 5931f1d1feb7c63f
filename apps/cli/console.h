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
  // The same of a job whose result lies in files: where stdout does not take the text, that is a
  // warning. (JSON was asked for.)
  void summary(std::string_view text, const nlohmann::ordered_json& object) const;
  // A line on stderr about how it goes; hidden by --quiet.
  void note(std::string_view line) const;
};

// Writes to stdout or stderr at once, to a terminal what printable() makes of it. print throws
// Error when stdout does not take it (a full disk, a pipe without a reader); a failure of
// stderr is ignored: no stream is left to report it on.
void print(std::string_view text);
void print_error(std::string_view text);
// "lookback: warning: ..." on stderr.
void print_warning(std::string_view text);
// From here on these functions write nothing: of several ranks one speaks for all.
void be_silent();
// What ends this process, silent or not.
void print_last_error(std::string_view text);
// To stderr as it is: what moves a terminal's cursor on purpose.
void draw(std::string_view text);

// What a terminal may be shown, whatever a model or a file's name holds: valid UTF-8 in which no
// control character but tabs and line breaks is left. The others become their pictures (\u2400 to
// \u2421), those above 0x7f and what is no UTF-8 U+FFFD.
std::string printable(std::string_view text);

// As a shell takes it for one word: in quotes where it must be.
std::string shell_word(const std::string& text);

// Without line breaks and control characters.
std::string one_line(std::string_view text);

}  // namespace lookback
