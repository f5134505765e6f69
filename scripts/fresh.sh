#!/usr/bin/env bash
# Runs the generators and fails when a generated file comes out different from
# what is there. Arguments: git pathspecs of the generated files. The files are
# compared with what was on disk before, so that work not yet committed passes.
set -euo pipefail
cd "$(dirname "$0")/.."

sums() { git ls-files -co --exclude-standard -- "$@" | sort | while read -r f; do [ -f "$f" ] && sha256sum "$f"; done; }
before=$(sums "$@")
make --no-print-directory -s generate
after=$(sums "$@")
if [ "$before" != "$after" ]; then
	echo "Generated files were old; they are new now. Look at them and commit:" >&2
	diff <(echo "$before") <(echo "$after") | awk '/^[<>]/ {print "  " $3}' | sort -u >&2
	exit 1
fi
# In a clean checkout the same holds against the commit.
if [ -n "${CI:-}" ]; then git diff --exit-code -- "$@"; fi
