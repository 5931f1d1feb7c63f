# shellcheck shell=bash
# Sourced by run.sh and sanitize.sh.

# run_ctest BUILD_DIR [ctest options]: ctest, which itself names the tests that were skipped; why
# each was is in its log alone, and is printed here, just before ctest's closing summary.
run_ctest() {
  local directory=$1
  shift
  ctest --test-dir "$directory" --parallel "$(nproc)" --output-on-failure "$@" |
    awk -v log_file="$directory/Testing/Temporary/LastTest.log" '
      /^[0-9]+% tests passed/ { closing = 1 }
      closing { held = held $0 "\n"; next }
      { print; fflush() }
      END {
        while ((getline line < log_file) > 0) {
          if (line ~ /^\[  SKIPPED \] .*\([0-9]+ ms\)$/) {
            sub(/^\[  SKIPPED \] /, "", line); sub(/ \([0-9]+ ms\)$/, "", line)
            print "skipped: " line ": " reason
          }
          if (reading) reason = reason (reason == "" ? "" : " ") line
          if (line ~ /: Skipped$/) { reading = 1; reason = "" }
          if (line ~ /^skipped: SeveralHosts: /) print line
          if (line ~ /^this processor has no / && !told[line]++) {
            print "skipped: tests under LOOKBACK_ISA: " line
          }
          if (line ~ /^\[/) reading = 0
        }
        printf "\n%s", held
      }'
}
