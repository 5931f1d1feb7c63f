#!/usr/bin/env bash
# Runs over two hosts, which are namespaces of this machine: nodea and nodeb, each with a network, a
# host name and mounts of its own, a cable from each to one switch, and Open MPI's mpirun:
#   bash tests/several-hosts.sh [--rate 1gbit] [PROGRAM]
# PROGRAM is build/bin/lookback, its module for Open MPI beside it. What fails is said with what the
# run printed, and the exit code is 1. Where this cannot be tried it says why, with exit code 77.
# All that is made here lies in namespaces, and is gone with their first process, even after
# SIGKILL; so any number of these may run at once, by any user who may make namespaces.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

skip() {
  echo "skipped: SeveralHosts: $*"
  exit 77
}

# Starts this script once more, inside of namespaces.
outside() {
  local rate=1gbit program=$root/build/bin/lookback
  while [ $# -gt 0 ]; do
    case $1 in
      --rate) [ $# -gt 1 ] || { echo "$0: --rate needs one, as 1gbit" >&2; exit 2; }
        rate=$2; shift ;;
      --rate=*) rate=${1#*=} ;;
      -*) echo "$0: $1 is no option: --rate RATE is" >&2; exit 2 ;;
      *) program=$1 ;;
    esac
    shift
  done
  program=$(realpath -m -- "$program")
  local word mpirun='' namespaces probe
  PATH=$PATH:/usr/sbin:/sbin
  for word in ip tc unshare nsenter setpriv hostname python3; do
    command -v "$word" >/dev/null || skip "no $word (third_party/install_packages.sh test mpi)"
  done
  for word in mpirun.openmpi mpirun; do
    if [ -z "$mpirun" ] && [[ $("$word" --version 2>/dev/null) == *"Open MPI"* ]]; then
      mpirun=$word
    fi
  done
  [ -n "$mpirun" ] || skip "no mpirun of Open MPI (third_party/install_packages.sh mpi)"
  [ -x "$program" ] || { echo "$0: no program $program" >&2; exit 2; }
  [ -e "${program%/*}/lookback_mpi_openmpi.so" ] || skip "built without lookback_mpi_openmpi.so"
  namespaces=(--mount --net --uts --ipc --pid --fork --kill-child --mount-proc)
  [ "$(id -u)" = 0 ] || namespaces+=(--user --map-root-user)
  probe=$(unshare "${namespaces[@]}" sh -c "set -e
    ip link add name switch type bridge
    ip link add name nodea type veth peer name eth0
    tc qdisc add dev eth0 root tbf rate '$rate' burst 256kb latency 50ms
    mount -t tmpfs several-hosts /mnt
    unshare --mount --net --uts hostname nodea" 2>&1) ||
    skip "no networks and hosts of our own can be made here: $(tail -n 1 <<<"$probe")"

  # Not local: for the trap.
  scratch=$(mktemp -d)
  inside='' status=0
  trap '[ -z "$inside" ] || kill -KILL "$inside" 2>/dev/null || true; rmdir "$scratch"' EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
  setpriv --pdeathsig KILL unshare "${namespaces[@]}" \
    bash "${BASH_SOURCE[0]}" --inside "$scratch" "$rate" "$program" "$mpirun" &
  inside=$!
  wait "$inside" || status=$?
  inside=''
  exit "$status"
}

declare -A holder  # the process that keeps a host's namespaces

# on HOST COMMAND...
on() {
  nsenter --target "${holder[$1]}" --mount --net --uts -- "${@:2}"
}

make_host() {
  local host=$1 address=$2
  unshare --mount --net --uts sleep infinity &
  holder[$host]=$!
  until [ "$(cat "/proc/${holder[$host]}/comm")" = sleep ]; do sleep 0.01; done
  on "$host" hostname "$host"
  ip link add name "$host" type veth peer name eth0 netns "${holder[$host]}"
  ip link set "$host" master switch up
  on "$host" ip link set lo up
  on "$host" ip address add "$address/24" dev eth0
  on "$host" ip link set eth0 up
  on "$host" tc qdisc add dev eth0 root tbf rate "$rate" burst 256kb latency 50ms
  echo "$address $host" >>hosts
}

