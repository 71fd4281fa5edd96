#!/usr/bin/env bash
# Runs the program under test. A server listens on a free port, and copies its log to file
# descriptor 4.
if [ -z "${DOCTEST_SERVER:-}" ]; then
  case " $* " in *' healthcheck '*) export WIDGETD_ADDR=$DOCTEST_ADDR ;; esac
  exec "$DOCTEST_PROGRAM" "$@" 4>&-
fi
set -o pipefail
export WIDGETD_ADDR=127.0.0.1:0
{
  bash -c 'echo $$ >>"$DOCTEST/pids"; exec "$DOCTEST_PROGRAM" "$@" 4>&- 5>&- 6>&-' widgetd "$@" 2>&1 >&5 | tee /dev/fd/4 >&6
} 5>&1 6>&2
