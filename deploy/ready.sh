#!/bin/bash
# Health check for containers without curl: `ready [PORT] [PATH]` succeeds when the HTTP answer is 200.
# Bash opens the connection itself; timeout(1) bounds a peer that accepts and says nothing.
set -euo pipefail
port="${1:-9464}"
path="${2:-/readyz}"
# shellcheck disable=SC2016 # expanded by the inner shell
exec timeout 3 bash -c '
  exec 3<>"/dev/tcp/127.0.0.1/$0"
  printf "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" "$1" >&3
  read -r _ status _ <&3
  [[ "$status" == 200 ]]
' "$port" "$path"
