#!/usr/bin/env bash
# Removes the data of `make up`: tenants, keys, the ledger, all of it.
set -euo pipefail
cd "$(dirname "$0")/.."
default=.tollgate
[ "$(id -u)" = 0 ] && default=/var/lib/tollgate
dir=${TOLLGATE_DATA_DIR:-$default}

if [ ! -e "$dir" ]; then echo "nothing to forget: $dir does not exist"; exit 0; fi
if [ ! -e "$dir/tollgate.lock" ]; then echo "$dir was not made by tollgate up; it stays" >&2; exit 1; fi
if [ "${1:-${TOLLGATE_RESET:-}}" != yes ]; then
	if [ ! -t 0 ]; then echo "set TOLLGATE_RESET=yes to remove $dir" >&2; exit 1; fi
	read -r -p "Remove $dir with all tenants, keys and usage? Type yes: " answer
	if [ "$answer" != yes ]; then echo "kept"; exit 1; fi
fi
# A running product holds the lock.
if command -v flock >/dev/null && ! flock -n "$dir/tollgate.lock" true; then
	echo "tollgate up is running on $dir: stop it first" >&2
	exit 1
fi
rm -rf -- "$dir"
echo "removed $dir"
