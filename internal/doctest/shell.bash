# The shell of one Markdown file. It reads lines from the test on standard input, and says
# on file descriptor 3 that a command has ended.

servers=() # processes that run servers

command_not_found_handle() {
  echo "$1" >>"$DOCTEST/missing"
  echo "$1: not found"
  return 127
}

# pkill sends a signal to the servers of this file only, and waits until they have ended.
pkill() {
  local signal=-TERM
  if [ $# -eq 2 ]; then signal=$1; shift; fi
  [ "$*" = widgetd ] || { echo "this shell has only: pkill [-SIGNAL] widgetd"; return 2; }
  [ -s "$DOCTEST/pids" ] || return 1
  kill "$signal" $(cat "$DOCTEST/pids") || return
  case $signal in -HUP | -1) return ;; esac
  wait "${servers[@]}"
  servers=()
  : >"$DOCTEST/pids"
}

# doctest_run SCRIPT runs a command in this shell, so that it may set variables.
doctest_run() {
  (exit "${status:-0}") # $? of the previous command
  source "$1" </dev/null >"$1.out" 2>&1
  status=$?
  echo "exit status $status" >&3
}

# doctest_serve SCRIPT runs a command in the background. It ends at the end of the file.
doctest_serve() {
  (
    export DOCTEST_SERVER=yes
    source "$1"
    echo "$1 has ended" >&4
  ) </dev/null >"$1.out" 2>&1 3>&- &
  servers+=($!)
}

trap '[ ! -s "$DOCTEST/pids" ] || pkill widgetd' EXIT
