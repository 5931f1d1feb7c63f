// The one program. Everything it does stands in apps/cli and in one file per subcommand.
#include <string>
#include <vector>

#include "apps/cli/process.h"
#include "apps/cli/program.h"

int main(int count, char** arguments) {
  //  // before any file is opened
  const std::vector<std::string> all(arguments + 1, arguments + count);
  return lookback::run_program(LOOKBACK_VERSION, all);
}