make_hosts() {
  mount -t tmpfs several-hosts "$scratch"
  cd "$scratch"
  ip link add name switch type bridge
  ip link set switch up
  echo "127.0.0.1 localhost" >hosts
  mount --bind hosts /etc/hosts
  make_host nodea 10.0.0.1
  make_host nodeb 10.0.0.2
  # In place of ssh: HOST COMMAND...
  cat >remote_shell <<END
#!/bin/sh
[ "\$1" = nodea ] && target=${holder[nodea]} || target=${holder[nodeb]}
shift
exec nsenter --target \$target --mount --net --uts -- sh -c "\$*"
END
  chmod +x remote_shell
  # The output folder is rank 0's alone: no other host sees it.
  mkdir data runs logs
  on nodeb mount -t tmpfs runs_of_nodeb "$scratch/runs"
}

write_inputs() {
  cat >config.json <<'END'
{"model_type": "llama", "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2,
 "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 256,
 "max_position_embeddings": 64, "tie_word_embeddings": true}
END
  local i
  for ((i = 0; i < 400; ++i)); do printf 'so %d it goes; ' $((i * i % 97)); done >data/text.txt
}

# train NAME [options]: the words of a run into runs/NAME, in `command`.
train() {
  command=("$program" train --config "$scratch/config.json" --data "$scratch/data/text.txt"
    --output-dir "$scratch/runs/$1" --batch-size 2 --block-size 16 --max-steps 60 --save-steps 10
    --logging-steps 5 --eval-steps 20 --eval-batches 3 --gradient-accumulation-steps 4
    --gradient-lanes 4 "${@:2}")
}

# start RANKS: `command` in so many on each host, in the background; its output is in $log.
start() {
  log=$scratch/logs/$((++runs_started))
  started=$EPOCHREALTIME
  on nodea timeout --kill-after 5 60 "$mpirun" --host "nodea:$1,nodeb:$1" -n $((2 * $1)) \
    --mca plm_rsh_agent "$scratch/remote_shell" --mca btl self,tcp \
    --mca btl_tcp_if_include 10.0.0.0/24 --mca oob_tcp_if_include 10.0.0.0/24 \
    --mca mpi_yield_when_idle 1 --bind-to none "${command[@]}" >"$log" 2>&1 &
  mpi=$!
}

seconds_since() {
  awk -v from="$1" -v to="$EPOCHREALTIME" 'BEGIN { printf "%.1f", to - from }'
}

# Waits for what was started: its exit code in $code, its time in $seconds.
finish() {
  code=0
  wait "$mpi" 2>/dev/null || code=$?
  seconds=$(seconds_since "$started")
}

# PID COMMAND of all that runs on a host, a line each.
processes_on() {
  local name process word
  name=$(readlink "/proc/${holder[$1]}/ns/uts")
  for process in /proc/[0-9]*; do
    if [ "${process#/proc/}" = "${holder[$1]}" ]; then continue; fi
    if [ "$(readlink "$process/ns/uts")" = "$name" ] && read -r word <"$process/comm"; then
      echo "${process#/proc/} $word"
    fi
  done 2>/dev/null
}

# What is left a moment after the end, a line each: HOST PID COMMAND.
left_over() {
  local host tries left
  for ((tries = 0; tries < 20; ++tries)); do
    left=$(for host in nodea nodeb; do processes_on $host | sed "s/^/$host /"; done)
    [ -n "$left" ] || break
    sleep 0.1
  done
  [ -z "$left" ] || echo "$left"
}

# Kills them, and says which they were.
kill_left_over() {
  local host process word
  left_over | while read -r host process word; do
    if kill -KILL "$process" 2>/dev/null; then echo "$check: killed $word, left on $host"; fi
  done
}

# expect TEXT COMMAND...: that this is so; where it is not, with what the run printed, once.
expect() {
  if "${@:2}"; then return; fi
  failures=$((failures + 1))
  echo "FAILED: $check: expected $1"
  if [ "$log" != "$log_shown" ]; then sed 's/^/    /' "$log"; fi
  log_shown=$log
}

at_most() { awk -v value="$1" -v limit="$2" 'BEGIN { exit !(value <= limit) }'; }
ended_with() { [ "$code" -eq "$1" ]; }
ended_badly() { [ "$code" -ne 0 ]; }
said() { grep -Eq -- "$1" "$log"; }
errors() { grep -Ec -- "^lookback: error: ${1:-}" "$log"; }
has_one_error() { [ "$(errors)" = 1 ]; }
all_errors_are() { said "^lookback: error: $1" && [ "$(errors)" = "$(errors "$1")" ]; }
nodeb_has_no_output() { [ -z "$(on nodeb ls -A "$scratch/runs")" ]; }
ranks_left() { { processes_on nodea && processes_on nodeb; } | grep ' lookback$'; }
no_rank_left() { ! ranks_left; }
has_nothing_in() { [ ! -e "$1" ] || ! find "$1" -mindepth 1 | grep .; }
none_left() { ! left_over | grep .; }

# Waits until the run NAME has its first checkpoint; not when mpirun is over.
has_first_checkpoint() {
  until [ -e "runs/$1/checkpoint-10/trainer_state.json" ]; do
    kill -0 "$mpi" 2>/dev/null || return 1
    sleep 0.02
  done
}

# same_files OURS THEIRS: the folders of two runs are the same, byte by byte, but for times,
# peak_bytes, and where they lie; of event files, whose names are times, what they tell a reader.
same_files() {
  python3 - "runs/$1" "runs/$2" <<'PYTHON'
import pathlib, re, struct, sys


def varint(data, at):
    value = shift = 0
    while True:
        value |= (data[at] & 127) << shift
        shift, at = shift + 7, at + 1
        if data[at - 1] < 128:
            return value, at


def records(data):
    at = 0
    while at < len(data):
        size, = struct.unpack_from("<Q", data, at)
        yield data[at + 12:at + 12 + size]
        at += 16 + size


def events(paths):
    """Without times; where a file starts again, later events of those before it do not count."""
    events = []
    for path in sorted(paths):
        for record in records(path.read_bytes()):
            assert record[0] == 0x09 and record[9] == 0x10, record  # the time; the step
            step, at = varint(record, 10)
            rest = re.sub(rb"(train/tokens_per_second\x15).{4}", rb"\1", record[at:], flags=re.S)
            if rest == b"\x3a\x02\x08\x01":
                events = [event for event in events if event[0] < step]
            elif rest[0] != 0x1a:  # the version
                events.append((step, rest))
    return events


def comparable(path):
    data = path.read_bytes()
    if path.name in ("metrics.jsonl", "trainer_state.json"):
        data = re.sub(rb'("(seconds|tokens_per_second|peak_bytes)": ?)[-+.\w]+', rb"\1", data)
    if path.name == "options.toml":  # whose checksum is that of output_dir too
        data = re.sub(rb"^(output_dir|# checksum|# resumed from) .*\n", b"", data, flags=re.M)
    return data


def files(folder):
    paths = [path for path in pathlib.Path(folder).rglob("*") if not path.is_dir()]
    of_events = [path for path in paths if "tfevents" in path.name]
    result = {str(path.relative_to(folder)): comparable(path)
              for path in paths if path not in of_events}
    return result | {"events": events(of_events)}


ours, theirs = files(sys.argv[1]), files(sys.argv[2])
assert len(ours) > 15 and len(ours["events"]) > 10, sorted(ours)
different = [name for name in sorted(ours | theirs) if ours.get(name) != theirs.get(name)]
if different:
    sys.exit(f"{' and '.join(sys.argv[1:])} differ in {', '.join(different)}")
PYTHON
}

# --- the checks

four_ranks_have_the_files_of_one_process() {
  train one
  log=$scratch/logs/one code=0
  on nodea "${command[@]}" >"$log" 2>&1 || code=$?
  expect "exit code 0 of one process, not $code" ended_with 0
  train four
  start 2
  finish
  expect "exit code 0, not $code" ended_with 0
  expect "the files of one process" same_files four one
  expect "no process left" none_left
  expect "no output on nodeb" nodeb_has_no_output
}

other_data_on_one_host_is_refused() {
  mkdir -p elsewhere
  tr ' ' _ <data/text.txt >elsewhere/text.txt
  on nodeb mount --bind "$scratch/elsewhere" "$scratch/data"
  train other_data
  start 2
  finish
  on nodeb umount "$scratch/data"
  expect "an exit code other than 0" ended_badly
  expect "one error" has_one_error
  expect "both hosts named" said 'error: .* for rank 2 on nodeb, and .* for rank 0 on nodea'
  expect "nothing in the output folder" has_nothing_in runs/other_data
  expect "no process left" none_left
}

a_file_missing_on_one_host_is_named() {
  mkdir -p nothing
  on nodeb mount --bind "$scratch/nothing" "$scratch/data"
  train missing
  start 2
  finish
  on nodeb umount "$scratch/data"
  expect "an exit code other than 0" ended_badly
  expect "the file, the rank and its host named" \
    all_errors_are 'rank [23] on nodeb: .*/data/text\.txt: there is no such file'
  expect "nothing in the output folder" has_nothing_in runs/missing
  expect "no process left" none_left
}

after_a_kill_two_ranks_go_on_to_the_same_files() {
  local rank killed
  train killed
  start 2
  expect "a first checkpoint" has_first_checkpoint killed
  rank=$(processes_on nodeb | awk '$2 == "lookback" { print $1; exit }')
  [ -z "$rank" ] || kill -KILL "$rank"
  killed=$EPOCHREALTIME
  finish
  seconds=$(seconds_since "$killed")
  expect "an exit code other than 0" ended_badly
  expect "an end within 10 s of the kill, not $seconds s" at_most "$seconds" 10
  expect "no process left" none_left
  kill_left_over
  command=("$program" train --resume --output-dir "$scratch/runs/killed")
  start 1
  finish
  expect "exit code 0 of --resume, not $code" ended_with 0
  expect "the files of a run never killed" same_files killed one
  expect "no process left" none_left
}

a_cable_pulled_out_names_who_does_not_answer() {
  local pulled line
  train unplugged --max-steps 1000000 --collective-timeout 5
  start 2
  expect "a first checkpoint" has_first_checkpoint unplugged
  ip link set nodeb down
  pulled=$EPOCHREALTIME
  line='^lookback: error: rank [23] on nodeb .*ha(s|ve) not answered for 5 s \(step [0-9]+, '
  until said "$line" || ! at_most "$(seconds_since "$pulled")" 30; do sleep 0.1; done
  expect "rank and host named within 30 s" said "$line"
  while ranks_left >/dev/null && at_most "$(seconds_since "$pulled")" 30; do sleep 0.1; done
  echo "$check: $(ranks_left | wc -l) ranks left after $(seconds_since "$pulled") s"
  expect "no rank left, on both sides" no_rank_left
  # mpirun and its daemon on the other side wait for each other, for as long as TCP tries.
  kill_left_over
  finish
  ip link set nodeb up
  expect "an exit code other than 0" ended_badly
  expect "no process left" none_left
}

# --- inside

if [ "${1:-}" != --inside ]; then outside "$@"; fi
scratch=$2 rate=$3 program=$4 mpirun=$5
export TMPDIR=$scratch OMP_NUM_THREADS=1
# As a container's root; Open MPI asks to be told twice that this is meant.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
# What Open MPI keeps until its end are no leaks of ours.
export ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0"
failures=0 runs_started=0 log='' log_shown=''
make_hosts
write_inputs
for check in four_ranks_have_the_files_of_one_process other_data_on_one_host_is_refused \
  a_file_missing_on_one_host_is_named after_a_kill_two_ranks_go_on_to_the_same_files \
  a_cable_pulled_out_names_who_does_not_answer; do
  begin=$EPOCHREALTIME failed_before=$failures
  $check
  kill_left_over
  [ "$failures" -gt "$failed_before" ] || echo "passed: $check ($(seconds_since "$begin") s)"
done
[ "$failures" -eq 0 ]
